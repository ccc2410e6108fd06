"""SimCLR against torchvision's ResNet with a head by hand."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_FORM: Final = {"depths": [1, 1, 1, 1]}
_RESNET50: Final = {"depths": [3, 4, 6, 3]}

FAMILY: Final = Family(
    form={"image_size": 32, **_FORM},
    reference="torchvision, with a head written by hand",
    small={
        variant: Reference(
            f"simclr:{variant}",
            {"image_size": 32, **_FORM},
            module="simclr",
            options={"normalised": variant == "official", **_FORM},
        )
        for variant in ("paper", "official")
    },
    full={
        variant: Reference(
            f"simclr:{variant}",
            module="simclr",
            options={"normalised": variant == "official", **_RESNET50},
        )
        for variant in ("paper", "official")
    },
    follows="The head is the paper's equation; the variant `official` is that of the authors'"
    " program with `num_proj_layers=2`, which normalises both of its layers. The stride of a stage"
    " is in the 3x3 convolution, as in that program, whose first pooling pads on the right only.",
)
