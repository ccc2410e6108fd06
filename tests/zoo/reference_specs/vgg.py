"""VGG against `keras.applications` and torchvision."""

from __future__ import annotations

from typing import Final

from zoo.parity import Application, Family, Reference

FAMILY: Final = Family(
    form={"image_size": 32, "classes": 5, "depths": [1, 1, 1, 1, 1]},
    reference="`keras.applications` (16, 19), torchvision (11, 13, 16-1x1)",
    small={"16": Application("vgg:16", {"image_size": 64, "classes": 10}, model="VGG16")},
    full={
        "11": Reference("vgg:11", module="vgg", options={"column": "A"}),
        "13": Reference("vgg:13", module="vgg", options={"column": "B"}),
        "16-1x1": Reference("vgg:16-1x1", module="vgg", options={"column": "C"}),
        "16": Application("vgg:16", model="VGG16"),
        "19": Application("vgg:19", model="VGG19"),
    },
)
