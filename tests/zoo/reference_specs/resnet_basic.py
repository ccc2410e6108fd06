"""ResNet-18 and 34 against torchvision."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {"depths": [1, 2, 1, 1]}

FAMILY: Final = Family(
    form={"image_size": 32, "classes": 5, "depths": [1, 2, 1, 1]},
    reference="torchvision",
    small={
        "three depths": Reference(
            "resnet_basic",
            {"image_size": 65, "classes": 7, **_SMALL},
            module="resnet",
            options=_SMALL,
        )
    },
    full={
        "18": Reference("resnet_basic:18", module="resnet", options={"depths": [2, 2, 2, 2]}),
        "34": Reference("resnet_basic:34", module="resnet", options={"depths": [3, 4, 6, 3]}),
    },
)
