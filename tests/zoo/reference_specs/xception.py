"""Xception against `keras.applications`."""

from __future__ import annotations

from typing import Final

from zoo.parity import Application, Family

FAMILY: Final = Family(
    form={"image_size": 71, "classes": 5},
    reference="`keras.applications`",
    small={
        "71 pixels": Application("xception", {"image_size": 71, "classes": 10}, model="Xception")
    },
    full={"299 pixels": Application("xception", model="Xception")},
    follows="It pads its pools as TensorFlow does, with the odd pixel behind. Nothing is"
    " between the depthwise and the pointwise part of a separable convolution.",
)
