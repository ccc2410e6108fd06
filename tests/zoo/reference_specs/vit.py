"""The Vision Transformer against torchvision."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {
    "image_size": 12, "patch": 4, "depth": 2, "width": 12, "hidden": 20, "heads": 3, "classes": 5,
}  # fmt: skip
_TWO: Final = {"depth": 2, "heads": 3}
_SIZES: Final = {
    "b16": (12, 12), "b32": (12, 12), "l16": (24, 16), "l32": (24, 16),
    "b16-384": (12, 12), "l16-384": (24, 16),
}  # fmt: skip
"""Depth and heads of the published sizes, but for the largest."""

FAMILY: Final = Family(
    form={**_SMALL, "dropout": 0.1},
    reference="torchvision",
    small={
        "two blocks": Reference("vit", _SMALL, module="vit", options=_TWO),
        "tanh": Reference(
            "vit",
            {**_SMALL, "tanh_gelu": True},
            module="vit",
            options={**_TWO, "tanh_gelu": True},
        ),
    },
    full={
        **{
            size: Reference(f"vit:{size}", module="vit", options={"depth": depth, "heads": heads})
            for size, (depth, heads) in _SIZES.items()
        },
        "h14, eight blocks": Reference(
            "vit:h14", {"depth": 8}, module="vit", options={"depth": 8, "heads": 16}
        ),
    },
    follows="Its GELU is exact, as in the paper and in torchvision; the authors' code has the"
    " approximation: `tanh_gelu: true`.",
)
