"""DeconvNet against PyTorch."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_DEPTHS: Final = [1, 2, 3]
_SMALL: Final = {"classes": 4, "size": 2, "filters": [4, 6, 8], "depths": _DEPTHS, "hidden": 10}

FAMILY: Final = Family(
    form=_SMALL,
    reference="PyTorch, written by hand",
    small={
        "three levels": Reference(
            "deconvnet", _SMALL, module="deconvnet", options={"depths": _DEPTHS, "size": 2}
        ),
    },
    full={
        "224 pixels": Reference(
            "deconvnet",
            module="deconvnet",
            options={"depths": [2, 2, 3, 3, 3], "size": 7},
            # Two values of a window may be so near that rounding decides which is the larger.
            dtype="float64",
        ),
    },
    follows="Batch normalisation follows every layer but the score, as in the authors' file, whose"
    " constant beside the variance it has; its convolutions begin with VGG-16's weights there.",
)
