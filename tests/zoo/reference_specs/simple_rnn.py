"""The simple recurrent network against the layer of PyTorch."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_CELL: Final = {"cell": "RNN"}
_MODEL: Final = {**_CELL, "depth": 2, "every_step": True}
_SMALL: Final = {"length": 7, "features": 3, "units": 5, "classes": 4}
_TOKENS: Final = {"vocabulary": 11, "embedding": 6, "units": 5}

FAMILY: Final = Family(
    form={**_SMALL, "depth": 2, "bidirectional": True, "dropout": 0.5},
    reference="`torch.nn.RNN`",
    small={
        "classifier": Reference("simple_rnn", _SMALL, module="recurrent", options=_CELL),
        "bidirectional, two layers": Reference(
            "simple_rnn:bidirectional",
            {**_SMALL, "depth": 2},
            module="recurrent",
            options={**_CELL, "depth": 2, "bidirectional": True},
        ),
        "language model": Reference(
            "simple_rnn:ptb-small", _TOKENS, module="recurrent", options=_MODEL
        ),
    },
    full={
        "default": Reference("simple_rnn", module="recurrent", options=_CELL),
        "bidirectional": Reference(
            "simple_rnn:bidirectional", module="recurrent", options={**_CELL, "bidirectional": True}
        ),
        **{
            f"ptb-{size}": Reference(f"simple_rnn:ptb-{size}", module="recurrent", options=_MODEL)
            for size in ("small", "medium", "large")
        },
    },
    follows="Its units are those of a hyperbolic tangent; Elman has logistic ones.",
)
