"""The layers of capsules against the equations of the paper, and where vectors are zero."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from archbuilder.keras_ext.layers import CapsuleMask, CapsuleNorm, CapsuleRouting, Squash


def vectors(shape: tuple[int, ...] = (2, 6, 8)) -> np.ndarray:
    """Numbers that are the same in every run."""
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def squash(vector: np.ndarray) -> np.ndarray:
    """Equation 1."""
    length = np.linalg.norm(vector)
    return length**2 / (1 + length**2) * vector / length


def route(
    lower: np.ndarray, transformations: np.ndarray, bias: np.ndarray, iterations: int
) -> np.ndarray:
    """Equations 2 and 3 and procedure 1 for one example, one capsule after the other."""
    count, _, capsules, dimension = transformations.shape
    predictions = np.empty((count, capsules, dimension))
    for i in range(count):
        for j in range(capsules):
            predictions[i, j] = lower[i] @ transformations[i, :, j]
    logits = np.zeros((count, capsules))
    output = np.empty((capsules, dimension))
    for _ in range(iterations):
        couplings = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        for j in range(capsules):
            output[j] = squash(couplings[:, j] @ predictions[:, j] + bias[j])
        for i in range(count):
            for j in range(capsules):
                logits[i, j] += predictions[i, j] @ output[j]
    return output


def routed(**arguments: object) -> CapsuleRouting:
    """A layer with weights of about one, so that routing matters."""
    initializer = keras.initializers.RandomNormal(stddev=1.0, seed=1)
    return CapsuleRouting(
        3, 4, kernel_initializer=initializer, bias_initializer=initializer, **arguments
    )


@pytest.mark.parametrize("iterations", [1, 2, 3, 5])
@pytest.mark.parametrize("use_bias", [False, True])
def test_routing(iterations: int, use_bias: bool):
    """Any number of iterations follows the procedure, with and without biases."""
    layer = routed(iterations=iterations, use_bias=use_bias)
    output = layer(vectors())
    transformations, *biases = layer.get_weights()
    bias = biases[0] if biases else np.zeros((3, 4))
    expected = [route(lower, transformations, bias, iterations) for lower in vectors()]
    assert np.allclose(output, expected, atol=1e-5)


def test_routing_iterations_change_the_output():
    """The test above could not tell if they did nothing."""
    layer = routed(iterations=1)
    once = layer(vectors())
    layer.iterations = 3
    assert np.abs(np.asarray(layer(vectors())) - np.asarray(once)).max() > 0.05


def test_routing_stop_gradient():
    """The output is the same, the gradient is that of couplings that are constants."""
    free, stopped = routed(iterations=3), routed(iterations=3, stop_gradients=True)
    inputs = tf.constant(vectors())
    stopped.build(inputs.shape)
    free.build(inputs.shape)
    stopped.set_weights(free.get_weights())
    gradients = []
    for layer in (free, stopped):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = layer(inputs)
        gradients.append((output, tape.gradient(output, inputs)))
    assert np.allclose(gradients[0][0], gradients[1][0], atol=1e-6)
    assert not np.allclose(gradients[0][1], gradients[1][1], atol=1e-2)


@pytest.mark.parametrize("shape", [(3, 8), (2, 6, 8), (2, 3, 6, 8)])
def test_squash_and_length(shape: tuple[int, ...]):
    """Every rank follows the equations along the last axis."""
    inputs = vectors(shape)
    expected = np.apply_along_axis(squash, -1, inputs)
    assert np.allclose(Squash()(inputs), expected, atol=1e-6)
    assert np.allclose(CapsuleNorm()(inputs), np.linalg.norm(inputs, axis=-1), atol=1e-6)
    assert np.linalg.norm(Squash()(inputs * 100), axis=-1).max() < 1


@pytest.mark.parametrize(
    "make",
    [Squash, CapsuleNorm, lambda **arguments: routed(iterations=3, **arguments)],
    ids=["Squash", "CapsuleNorm", "CapsuleRouting"],
)
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_zero_vectors_have_finite_gradients(make: Callable[..., keras.layers.Layer], policy: str):
    """Vectors of zeros give zeros, with slopes that are numbers, beside others and alone."""
    inputs = vectors()
    inputs[0] = 0
    inputs[1, 2] = 0
    inputs = tf.constant(inputs)
    layer = make(dtype=policy)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = tf.cast(layer(inputs), "float32")
    assert np.all(np.asarray(output[0]) == 0)
    assert np.isfinite(output).all()
    assert np.isfinite(tape.gradient(output, inputs)).all()


def test_large_vectors_in_half_precision():
    """Squares of float16 overflow from 256 on; lengths are computed in float32."""
    inputs = np.full((1, 2, 8), 1000, "float16")
    assert np.allclose(CapsuleNorm(dtype="float16")(inputs), 1000 * 8**0.5, rtol=1e-2)
    squashed = Squash(dtype="float16")(inputs)
    assert np.allclose(squashed, 8**-0.5, rtol=1e-2)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int64"])
def test_mask_by_label(dtype: str):
    """Each example keeps the capsule of its label, and a label beyond the last keeps none."""
    inputs = vectors((3, 4, 2))
    output = np.asarray(CapsuleMask()(inputs, np.array([2, 0, 9], dtype)))
    expected = np.zeros_like(inputs)
    expected[0, 2], expected[1, 0] = inputs[0, 2], inputs[1, 0]
    assert np.array_equal(output, expected)


def test_mask_by_longest_capsule():
    """Without labels; of equally long ones it is the first."""
    inputs = np.array([[[1, 0], [0, -3], [2, 2]], [[1, 1], [-1, 1], [0, 1]]], "float32")
    expected = [[[0, 0], [0, -3], [0, 0]], [[1, 1], [0, 0], [0, 0]]]
    assert np.array_equal(CapsuleMask()(inputs), expected)


def test_a_model_with_labels():
    """Labels are an input of a model, which is saved with it."""
    capsules, label = keras.Input((4, 2)), keras.Input((), dtype="int32")
    model = keras.Model([capsules, label], CapsuleMask()(capsules, label))
    again = keras.Model.from_config(model.get_config())
    inputs = [vectors((2, 4, 2)), np.array([1, 3])]
    assert np.array_equal(again(inputs), model(inputs))
    assert np.count_nonzero(np.asarray(model(inputs)).any(axis=-1)) == 2


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [((4,), "int32", "one integer per example"), ((), "float32", "must have an integer dtype")],
)
def test_refused_labels(shape: tuple[int, ...], dtype: str, message: str):
    """Labels as zeros and ones, or as fractions, are refused."""
    with pytest.raises(ValueError, match=message):
        CapsuleMask()(keras.Input((4, 2)), keras.Input(shape, dtype=dtype))


@pytest.mark.parametrize("name", ["capsules", "dimension", "iterations"])
def test_refused_arguments(name: str):
    """Sizes of zero are refused with the name and the value."""
    sizes = {"capsules": 2, "dimension": 2, "iterations": 2, name: 0}
    with pytest.raises(ValueError, match=f"{name} must be above zero, not 0"):
        CapsuleRouting(**sizes)


def test_unknown_lower_capsules_are_refused():
    """Each pair of capsules has weights, so that their number must be known."""
    with pytest.raises(ValueError, match="must be known"):
        CapsuleRouting(3, 4).build((None, None, 8))
