"""ConvNeXt against `keras.applications`."""

from __future__ import annotations

from typing import Final

from zoo.parity import Application, Family

_UNSCALED: Final = {"include_preprocessing": False}

FAMILY: Final = Family(
    form={
        "image_size": 32,
        "classes": 5,
        "depths": [1, 1, 2, 1],
        "widths": [4, 8, 12, 16],
        "layer_scale": 1.0,
    },
    reference="`keras.applications`",
    small={
        "tiny": Application(
            "convnext:tiny",
            {"image_size": 32, "classes": 10},
            model="ConvNeXtTiny",
            options=_UNSCALED,
        )
    },
    full={
        size.lower(): Application(
            f"convnext:{size.lower()}", model=f"ConvNeXt{size}", options=_UNSCALED
        )
        for size in ("Tiny", "Small", "Base", "Large", "XLarge")
    },
    follows="The scale of a block is a depthwise convolution of one pixel; its multiply-adds"
    " count here, and not in the paper. Pixels are scaled by whoever gives them. Blocks are skipped"
    " at the rates of the authors, where Keras skips none.",
)
