"""DeepLabv3+ against the parts that torchvision has of it."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {
    "depths": [1, 1, 1, 2], "image_size": [48, 64], "width": 6, "low_filters": 4,
    "rates": [1, 2, 3], "classes": 2,
}  # fmt: skip
_OPTIONS: Final = {
    "depths": [1, 1, 1, 2], "filters": 6, "low": 4, "rates": [1, 2, 3], "classes": 2,
}  # fmt: skip

FAMILY: Final = Family(
    form=_SMALL,
    reference="torchvision; the decoder of PyTorch, written by hand",
    small={
        "four stages": Reference(
            "deeplabv3_plus", _SMALL, module="deeplabv3_plus", options=_OPTIONS, dtype="float64"
        )
    },
    full={
        "50": Reference(
            "deeplabv3_plus:50", module="deeplabv3_plus", options={"depths": [3, 4, 6, 3]}
        )
    },
    follows="Its ResNet has strides and rates as torchvision's. No convolution is separable. Maps"
    " grow by bilinear interpolation between the centers of pixels.",
)
