"""ResNet v2 against timm."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Params, Reference

_FORM: Final = {"image_size": 65, "classes": 7, "depths": [1, 2, 1, 1]}
_BASIC: Final = {"bottleneck": False}
_TIMM: Final = {"stride_in_3x3": True}


def _small(**params: object) -> Reference:
    """A comparison of few units."""
    options = {"classes": 7, "depths": [1, 2, 1, 1], **params}
    return Reference("resnet_v2", {**_FORM, **params}, module="resnet_v2", options=options)


def _full(variant: str, depths: list[int], **options: object) -> Reference:
    """A comparison of a published size."""
    params: Params = _TIMM if "stride_in_3x3" in options else {}
    options = {"classes": 1000, "depths": depths, **options}
    return Reference(f"resnet_v2:{variant}", params, module="resnet_v2", options=options)


FAMILY: Final = Family(
    form={"image_size": 32, "classes": 5, "depths": [1, 2, 1, 1]},
    reference="timm",
    small={
        "bottlenecks": _small(),
        "bottlenecks of timm": _small(**_TIMM),
        "basic": _small(**_BASIC),
    },
    full={
        "18": _full("18", [2, 2, 2, 2], **_BASIC),
        "34": _full("34", [3, 4, 6, 3], **_BASIC),
        "50": _full("50", [3, 4, 6, 3]),
        "50, stride in the 3x3": _full("50", [3, 4, 6, 3], **_TIMM),
        "101": _full("101", [3, 4, 23, 3]),
        "152": _full("152", [3, 8, 36, 3]),
    },
    follows="As in the paper, the first activation of all stands before the first unit splits, and"
    " as in the authors' program the stride of a stage is in its first convolution; timm's is in"
    " the 3x3 convolution (`stride_in_3x3`), and its first identity is not activated."
    " `keras.applications.ResNet50V2` is a fourth network: its stages shrink in their last unit, by"
    " pooling where they are the identity, and a third of its convolutions have biases.",
)
