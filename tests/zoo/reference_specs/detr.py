"""DETR against Hugging Face's transformers."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {
    "depths": [1, 1, 1, 1], "image_size": [64, 96], "queries": 3, "depth": 2, "width": 16,
    "hidden": 24, "heads": 2, "classes": 4,
}  # fmt: skip

FAMILY: Final = Family(
    form=_SMALL,
    reference="`transformers.DetrForObjectDetection`",
    small={
        "two layers": Reference(
            "detr",
            _SMALL,
            module="detr",
            options={"depths": [1, 1, 1, 1], "depth": 2, "heads": 2},
        )
    },
    full={
        "50": Reference(
            "detr:50", module="detr", options={"depths": [3, 4, 6, 3], "depth": 6, "heads": 8}
        )
    },
    follows="Its attention drops weights, as in the authors' code. The layers before the last of"
    " the decoder have no outputs of their own.",
)
