"""The bias: one learned number for each channel, added."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from archbuilder.keras_ext.layers import AddBias


@pytest.mark.parametrize("shape", [(3, 4), (2, 5, 4), (2, 3, 3, 4)])
def test_bias_is_added(shape: tuple[int, ...]):
    """To inputs of every rank, along the last axis."""
    layer = AddBias(bias_initializer="normal")
    values = np.random.default_rng(0).normal(size=shape).astype("float32")
    assert np.array_equal(layer(values), values + np.asarray(layer.bias))
    assert layer.bias.shape == (4,)


def test_bias_is_initialized_to_zero():
    """As the biases of other layers do."""
    layer = AddBias()
    layer.build((None, 4))
    assert not np.any(layer.bias)


def test_open_channels_are_refused():
    """The vector needs to know how long it is."""
    with pytest.raises(ValueError, match="must have a known size"):
        AddBias()(keras.Input((3, None)))
