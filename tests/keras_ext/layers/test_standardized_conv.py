"""Convolutions with kernels that are standardized, against `Conv2D` and NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from archbuilder.keras_ext.layers import StandardizedConv2D


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"strides": 2, "padding": "same", "use_bias": False},
        {"groups": 2, "dilation_rate": 2, "activation": "relu", "epsilon": 0.1},
    ],
)
def test_equals_convolution_with_a_standardized_kernel(arguments: dict[str, object]):
    """The mean and variance of each filter are computed in float64."""
    inputs = np.random.default_rng(0).normal(size=(2, 9, 9, 4)).astype("float32")
    layer = StandardizedConv2D(6, 3, kernel_initializer="random_normal", **arguments)
    layer.build(inputs.shape)
    kernel = np.asarray(layer.kernel, dtype="float64") + 3
    layer.kernel.assign(kernel)
    plain_arguments = {key: value for key, value in arguments.items() if key != "epsilon"}
    plain = keras.layers.Conv2D(6, 3, **plain_arguments)
    plain.build(inputs.shape)
    axes = (0, 1, 2)
    spread = np.sqrt(kernel.var(axes) + arguments.get("epsilon", 1e-10))
    plain.kernel.assign((kernel - kernel.mean(axes)) / spread)
    np.testing.assert_allclose(layer(inputs), plain(inputs), atol=2e-4)


def test_gradient_passes_through_the_standardization():
    """A kernel that is scaled and shifted has the same output, so no gradient points there."""
    layer = StandardizedConv2D(2, 3)
    model = keras.Sequential([keras.Input((3, 3, 1)), layer, keras.layers.Flatten()])
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mean_squared_error")
    initial = np.asarray(layer.kernel)
    inputs = np.random.default_rng(0).normal(size=(8, 3, 3, 1)).astype("float32")
    model.train_on_batch(inputs, np.ones((8, 2), "float32"))
    change = np.asarray(layer.kernel) - initial
    assert np.abs(change).max() > 1e-3
    np.testing.assert_allclose(change.sum((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose((change * initial).sum((0, 1, 2)), 0, atol=1e-5)
