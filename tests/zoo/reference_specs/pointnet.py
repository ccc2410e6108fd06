"""PointNet against the layers that come with PyTorch."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {"cloud": 9, "pointwise": [4, 6, 8], "dense": [7, 5], "classes": 3}

FAMILY: Final = Family(
    form=_SMALL,
    reference="PyTorch, written by hand",
    small={
        "transforms": Reference("pointnet", _SMALL, module="pointnet"),
        "vanilla": Reference(
            "pointnet:vanilla", _SMALL, module="pointnet", options={"transforms": False}
        ),
    },
    full={
        "transforms": Reference("pointnet:transforms", module="pointnet"),
        "vanilla": Reference("pointnet:vanilla", module="pointnet", options={"transforms": False}),
    },
)
