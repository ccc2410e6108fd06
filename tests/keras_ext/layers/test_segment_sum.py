from __future__ import annotations

import keras
import numpy as np
import pytest

from archbuilder.keras_ext.layers import SegmentSum


def test_sums_are_those_of_numpy():
    """Each example has segments of its own; those out of range are left out."""
    random = np.random.default_rng(0)
    values = random.normal(size=(3, 20, 2)).astype("float32")
    segments = random.integers(-2, 7, (3, 20)).astype("int32")
    expected = np.zeros((3, 5, 2), "float32")
    for example, position in np.ndindex(3, 20):
        if 0 <= segments[example, position] < 5:
            expected[example, segments[example, position]] += values[example, position]
    sums = SegmentSum()(values, segments, np.zeros((3, 5)))
    np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=1e-6)


def test_open_lengths():
    """A model takes batches of any lengths."""
    shapes = ((None, 4), "float32"), ((None,), "int64"), ((None,), "float32")
    inputs = [keras.Input(shape, dtype=dtype) for shape, dtype in shapes]
    model = keras.Model(inputs, SegmentSum()(*inputs))
    assert model.output.shape == (None, None, 4)
    for length, num_segments in ((3, 2), (5, 4)):
        ones = np.ones((2, length, 4), "float32")
        zeros = np.zeros((2, length), "int64")
        sums = np.asarray(model([ones, zeros, np.zeros((2, num_segments), "float32")]))
        assert sums.shape == (2, num_segments, 4)
        np.testing.assert_array_equal(sums[:, 0], np.full((2, 4), length))


@pytest.mark.parametrize(
    ("shapes", "dtype", "message"),
    [
        (((4,), (4,), (3,)), "int32", "inputs must be vectors"),
        (((4, 2), (4, 2), (3,)), "int32", "segments must be integers"),
        (((4, 2), (5,), (3,)), "int32", "segments must be integers"),
        (((4, 2), (4,), ()), "int32", "outputs_like must have a second axis"),
        (((4, 2), (4,), (3,)), "float32", "segments must have an integer dtype"),
    ],
)
def test_wrong_inputs(shapes: tuple[tuple[int, ...], ...], dtype: str, message: str):
    """Shapes and dtypes that do not fit are errors."""
    inputs = [
        keras.Input(shape, dtype=each)
        for shape, each in zip(shapes, ("float32", dtype, "float32"), strict=True)
    ]
    with pytest.raises(ValueError, match=message):
        SegmentSum()(*inputs)
