"""Keras objects out of what a blueprint says."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from helpers.graphs import SPAN, arguments
from helpers.keras_objects import keras_object

from archbuilder import registry
from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.keras_backend import build_object
from archbuilder.keras_backend.instantiate import build_layer
from archbuilder.keras_backend.keras_errors import BuildError
from archbuilder.plain_data import PlainData
from archbuilder.registry.signatures import ArgumentSpec, ArgumentType, ObjectKind, Signature

REGISTRY = registry.load()


def object_from(kind: ObjectKind, value: PlainData) -> Any:
    """The object that a value of a blueprint stands for."""
    return build_object(keras_object(kind, value))


def layer(name: str, **values: PlainData) -> Any:
    """A layer with arguments, as a blueprint gives them."""
    signature = REGISTRY.signature(name)
    assert signature is not None
    return build_layer(signature, arguments(values), "own", SPAN)


@pytest.mark.parametrize("spelling", ["he_normal", "HeNormal", {"HeNormal": None}])
def test_object_spellings(spelling: PlainData):
    """An object goes by its class, by Keras's short name, and with its arguments left out."""
    assert isinstance(object_from("initializer", spelling), keras.initializers.HeNormal)


def test_arguments_by_name_and_the_first_alone():
    """Arguments go by name; one bare value is the first."""
    assert float(object_from("regularizer", {"L2": 0.5}).l2) == pytest.approx(0.5)
    assert float(object_from("regularizer", {"L1L2": {"l1": 0.25, "l2": 0.5}}).l1) == pytest.approx(
        0.25
    )


def test_integer_learning_rate():
    """Keras itself wants it written with a point."""
    assert object_from("optimizer", {"SGD": {"learning_rate": 1, "momentum": 0}}).learning_rate == 1


def test_schedules_within_optimizers():
    """The learning rate is a number or a schedule."""
    schedule: PlainData = {"CosineDecay": {"initial_learning_rate": 0.1, "decay_steps": 10}}
    optimizer = object_from("optimizer", {"SGD": {"learning_rate": schedule, "momentum": 0.5}})
    assert isinstance(optimizer.get_config()["learning_rate"], dict), (
        "a schedule is kept as an object"
    )
    assert float(object_from("optimizer", {"Adam": 0.5}).learning_rate) == pytest.approx(0.5)


def test_losses_and_metrics():
    """Losses and metrics go by their short names too."""
    assert isinstance(object_from("loss", "mean_squared_error"), keras.losses.MeanSquaredError)
    assert isinstance(object_from("metric", {"TopKCategoricalAccuracy": 3}).k, int)


def test_accuracy_is_left_to_keras():
    """Which accuracy is meant shows only in the shapes, so that Keras chooses."""
    assert object_from("metric", "accuracy") == "accuracy"
    assert isinstance(object_from("metric", {"Accuracy": None}), keras.metrics.Accuracy)


def test_activations_are_functions():
    """An activation is a function of Keras, by itself or within a layer."""
    assert object_from("activation", "relu") is keras.activations.relu
    assert layer("Dense", units=2, activation="gelu").activation is keras.activations.gelu


def test_null_argument():
    """Null takes away what Keras has by default."""
    assert layer("Embedding", input_dim=2, output_dim=2, embeddings_constraint=None) is not None
    assert layer("LSTM", units=2, activation=None).cell.activation is keras.activations.linear


def test_nested_layers():
    """Wrapped layers come as layers, with names of their own."""
    wrapped = layer("TimeDistributed", layer={"Dense": {"units": 3, "activation": "relu"}})
    assert isinstance(wrapped.layer, keras.layers.Dense)
    assert wrapped.layer.name == "own.layer"


def test_nested_archbuilder_layers():
    """Our own layers can be wrapped like those of Keras."""
    wrapped = layer("TimeDistributed", layer="LocalResponseNormalization")
    assert type(wrapped.layer).__name__ == "LocalResponseNormalization"


def test_keras_rejection_is_an_error():
    """What Keras refuses outside a network is a mistake as well."""
    with pytest.raises(BlueprintError, match="keras-rejected"):
        object_from("optimizer", {"SGD": {"momentum": 7.0}})


@pytest.mark.parametrize(
    ("name", "argument", "missing"),
    [("LayerOfTomorrow", "units", "LayerOfTomorrow"), ("Dense", "tomorrow", "Dense: tomorrow")],
)
def test_layer_missing_in_an_older_keras(name: str, argument: str, missing: str):
    """A layer or argument that the installed Keras lacks is told by name and version."""
    plain = ArgumentType(schema={})
    specs = {each: ArgumentSpec(each, plain, False, None, "") for each in ("units", argument)}
    signature = Signature(name, "", "keras.layers", specs, {}, ("inputs",), 1, False, False, "", {})
    with pytest.raises(BuildError) as caught:
        build_layer(signature, arguments({"units": 3, argument: 4}), "own", SPAN)
    assert caught.value.code == "keras-too-old"
    assert f"Keras {keras.__version__}" in caught.value.message
    assert caught.value.message.endswith(f"does not have {missing}")


KINDS: list[ObjectKind] = [
    "initializer", "regularizer", "constraint", "loss", "metric", "optimizer", "schedule",
    "callback",
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind in KINDS
        for name, signature in REGISTRY.objects[kind].items()
        if not any(spec.required for spec in signature.arguments.values())
    ],
)
def test_every_object_of_the_registry(kind: ObjectKind, name: str):
    """Each object that needs no arguments is there."""
    assert type(object_from(kind, name)).__name__.startswith(name)


@pytest.mark.parametrize("name", REGISTRY.activations)
def test_every_activation_of_the_registry(name: str):
    """Each activation is there."""
    assert callable(object_from("activation", name))
