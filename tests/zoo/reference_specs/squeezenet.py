"""SqueezeNet against torchvision."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_V1_0: Final = {"version": "1_0", "padding": 1}
_V1_1: Final = {"version": "1_1", "padding": 0}
_SMALL: Final = {"image_size": 67, "classes": 7}

FAMILY: Final = Family(
    form={"image_size": 67, "classes": 5},
    reference="torchvision",
    small={
        "1.0": Reference("squeezenet:1.0", _SMALL, module="squeezenet", options=_V1_0),
        "1.1": Reference("squeezenet:1.1", _SMALL, module="squeezenet", options=_V1_1),
    },
    full={
        "1.0": Reference("squeezenet:1.0", module="squeezenet", options=_V1_0),
        "1.0, conv10 of table 1": Reference(
            "squeezenet:1.0",
            {"final_padding": 0},
            module="squeezenet",
            options={"version": "1_0", "padding": 0},
        ),
        "1.1": Reference("squeezenet:1.1", module="squeezenet", options=_V1_1),
    },
    follows="1.0 pads conv10 by 1, as the authors' file does; `final_padding: 0` leaves it out.",
)
