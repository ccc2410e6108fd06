"""AlexNet against PyTorch."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {"image_size": 95, "classes": 7, "hidden": 12, "filters": [8, 12, 16, 16, 12]}

FAMILY: Final = Family(
    form={"image_size": 67, "classes": 5, "hidden": 12, "filters": [8, 12, 16, 16, 12]},
    reference="PyTorch, written by hand; `one_weird_trick`, torchvision",
    small={
        "two towers": Reference("alexnet", _SMALL, module="alexnet", options={"groups": 2}),
        "one tower": Reference(
            "alexnet:one_tower", _SMALL, module="alexnet", options={"groups": 1}
        ),
    },
    full={
        "two towers": Reference("alexnet", module="alexnet", options={"groups": 2}),
        "one tower": Reference("alexnet:one_tower", module="alexnet", options={"groups": 1}),
        "one weird trick": Reference(
            "alexnet:one_weird_trick", module="alexnet", options={"torchvision": True}
        ),
    },
    follows="It takes 227 pixels rather than the printed 224, normalises before it pools, and does"
    " not divide the `alpha` of its response normalisation by 5, all as the paper's sizes and text"
    " have it. torchvision's AlexNet is another network, the variant `one_weird_trick`.",
)
