"""Inception-v3 against `keras.applications`."""

from __future__ import annotations

from typing import Final

from zoo.parity import Application, Family, Reference

FAMILY: Final = Family(
    form={"image_size": 75, "classes": 5},
    reference="`keras.applications`; with its auxiliary head, torchvision",
    small={
        "75 pixels": Application(
            "inception_v3", {"image_size": 75, "classes": 10}, model="InceptionV3"
        )
    },
    full={
        "299 pixels": Application("inception_v3", model="InceptionV3"),
        "training": Reference(
            "inception_v3:training", module="inception_v3", options={"classes": 1000}
        ),
    },
    follows="Batch normalisation has no scale, as in TF-slim and Keras; torchvision's has. Pools do"
    " not count the padding. The paper lists 4.8 billion multiply-adds, which its own tables do not"
    " give.",
)
