"""ResNet of the paper against that of `keras.applications`, which has biases, and its options."""

from __future__ import annotations

import keras
import numpy as np
from zoo.weights import fill, relative_error, without_softmax

import archbuilder


def test_resnet_without_bias_equals_zero_bias() -> None:
    """Without `use_bias` it is the network of Keras with biases of zero."""
    model = archbuilder.load("resnet:50").compile(image_size=64, classes=10)
    expected = keras.applications.ResNet50(
        weights=None, input_shape=(64, 64, 3), classes=10, classifier_activation=None
    )
    fill(expected.weights)
    convolutions = (layer for layer in expected.layers if isinstance(layer, keras.layers.Conv2D))
    biases = [layer.bias for layer in convolutions]
    for bias in biases:
        bias.assign(np.zeros(bias.shape))
    weights = [weight for weight in expected.weights if not any(weight is bias for bias in biases)]
    assert len(model.weights) == len(weights)
    model.set_weights([np.asarray(weight) for weight in weights])
    images = np.random.default_rng(5).normal(size=(1, 64, 64, 3)).astype("float32")
    outputs = np.asarray(without_softmax(model)(images)), np.asarray(expected(images))
    assert relative_error(*outputs) < 1e-5


def test_resnet_stride_changes_flops() -> None:
    """With it in the 3x3 convolutions there are more multiply-adds, as torchvision counts them."""
    (analysis,) = archbuilder.load("resnet:50").analyze(stride_in_3x3=True).values()
    assert (analysis.parameters, analysis.multiply_adds) == (25610152, 4089184256)


def test_resnet_without_head() -> None:
    """They are what the classifier sees."""
    (analysis,) = archbuilder.load("resnet:50").analyze(head=False).values()
    assert analysis.parameters == 25610152 - 2049000
    assert archbuilder.load("resnet:50").compile(head=False).output_shape == (None, 2048)
