"""gMLP against timm."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {"image_size": 12, "patch": 4, "depth": 2, "width": 8, "classes": 5}

FAMILY: Final = Family(
    form=_SMALL,
    reference="timm",
    small={"two blocks": Reference("gmlp", _SMALL, module="gmlp", options={"depth": 2})},
    full={
        size: Reference(f"gmlp:{size}", module="gmlp", options={"depth": 30})
        for size in ("ti16", "s16", "b16")
    },
)
