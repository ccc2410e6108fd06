"""Long short-term memory against the layer of PyTorch."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_CELL: Final = {"cell": "LSTM"}
_MODEL: Final = {**_CELL, "depth": 2, "every_step": True}
_SMALL: Final = {"length": 7, "features": 3, "units": 5, "classes": 4}
_TOKENS: Final = {"vocabulary": 11, "embedding": 6, "units": 5}

FAMILY: Final = Family(
    form={**_SMALL, "depth": 2, "bidirectional": True, "dropout": 0.5},
    reference="`torch.nn.LSTM`",
    small={
        "classifier": Reference("lstm", _SMALL, module="recurrent", options=_CELL),
        "bidirectional, two layers": Reference(
            "lstm:bidirectional",
            {**_SMALL, "depth": 2},
            module="recurrent",
            options={**_CELL, "depth": 2, "bidirectional": True},
        ),
        "language model": Reference("lstm:ptb-small", _TOKENS, module="recurrent", options=_MODEL),
    },
    full={
        "default": Reference("lstm", module="recurrent", options=_CELL),
        "bidirectional": Reference(
            "lstm:bidirectional", module="recurrent", options={**_CELL, "bidirectional": True}
        ),
        "imdb": Reference(
            "lstm:imdb", module="recurrent", options={**_CELL, "depth": 2, "bidirectional": True}
        ),
        **{
            f"ptb-{size}": Reference(f"lstm:ptb-{size}", module="recurrent", options=_MODEL)
            for size in ("small", "medium", "large")
        },
    },
    follows="It has a forget gate, which the paper of 1997 has not, and no peepholes.",
)
