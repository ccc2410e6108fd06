"""MobileNet v2 against `keras.applications`."""

from __future__ import annotations

from typing import Final

from zoo.parity import Application, Family

_ALPHAS: Final = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)

FAMILY: Final = Family(
    form={"image_size": 32, "classes": 5, "alpha": 0.35},
    reference="`keras.applications`",
    small={
        "0.35": Application(
            "mobilenet_v2:0.35",
            {"image_size": 64, "classes": 10},
            model="MobileNetV2",
            options={"alpha": 0.35},
        )
    },
    full={
        str(alpha): Application(
            f"mobilenet_v2:{alpha}", model="MobileNetV2", options={"alpha": alpha}
        )
        for alpha in _ALPHAS
    },
    follows="Keras leaves out the dropout before the classifier, and so does this. The 6.9 million"
    " parameters that table 4 prints for 1.4 are of no known implementation.",
)
