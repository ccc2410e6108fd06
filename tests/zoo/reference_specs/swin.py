"""The Swin Transformer against torchvision."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {"depths": [2, 2, 2], "width": 4, "window": 2}

_DEEP: Final = [2, 2, 18, 2]
_SIZES: Final = {
    "tiny": ([2, 2, 6, 2], 96, 7), "small": (_DEEP, 96, 7), "base": (_DEEP, 128, 7),
    "base-384": (_DEEP, 128, 12), "large": (_DEEP, 192, 7), "large-384": (_DEEP, 192, 12),
}  # fmt: skip
"""Depths, width and window of the published sizes."""

FAMILY: Final = Family(
    form={"image_size": 32, "classes": 5, "head_width": 2, **_SMALL},
    reference="torchvision",
    small={
        # The last stage is one window, which is not shifted.
        "three stages": Reference(
            "swin",
            {"image_size": 32, "classes": 5, "head_width": 2, **_SMALL},
            module="swin",
            options={**_SMALL, "heads": [2, 4, 8], "classes": 5},
        ),
        "odd window": Reference(
            "swin",
            {
                "image_size": 96,
                "classes": 5,
                "head_width": 2,
                "depths": [2],
                "width": 4,
                "window": 3,
            },
            module="swin",
            options={"depths": [2], "width": 4, "window": 3, "heads": [2], "classes": 5},
        ),
    },
    full={
        size: Reference(
            f"swin:{size}",
            module="swin",
            options={
                "depths": depths,
                "width": width,
                "heads": [width // 32 * 2**stage for stage in range(4)],
                "window": window,
                "classes": 1000,
            },
        )
        for size, (depths, width, window) in _SIZES.items()
    },
    follows="Places that were not side by side before the shift get 100 less before the softmax, as"
    " in the authors' code. Its multiply-adds are those of convolutions and dense layers, so the"
    " products of attention are not among them: 0.1 of the paper's 4.5 billion for Swin-T.",
)
