"""ResNet against `keras.applications`, which has biases, and against torchvision, which is v1.5."""

from __future__ import annotations

from typing import Final

from zoo.parity import Application, Family, Reference

_BIASES: Final = {"use_bias": True}
_TORCHVISION: Final = {"stride_in_3x3": True}
_SHALLOW: Final = {"depths": [1, 2, 1, 1]}

FAMILY: Final = Family(
    form={"image_size": 32, "classes": 5, "depths": [1, 2, 1, 1]},
    reference="`keras.applications`; with `stride_in_3x3`, torchvision",
    small={
        "50": Application(
            "resnet:50", {"image_size": 64, "classes": 10, **_BIASES}, model="ResNet50"
        ),
        "v1.5": Reference(
            "resnet",
            {"image_size": 65, "classes": 7, **_SHALLOW, **_TORCHVISION},
            module="resnet",
            options={"bottleneck": True, **_SHALLOW},
        ),
    },
    full={
        "50": Application("resnet:50", _BIASES, model="ResNet50"),
        "101": Application("resnet:101", _BIASES, model="ResNet101"),
        "152": Application("resnet:152", _BIASES, model="ResNet152"),
        "50, v1.5": Reference(
            "resnet:50",
            _TORCHVISION,
            module="resnet",
            options={"bottleneck": True, "depths": [3, 4, 6, 3]},
        ),
    },
    follows="The stride of a stage is in its first 1x1 convolution, as in the paper, or with"
    " `stride_in_3x3: true` in the 3x3 convolution (v1.5); it pads as `keras.applications` does,"
    " and has biases in its convolutions only with `use_bias: true`. Parameters are counted with"
    " the statistics of batch normalisation.",
)
