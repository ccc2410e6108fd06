"""NASNet-A against `keras.applications`."""

from __future__ import annotations

from typing import Final

from keras.src.applications import nasnet
from zoo.parity import Application, Family

_SMALL: Final = {"image_size": 32, "classes": 5, "repeats": 1, "width": 4, "stem": 4}

FAMILY: Final = Family(
    form=_SMALL,
    reference="`keras.applications`",
    small={
        "one normal cell a stage": Application(
            "nasnet",
            {**_SMALL, "skip_reduction": True},
            module=nasnet,
            model="NASNet",
            options={
                "penultimate_filters": 24 * _SMALL["width"],
                "num_blocks": _SMALL["repeats"],
                "stem_block_filters": _SMALL["stem"],
                "skip_reduction": True,
            },
        )
    },
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
