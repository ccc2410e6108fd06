"""Random weights for a model, the same in every run and on every machine.

Kernels are scaled by what they take in, so that numbers neither vanish nor explode on their way
through a deep network; biases and the statistics of batch normalisation are random too, so that a
mistake in any of them shows. A reservoir is random already, and of a size that keeps it stable.
"""

from __future__ import annotations

from collections.abc import Iterable

import keras
import numpy as np

from archbuilder.compiler.ir import Graph


def in_order(model: keras.Model, graph: Graph) -> list[keras.Variable]:
    """The weights of a model in the order in which its blueprint reads."""
    layers = {layer.name: layer for layer in model.layers}
    order = (layers[node.name] for node in graph.nodes if node.name in layers)
    return [weight for layer in order for weight in layer.weights if _is_number(weight)]


def fill(weights: Iterable[keras.Variable], seed: int = 7) -> None:
    """Give random values to all weights but reservoirs."""
    generator = np.random.default_rng(seed)
    for weight in weights:
        if _name(weight) != "reservoir":
            weight.assign(_values(weight, generator))


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, as a part of the largest number that is expected."""
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def without_softmax(model: keras.Model) -> keras.Model:
    """The model up to the numbers that its softmax takes: a softmax hides mistakes.

    An `Activation` at the end is left out too: near its limits, a hyperbolic tangent makes less of
    the largest number and nothing less of the rounding.
    """
    if isinstance(model.layers[-1], keras.layers.Softmax | keras.layers.Activation):
        return keras.Model(model.input, model.layers[-1].input)
    for layer in model.layers:
        if getattr(layer, "activation", None) is keras.activations.softmax:
            layer.activation = keras.activations.linear
    return model


def _is_number(weight: keras.Variable) -> bool:
    """Whether it is a weight and not the state of a random generator, as dropout has one."""
    return weight.dtype.startswith("float")


def _name(weight: keras.Variable) -> str:
    return weight.path.rpartition("/")[2]


def _values(weight: keras.Variable, generator: np.random.Generator) -> np.ndarray:
    name = _name(weight)
    normal = generator.standard_normal(weight.shape, dtype=np.float32)
    if name == "kernel":
        return normal * np.float32(np.sqrt(2 / _fan_in(weight)))
    if name in ("gamma", "moving_variance"):
        return 1 + 0.2 * np.tanh(normal)
    return 0.1 * normal


def _fan_in(weight: keras.Variable) -> int:
    """About how many numbers add up to one; only the size matters."""
    return int(np.prod(weight.shape[:-1]))
