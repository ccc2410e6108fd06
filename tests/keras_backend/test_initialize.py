"""Weights get the numbers that Keras would give them, in less memory."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.graphs import chain

from archbuilder.keras_backend import build
from archbuilder.plain_data import PlainData

INITIALIZERS: list[PlainData] = [
    {"GlorotUniform": {"seed": 3}},
    {"HeNormal": {"seed": 3}},
    {"RandomNormal": {"stddev": 0.5, "seed": 3}},
    {"Constant": 2.5},
    "zeros",
]


@pytest.mark.parametrize("initializer", INITIALIZERS, ids=str)
def test_large_weights_equal_those_of_keras(initializer: PlainData):
    """A weight that is large enough for a graph of its own has the very numbers of Keras."""
    units = 2**13
    model = build(chain((2**10,), ("Dense", {"units": units, "kernel_initializer": initializer})))
    layer = model.layers[1]
    again = type(layer.kernel_initializer).from_config(layer.kernel_initializer.get_config())
    theirs = again(layer.kernel.shape, dtype="float32")
    assert np.array_equal(layer.kernel.numpy(), keras.ops.convert_to_numpy(theirs))


def test_tensorflow_optimizer_options_are_restored():
    """What the user chose for TensorFlow's optimizer of graphs is as it was."""
    tf.config.optimizer.set_experimental_options({"constant_folding": True, "remapping": False})
    build(chain((2**10,), ("Dense", {"units": 2**13})))
    options = tf.config.optimizer.get_experimental_options()
    assert options["constant_folding"] is True
    assert options["remapping"] is False
    assert options.get("disable_meta_optimizer", False) is False
