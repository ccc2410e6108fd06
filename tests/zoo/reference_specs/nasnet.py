"""NASNet-A against `keras.applications`."""

from __future__ import annotations

from typing import Final

from zoo.parity import Application, Family

FAMILY: Final = Family(
    form={"image_size": 32, "classes": 5, "repeats": 1, "width": 4, "stem": 4},
    reference="`keras.applications`",
    small={},
    full={
        "75 pixels": Application(
            "nasnet:mobile", {"image_size": 75, "classes": 10}, model="NASNetMobile"
        ),
        "mobile": Application("nasnet:mobile", model="NASNetMobile"),
        "large": Application("nasnet:large", model="NASNetLarge"),
    },
    follows="It is Keras's network, whose pooling at a stride of 2 reads the zeros that pad. Paths"
    " are not dropped in training, and there is no auxiliary classifier.",
)
