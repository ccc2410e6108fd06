"""Gated recurrent units against the layer of PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from zoo.numpy_layers import Array, sigmoid
from zoo.parity import Equations, Family, Reference


def cho(x: Array, weights: Iterator[Array]) -> Array:
    """Equations 5 to 8 of Cho et al. 2014, and a dense layer."""
    kernel, recurrent, bias = next(weights), next(weights), next(weights)
    update, reset, new = np.split(kernel, 3, axis=1)
    u_update, u_reset, u_new = np.split(recurrent, 3, axis=1)
    b_update, b_reset, b_new = np.split(bias, 3)
    state = np.zeros((len(x), len(recurrent)))
    for step in np.moveaxis(x, 1, 0):
        z = sigmoid(step @ update + state @ u_update + b_update)
        r = sigmoid(step @ reset + state @ u_reset + b_reset)
        candidate = np.tanh(step @ new + (r * state) @ u_new + b_new)
        state = z * state + (1 - z) * candidate
    return state @ next(weights) + next(weights)


_CELL: Final = {"cell": "GRU"}
_MODEL: Final = {**_CELL, "depth": 2, "every_step": True}
_SMALL: Final = {"length": 7, "features": 3, "units": 5, "classes": 4}
_TOKENS: Final = {"vocabulary": 11, "embedding": 6, "units": 5}

FAMILY: Final = Family(
    form={**_SMALL, "depth": 2, "bidirectional": True, "dropout": 0.5},
    reference="`torch.nn.GRU`",
    small={
        "classifier": Reference("gru", _SMALL, module="recurrent", options=_CELL),
        "bidirectional, two layers": Reference(
            "gru:bidirectional",
            {**_SMALL, "depth": 2},
            module="recurrent",
            options={**_CELL, "depth": 2, "bidirectional": True},
        ),
        "language model": Reference("gru:ptb-small", _TOKENS, module="recurrent", options=_MODEL),
        "paper": Equations("gru:paper", _SMALL, equations=cho),
    },
    full={
        "default": Reference("gru", module="recurrent", options=_CELL),
        "bidirectional": Reference(
            "gru:bidirectional", module="recurrent", options={**_CELL, "bidirectional": True}
        ),
        "paper": Equations("gru:paper", equations=cho),
        **{
            f"ptb-{size}": Reference(f"gru:ptb-{size}", module="recurrent", options=_MODEL)
            for size in ("small", "medium", "large")
        },
    },
    follows="It resets what the state gives, as cuDNN does; the variant `paper` resets the state.",
)
