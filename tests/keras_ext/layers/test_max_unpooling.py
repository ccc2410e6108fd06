"""Pooling with argmax and unpooling against their definition, and against TensorFlow's pooling.

PyTorch's `max_pool2d` and `max_unpool2d` are asked where DeconvNet is compared.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from archbuilder.keras_ext.layers import MaxPoolingWithArgmax2D, MaxUnpooling2D

SIZES = [(1, 1), (2, 2), (2, 3), (3, 1)]


def maps(shape: tuple[int, ...] = (2, 7, 8, 3)) -> np.ndarray:
    """Numbers that are the same in every run."""
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def pool(values: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The definition, one window after the other."""
    batch, height, width, channels = values.shape
    shape = (batch, height // size[0], width // size[1], channels)
    pooled, argmax = np.empty(shape), np.empty(shape, int)
    for index in np.ndindex(shape):
        example, row, column, channel = index
        window = values[
            example,
            row * size[0] : (row + 1) * size[0],
            column * size[1] : (column + 1) * size[1],
            channel,
        ]
        argmax[index] = window.argmax()
        pooled[index] = window.max()
    return pooled, argmax


def unpool(values: np.ndarray, argmax: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The definition, one value after the other."""
    batch, height, width, channels = values.shape
    result = np.zeros((batch, height * size[0], width * size[1], channels))
    for index in np.ndindex(values.shape):
        example, row, column, channel = index
        down, right = divmod(int(argmax[index]), size[1])
        result[example, row * size[0] + down, column * size[1] + right, channel] = values[index]
    return result


@pytest.mark.parametrize("size", SIZES)
def test_pooling(size: tuple[int, int]):
    """Windows of every form give their largest value and its place; a rest is left out."""
    pooled, argmax = MaxPoolingWithArgmax2D(size)(maps())
    expected, places = pool(maps(), size)
    assert np.array_equal(pooled, expected)
    assert np.array_equal(argmax, places)


@pytest.mark.parametrize("position", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_nan_is_the_maximum_of_its_window(position: tuple[int, int]):
    """Wherever it stands: a NaN that disappears would hide a network that diverged."""
    values = maps()
    values[0, position[0], position[1], 0] = np.nan
    values[1, 2:4, 2:4, 1] = np.nan
    pooled, argmax = MaxPoolingWithArgmax2D(2)(values)
    expected, places = pool(values, (2, 2))
    assert np.isnan(pooled).sum() == 2
    np.testing.assert_array_equal(pooled, expected)
    np.testing.assert_array_equal(argmax, places)


def test_pooling_of_integers():
    """Counts and classes are pooled as well."""
    values = np.arange(16, dtype="int32").reshape(1, 4, 4, 1)
    pooled, argmax = MaxPoolingWithArgmax2D(2)(values)
    assert np.array_equal(np.ravel(pooled), [5, 7, 13, 15])
    assert np.array_equal(np.ravel(argmax), [3, 3, 3, 3])


@pytest.mark.parametrize("size", SIZES)
def test_unpooling(size: tuple[int, int]):
    """Values other than the maxima go where the argmax says."""
    _, argmax = pool(maps(), size)
    values = np.random.default_rng(1).normal(size=argmax.shape).astype("float32")
    output = MaxUnpooling2D(size)(values, argmax.astype("int32"))
    assert np.array_equal(output, unpool(values, argmax, size))


def test_argmax_is_that_of_tensorflow():
    """Counted in the whole map, as TensorFlow, PyTorch and Caffe count, it is the same."""
    values = maps((2, 6, 8, 3))
    pooled, argmax = MaxPoolingWithArgmax2D(2)(values)
    rows, columns = np.arange(3)[:, None, None], np.arange(4)[:, None]
    argmax = np.asarray(argmax)
    flat = (2 * rows + argmax // 2) * 8 + 2 * columns + argmax % 2
    expected, places = tf.nn.max_pool_with_argmax(values, 2, 2, "VALID")
    assert np.array_equal(pooled, expected)
    assert np.array_equal(flat, np.asarray(places) // 3)


def test_argmax_of_equal_values_is_the_first():
    """And its gradient is its own, where a maximum alone would share it."""
    values = tf.zeros((1, 2, 2, 1))
    with tf.GradientTape() as tape:
        tape.watch(values)
        pooled, argmax = MaxPoolingWithArgmax2D(2)(values)
    assert int(argmax[0, 0, 0, 0]) == 0
    assert np.array_equal(np.ravel(tape.gradient(pooled, values)), [1, 0, 0, 0])


def test_pooling_and_unpooling_roundtrip():
    """Unpooling keeps the maxima at their places and has zeros elsewhere, in a model too."""
    inputs = keras.Input((None, None, 3))
    output = MaxUnpooling2D(2)(*MaxPoolingWithArgmax2D(2)(inputs))
    model = keras.Model(inputs, output)
    values = maps((2, 6, 8, 3))
    unpooled = model.predict(values, verbose=0)
    assert unpooled.shape == values.shape
    assert np.array_equal(unpooled[unpooled != 0], values[unpooled != 0])
    assert np.count_nonzero(unpooled) == values.size // 4


def test_argmax_is_exact_in_half_precision():
    """The indices are integers, which a dtype policy leaves alone."""
    layer = MaxPoolingWithArgmax2D(30, dtype="mixed_bfloat16")
    values = np.zeros((1, 30, 30, 1), "float32")
    values[0, 29, 28, 0] = 1
    pooled, argmax = layer(values)
    assert pooled.dtype == "bfloat16"
    assert int(argmax[0, 0, 0, 0]) == 29 * 30 + 28


@pytest.mark.parametrize("size", [0, (2, 0), (2, 2, 2), (2,)])
@pytest.mark.parametrize("layer", [MaxPoolingWithArgmax2D, MaxUnpooling2D])
def test_invalid_pool_size(layer: type[keras.layers.Layer], size: int | tuple[int, ...]):
    """A window has a height and a width."""
    with pytest.raises(ValueError, match="pool_size must be one or two numbers"):
        layer(size)


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((4, 4, 3), "float32", "must have an integer dtype"),
        ((4, 5, 3), "int32", "inputs and argmax must have the same shape"),
        ((4, 4), "int32", "inputs and argmax must have the same shape"),
    ],
)
def test_invalid_argmax(shape: tuple[int, ...], dtype: str, message: str):
    """A map in the place of argmax, and the argmax of another pooling, are errors."""
    with pytest.raises(ValueError, match=message):
        MaxUnpooling2D(2)(keras.Input((4, 4, 3)), keras.Input(shape, dtype=dtype))


def test_inputs_must_be_maps():
    """Only maps can be unpooled."""
    vectors = keras.Input((4,)), keras.Input((4,), dtype="int32")
    with pytest.raises(ValueError, match="must be maps"):
        MaxUnpooling2D(2)(*vectors)
