"""EfficientNetV2 against `keras.applications`."""

from __future__ import annotations

from typing import Final

from zoo.parity import Application, Family

_UNSCALED: Final = {"include_preprocessing": False}

FAMILY: Final = Family(
    form={
        "image_size": 32,
        "classes": 5,
        "stem": 8,
        "filters": [8, 16, 16, 24],
        "depths": [1, 1, 2, 2],
    },
    reference="`keras.applications`",
    small={
        "b0": Application(
            "efficientnet_v2:b0",
            {"image_size": 32, "classes": 10},
            model="EfficientNetV2B0",
            options=_UNSCALED,
        )
    },
    full={
        size: Application(
            f"efficientnet_v2:{size}",
            model=f"EfficientNetV2{size.upper()}",
            options=_UNSCALED,
        )
        for size in ("s", "m", "l", "b0", "b1", "b2", "b3")
    },
    follows="Pixels are scaled by whoever gives them. Blocks are skipped at the rates of Keras,"
    " from 0 for the first. M and L have the dropout of the authors' code, 0.3 and"
    " 0.4; Keras has 0.2.",
)
