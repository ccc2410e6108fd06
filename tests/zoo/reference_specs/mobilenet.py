"""MobileNet against `keras.applications`."""

from __future__ import annotations

from typing import Final

from zoo.parity import Application, Family

_ALPHAS: Final = (1.0, 0.75, 0.5, 0.25)

FAMILY: Final = Family(
    form={"image_size": 32, "classes": 5, "alpha": 0.25},
    reference="`keras.applications`",
    small={
        "0.25": Application(
            "mobilenet:0.25",
            {"image_size": 64, "classes": 10},
            model="MobileNet",
            options={"alpha": 0.25},
        )
    },
    full={
        **{
            str(alpha): Application(
                f"mobilenet:{alpha}", model="MobileNet", options={"alpha": alpha}
            )
            for alpha in _ALPHAS
        },
        **{
            str(size): Application(f"mobilenet:{size}", model="MobileNet")
            for size in (192, 160, 128)
        },
    },
    follows="It has the ReLU6 of TF-slim and Keras; `max_value: null` is the ReLU of the paper. The"
    " last stride of table 1 is a slip: it is 1. The classifier is a 1x1 convolution."
    " That is as in TF-slim.",
)
