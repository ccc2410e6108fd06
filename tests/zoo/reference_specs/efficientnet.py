"""EfficientNet against `keras.applications`."""

from __future__ import annotations

from typing import Final

from zoo.parity import Application, Family

_SCALING_LAYER: Final = "Normalization"

FAMILY: Final = Family(
    form={"image_size": 32, "classes": 5, "width": 0.25, "depth": 0.5},
    reference="`keras.applications`",
    small={
        "b0": Application(
            "efficientnet:b0",
            {"image_size": 32, "classes": 10},
            model="EfficientNetB0",
            scaling_layer=_SCALING_LAYER,
        )
    },
    full={
        f"b{size}": Application(
            f"efficientnet:b{size}", model=f"EfficientNetB{size}", scaling_layer=_SCALING_LAYER
        )
        for size in range(8)
    },
    follows="Pixels are scaled by whoever gives them, not by the network, which has therefore 7"
    " numbers less than Keras counts. Blocks are skipped as in the authors' code, more likely the"
    " deeper they stand.",
)
