"""Local response normalisation against the formula of the paper."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from archbuilder.keras_ext.layers import LocalResponseNormalization


def reference(
    values: np.ndarray, radius: int, bias: float, alpha: float, beta: float
) -> np.ndarray:
    """The formula of section 3.3, one channel after the other."""
    channels = values.shape[-1]
    result = np.empty_like(values)
    for channel in range(channels):
        low, high = max(0, channel - radius), min(channels - 1, channel + radius)
        total = np.square(values[..., low : high + 1]).sum(axis=-1)
        result[..., channel] = values[..., channel] / (bias + alpha * total) ** beta
    return result


@pytest.mark.parametrize("radius", [0, 1, 2, 5, 50])
@pytest.mark.parametrize("shape", [(2, 7), (2, 3, 7), (2, 4, 4, 7), (1, 2, 2, 2, 7)])
def test_formula(radius: int, shape: tuple[int, ...]):
    """Every rank, and windows from one channel to more than there are, follow the formula."""
    values = np.random.default_rng(0).normal(size=shape).astype("float32") * 10
    layer = LocalResponseNormalization(depth_radius=radius, bias=2.0, alpha=0.01, beta=0.75)
    expected = reference(values.astype("float64"), radius, 2.0, 0.01, 0.75)
    assert np.allclose(layer(values), expected, rtol=1e-5)


def test_alpha_is_that_of_tensorflow():
    """`alpha` is not divided by the size of the window."""
    values = np.random.default_rng(0).normal(size=(2, 4, 4, 7)).astype("float32")
    layer = LocalResponseNormalization(depth_radius=2, bias=1.0, alpha=0.5, beta=0.5)
    theirs = tf.nn.local_response_normalization(values, 2, bias=1.0, alpha=0.5, beta=0.5)
    assert np.allclose(layer(values), theirs, rtol=1e-5)


def test_defaults_are_those_of_alexnet():
    """The defaults are the constants of the paper: k = 2, n = 5, alpha = 1e-4, beta = 0.75."""
    values = np.full((1, 5), 100.0, "float32")
    expected = 100 / (2 + 1e-4 * 5 * 100**2) ** 0.75
    assert float(LocalResponseNormalization()(values)[0, 2]) == pytest.approx(expected, rel=1e-5)


def test_squares_do_not_overflow():
    """Half precision is wide enough for the result, and float32 for the sum in between."""
    layer = LocalResponseNormalization(dtype="float16")
    assert np.isfinite(layer(np.full((1, 5), 1000.0, "float16"))).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"depth_radius": -1}, "depth_radius must be"), ({"bias": 0.0}, "bias must be above")],
)
def test_refused_arguments(arguments: dict[str, float], message: str):
    """Arguments that make no sense are refused with the name and the value."""
    with pytest.raises(ValueError, match=message):
        LocalResponseNormalization(**arguments)


def test_unknown_channels_are_refused():
    """The number of channels must be known."""
    with pytest.raises(ValueError, match="must have a known size"):
        LocalResponseNormalization().build((None, 4, None))
