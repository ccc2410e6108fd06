"""VGG against `keras.applications`."""

from __future__ import annotations

from typing import Final

from library.proof import Application, Family

FAMILY: Final = Family(
    form={"image_size": 32, "classes": 5, "depths": [1, 1, 1, 1, 1]},
    against="`keras.applications` (16, 19), table 1 of the paper (11, 13)",
    small={"16": Application("vgg:16", {"image_size": 64, "classes": 10}, model="VGG16")},
    full={
        "16": Application("vgg:16", model="VGG16"),
        "19": Application("vgg:19", model="VGG19"),
    },
)
