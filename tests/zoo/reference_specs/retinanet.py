"""RetinaNet against torchvision."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {"depths": [1, 1, 1, 1], "image_size": [32, 64], "filters": 8, "classes": 3}
_OPTIONS: Final = {"depths": [1, 1, 1, 1], "filters": 8, "classes": 3}
_FULL: Final = {"depths": [3, 4, 6, 3]}

FAMILY: Final = Family(
    form=_SMALL,
    reference="torchvision",
    small={
        "c5": Reference("retinanet", _SMALL, module="retinanet", options=_OPTIONS, dtype="float64"),
        "p5": Reference(
            "retinanet",
            {**_SMALL, "p6_from": "p5"},
            module="retinanet",
            options={**_OPTIONS, "p6_from": "p5"},
            dtype="float64",
        ),
    },
    full={
        "50": Reference("retinanet:50", module="retinanet", options=_FULL),
        "torchvision": Reference(
            "retinanet:torchvision",
            module="retinanet",
            options={**_FULL, "classes": 91, "p6_from": "p5"},
        ),
    },
    follows="The strides of its ResNet are in the 3x3 convolutions, as in torchvision.",
)
