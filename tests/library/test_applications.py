"""VGG and ResNet against `keras.applications`, and VGG's columns against its table."""

from __future__ import annotations

from collections.abc import Iterable

import keras
import numpy as np
import pytest
from library.weights import fill, relative_error, without_softmax

import archbuilder

PAIRS = [
    ("vgg:16", "VGG16"),
    ("vgg:19", "VGG19"),
    ("resnet:50", "ResNet50"),
    ("resnet:101", "ResNet101"),
    ("resnet:152", "ResNet152"),
]
COLUMNS = {
    "A": "64 M 128 M 256 256 M 512 512 M 512 512 M",
    "B": "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    "D": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "E": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}
"""Table 1 of Simonyan and Zisserman 2014: channels of the convolutions, `M` for a pooling."""


def ours(blueprint: str, **params: object) -> keras.Model:
    """The network with what `keras.applications` has beyond the paper: biases in ResNet."""
    extra = {"use_bias": True} if blueprint.startswith("resnet") else {}
    return archbuilder.load(blueprint).compile(**params, **extra)


def theirs(name: str, image_size: int, classes: int) -> keras.Model:
    """The network of Keras with random weights and statistics, without its softmax."""
    make = getattr(keras.applications, name)
    shape = (image_size, image_size, 3)
    model = make(weights=None, input_shape=shape, classes=classes, classifier_activation=None)
    fill(model.weights)
    return model


def assert_equal(model: keras.Model, expected: keras.Model) -> None:
    """The same numbers come out, up to what float32 loses."""
    given = np.random.default_rng(5).normal(size=(1, *model.input_shape[1:])).astype("float32")
    outputs = np.asarray(without_softmax(model)(given)), np.asarray(expected(given))
    assert relative_error(*outputs) < 1e-5


def assert_same_network(model: keras.Model, expected: keras.Model) -> None:
    """The same weights in the same order, and with them the same numbers."""
    assert model.count_params() == expected.count_params()
    model.set_weights(expected.get_weights())
    assert_equal(model, expected)


@pytest.mark.parametrize(("blueprint", "name"), [PAIRS[0], PAIRS[2]])
def test_small_images(blueprint: str, name: str) -> None:
    """On images of 64 pixels, with ten classes, it is the network of Keras."""
    model = ours(blueprint, image_size=64, classes=10)
    assert_same_network(model, theirs(name, 64, 10))


@pytest.mark.proof
@pytest.mark.parametrize(("blueprint", "name"), PAIRS)
def test_full_size(blueprint: str, name: str) -> None:
    """At its published size it is the network of Keras."""
    assert_same_network(ours(blueprint), theirs(name, 224, 1000))


def test_resnet_of_the_paper_has_no_biases() -> None:
    """Without `use_bias` it is the network of Keras with biases of zero."""
    model = archbuilder.load("resnet:50").compile(image_size=64, classes=10)
    expected = theirs("ResNet50", 64, 10)
    biases = list(convolution_biases(expected))
    for bias in biases:
        bias.assign(np.zeros(bias.shape))
    kept = [weight for weight in expected.weights if not any(weight is bias for bias in biases)]
    assert len(model.weights) == len(kept)
    model.set_weights([np.asarray(weight) for weight in kept])
    assert_equal(model, expected)


def convolution_biases(model: keras.Model) -> Iterable[keras.Variable]:
    """The weights that only `keras.applications` has."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            yield layer.bias


@pytest.mark.parametrize(
    ("blueprint", "column"), [("vgg:11", "A"), ("vgg:13", "B"), ("vgg:16", "D"), ("vgg:19", "E")]
)
def test_vgg_is_its_table(blueprint: str, column: str) -> None:
    """Every variant has the layers of its column, in order."""
    (graph,) = archbuilder.load(blueprint).graphs().values()
    model = ours(blueprint, image_size=32, classes=3)
    layers = [model.get_layer(node.name) for node in graph.nodes]
    shown = [
        str(layer.filters) if isinstance(layer, keras.layers.Conv2D) else "M"
        for layer in layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.MaxPooling2D)
    ]
    assert " ".join(shown) == COLUMNS[column]
