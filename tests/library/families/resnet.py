"""ResNet against `keras.applications`, which has biases in its convolutions."""

from __future__ import annotations

from typing import Final

from library.proof import Application, Family

_BIASES: Final = {"use_bias": True}

FAMILY: Final = Family(
    form={"image_size": 32, "classes": 5, "depths": [1, 2, 1, 1]},
    against="`keras.applications`",
    small={
        "50": Application(
            "resnet:50", {"image_size": 64, "classes": 10, **_BIASES}, model="ResNet50"
        )
    },
    full={
        "50": Application("resnet:50", _BIASES, model="ResNet50"),
        "101": Application("resnet:101", _BIASES, model="ResNet101"),
        "152": Application("resnet:152", _BIASES, model="ResNet152"),
    },
    follows="The stride of a stage is in its first 1x1 convolution, as in the paper; it pads as"
    " `keras.applications` does, and has biases in its convolutions only with `use_bias: true`."
    " Parameters are counted with the statistics of batch normalisation.",
)
