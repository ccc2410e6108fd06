"""Inception-ResNet-v2 against `keras.applications`."""

from __future__ import annotations

from typing import Final

from zoo.parity import Application, Family

FAMILY: Final = Family(
    form={"image_size": 75, "classes": 5, "repeats": [1, 1, 2]},
    reference="`keras.applications`",
    small={},
    full={
        "75 pixels": Application(
            "inception_resnet_v2",
            {"image_size": 75, "classes": 10},
            model="InceptionResNetV2",
        ),
        "299 pixels": Application("inception_resnet_v2", model="InceptionResNetV2"),
    },
    follows="It is TF-slim's and Keras's network: the stem is that of Inception-v3 instead of"
    " figure 3, and the last block is neither scaled nor followed by a ReLU.",
)
