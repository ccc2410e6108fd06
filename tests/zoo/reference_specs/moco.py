"""MoCo against torchvision's ResNet with the authors' head."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_FORM: Final = {"depths": [1, 1, 1, 1]}
_RESNET50: Final = {"depths": [3, 4, 6, 3]}

FAMILY: Final = Family(
    form={"image_size": 32, **_FORM},
    reference="torchvision, with the authors' head",
    small={
        variant: Reference(
            f"moco:{variant}",
            {"image_size": 32, **_FORM},
            module="moco",
            options={"mlp": variant == "v2", **_FORM},
        )
        for variant in ("v1", "v2")
    },
    full={
        variant: Reference(
            f"moco:{variant}", module="moco", options={"mlp": variant == "v2", **_RESNET50}
        )
        for variant in ("v1", "v2")
    },
    follows="It is one encoder, of queries; that of keys is a second model of the same file, and"
    " the queue belongs to the training. The stride of a stage is in the 3x3 convolution, as in the"
    " authors' program.",
)
