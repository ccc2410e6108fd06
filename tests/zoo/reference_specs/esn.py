"""Echo-state networks against their equation and against ReservoirPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from zoo.numpy_layers import Array
from zoo.parity import Equations, Family, Reference

_SMALL: Final = {"units": 30, "density": 0.1, "inputs": 3, "outputs": 2, "bias_scaling": 0.5}
_STEPS: Final = 200


def esn(steps: Array, weights: Iterator[Array]) -> Array:
    """Units that keep nothing, and a linear readout of every step."""
    return _run(steps, weights, 1.0)


def leaky(steps: Array, weights: Iterator[Array]) -> Array:
    """Units that move by half."""
    return _run(steps, weights, 0.5)


def _run(steps: Array, weights: Iterator[Array], leak_rate: float) -> Array:
    kernel, reservoir, bias = next(weights), next(weights), next(weights)
    readout, shift = next(weights), next(weights)
    state = np.zeros((len(steps), len(reservoir)))
    states = []
    for step in range(steps.shape[1]):
        driven = np.tanh(steps[:, step] @ kernel + state @ reservoir + bias)
        state = (1 - leak_rate) * state + leak_rate * driven
        states.append(state @ readout + shift)
    return np.stack(states, axis=1)


def _reference(variant: str, leak_rate: float, **params: object) -> Reference:
    return Reference(
        f"esn:{variant}",
        params,
        length=_STEPS,
        module="reservoir",
        options={"leak_rate": leak_rate, "every_step": variant != "classifier"},
    )


FAMILY: Final = Family(
    form=_SMALL,
    reference="ReservoirPy; numpy, written by hand",
    small={
        "default": Equations("esn", _SMALL, equations=esn, length=50),
        "leaky": Equations("esn:leaky", _SMALL, equations=leaky, length=50),
        "ReservoirPy": _reference("leaky", 0.5, **_SMALL),
    },
    full={
        "1,000 units": Reference(
            "esn",
            length=_STEPS,
            module="reservoir",
            options={"leak_rate": 1.0, "every_step": True},
        ),
        "leaky": _reference("leaky", 0.5),
        "with-inputs": _reference("with-inputs", 1.0),
        "classifier": _reference("classifier", 1.0),
    },
    follows="Feedback from outputs, which Jaeger's first networks have, is left out. A reservoir"
    " that has no cycle is drawn again: it could have no spectral radius.",
)
