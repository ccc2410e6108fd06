"""WaveNet against PyTorch."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {
    "levels": 12, "dilations": 3, "stacks": 2, "residual": 5, "gated": 4, "skip": 6,
}  # fmt: skip

FAMILY: Final = Family(
    form=_SMALL,
    reference="PyTorch, written by hand",
    small={
        "two stacks": Reference(
            "wavenet",
            _SMALL,
            length=20,
            module="wavenet",
            options={"stacks": 2, "dilations": 3, "levels": 12},
        ),
        "three taps": Reference(
            "wavenet",
            {**_SMALL, "kernel_size": 3},
            length=20,
            module="wavenet",
            options={"stacks": 2, "dilations": 3, "levels": 12},
        ),
    },
    full={
        "default": Reference(
            "wavenet",
            length=2000,
            tokens=256,
            dtype="float64",
            module="wavenet",
            options={"stacks": 5, "dilations": 10, "levels": 256},
        ),
    },
    follows="Its last layer has no way onward, which nothing would take; tensorflow-wavenet has"
    " weights for it. The channels are those of that program: the paper tells none.",
)
