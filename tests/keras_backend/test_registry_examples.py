"""Every layer and every function of the registry can be built, called, saved and opened."""

from __future__ import annotations

import importlib.util
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.registry_examples import graphs

from archbuilder import registry
from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.keras_backend import build
from archbuilder.registry.signatures import Signature

REGISTRY = registry.load()
NOT_STEPS = {
    "Equalization": "Keras 3.15.1 cannot put it into a model; 'augment' takes it",
    "RandomCrop": "Keras 3.15.1 crops in training alone; 'augment' takes it",
    "StackedRNNCells": "its states are lists of lists; it is the cell of RNN",
}
if importlib.util.find_spec("scipy") is None:
    NOT_STEPS["STFTSpectrogram"] = "it needs scipy"
NAMELESS = ("ops.image.extract_patches", "ops.image.extract_patches_3d")
"""Functions that Keras 3.15.1 opens under names of its own: their classes take none."""
EVERY = [
    pytest.param(signature, id=signature.name)
    for signature in (*REGISTRY.layers.values(), *REGISTRY.operations.values())
    if signature.name not in NOT_STEPS
]


def example(signature: Signature) -> keras.Model:
    """The first of the examples that builds."""
    first: BlueprintError | None = None
    for graph in graphs(signature):
        try:
            return build(graph)
        except BlueprintError as error:
            if {each.code for each in error.diagnostics} == {"keras-too-old"}:
                pytest.skip(str(error))
            first = first or error
    assert first is not None
    raise first


def rows(tensor: keras.KerasTensor) -> Any:
    """Three examples for an input."""
    shape = (3, *tensor.shape[1:])
    if tensor.dtype == "string":
        return tf.fill(shape, "a")
    numbers = np.random.default_rng(0).random(shape)
    return tf.cast(tf.constant(numbers > 0.5 if tensor.dtype == "bool" else numbers), tensor.dtype)


@pytest.mark.parametrize("signature", EVERY)
def test_registry_example_builds_calls_and_loads(signature: Signature):
    """The call gives what the shapes promise and changes nothing; so does the saved model."""
    model = example(signature)
    operations = [each for each in model.operations if each.name.split(".")[0] == "made"]
    assert operations
    assert signature.several_outputs or len(keras.tree.flatten(operations[-1].output)) == 1
    values = [rows(each) for each in model.inputs]
    names = [each.name for each in model.inputs]
    inputs = dict(zip(names, values, strict=True)) if len(values) > 1 else values[0]
    weights = model.get_weights()
    output = model(inputs, training=False)
    assert len(output.shape) == len(model.output_shape)
    promised = zip(model.output_shape, output.shape, strict=True)
    assert all(size in (None, actual) for size, actual in promised)
    assert keras.backend.standardize_dtype(output.dtype) == model.output.dtype
    assert all(map(np.array_equal, weights, model.get_weights()))
    opened = keras.models.model_from_json(model.to_json())
    if signature.name not in NAMELESS:
        names = [each.name for each in model.operations]
        assert [each.name for each in opened.operations] == names
    opened.set_weights(model.get_weights())
    assert np.array_equal(
        output, opened(inputs, training=False), equal_nan=output.dtype.is_floating
    )
