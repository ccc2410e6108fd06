"""OverFeat against PyTorch."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {"width": 0.0625, "classes": 7}
_ACCURATE: Final = {"accurate": True}

FAMILY: Final = Family(
    form={"width": 0.03, "classes": 5},
    reference="PyTorch, written by hand",
    small={
        "fast": Reference("overfeat:fast", _SMALL, module="overfeat"),
        "fast, fine maps": Reference(
            "overfeat:fast",
            {"result": "fine", "image_size": 251, "image_width": 279, **_SMALL},
            module="overfeat",
            options={"result": "fine"},
        ),
        "accurate": Reference("overfeat:accurate", _SMALL, module="overfeat", options=_ACCURATE),
        "localisation, coarse maps": Reference(
            "overfeat:localisation",
            {"result": "coarse", "image_size": 257, "image_width": 293, **_SMALL},
            module="overfeat",
            options={"result": "coarse", **_ACCURATE},
        ),
        "detection, fine maps": Reference(
            "overfeat:detection",
            {"result": "fine", "image_size": 245, "image_width": 281, **_SMALL},
            module="overfeat",
            options={"result": "fine", **_ACCURATE},
        ),
    },
    full={
        "fast": Reference("overfeat:fast", module="overfeat"),
        "accurate": Reference("overfeat:accurate", module="overfeat", options=_ACCURATE),
        "localisation": Reference("overfeat:localisation", module="overfeat", options=_ACCURATE),
        "detection": Reference("overfeat:detection", module="overfeat", options=_ACCURATE),
        "second scale": Reference(
            "overfeat:second_scale", module="overfeat", options={"result": "fine", **_ACCURATE}
        ),
    },
    follows="Fully connected layers are convolutions; `result: fine` pools from every offset at"
    " once, with a stride of 1, and spreads the windows of the next layer, which gives the maps of"
    " the paper's figure 3. The regressor sees the 1024 maps of table 3; a figure draws 256.",
)
