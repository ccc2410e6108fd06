"""GoogLeNet against PyTorch."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_PLAIN: Final = {"auxiliary": False}
_HEADS: Final = {"auxiliary": True}

FAMILY: Final = Family(
    form={"image_size": 80, "classes": 5, "auxiliary": True},
    reference="PyTorch, written by hand",
    small={
        "plain": Reference(
            "googlenet", {"image_size": 64, "classes": 7}, module="googlenet", options=_PLAIN
        ),
        "with heads": Reference(
            "googlenet",
            {"image_size": 128, "classes": 7, "auxiliary": True},
            module="googlenet",
            options=_HEADS,
        ),
    },
    full={
        "plain": Reference("googlenet", module="googlenet", options=_PLAIN),
        "training": Reference("googlenet:training", module="googlenet", options=_HEADS),
    },
    follows="It rounds up where it pools, as Caffe does, which is `same` on maps of even size, and"
    " divides the `alpha` of its response normalisation by 5, as Caffe does.",
)
