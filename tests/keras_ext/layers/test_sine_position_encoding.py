"""Sinusoidal positions against the formula of the paper."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from archbuilder.keras_ext.layers import SinePositionEncoding


def reference(length: int, depth: int, base: float = 10000.0) -> np.ndarray:
    """The formula of section 3.5, one number after the other."""
    code = np.empty((length, depth))
    for position in range(length):
        for index in range(depth):
            angle = position / base ** (2 * (index // 2) / depth)
            code[position, index] = np.sin(angle) if index % 2 == 0 else np.cos(angle)
    return code


@pytest.mark.parametrize("length", [1, 7, 300])
@pytest.mark.parametrize("depth", [1, 2, 7, 64])
def test_formula(length: int, depth: int):
    """Lengths and depths, even and odd, follow the formula."""
    code = SinePositionEncoding()(np.zeros((2, length, depth), "float32"))
    assert np.allclose(code[1], reference(length, depth), atol=1e-4)


@pytest.mark.parametrize("depth", [2, 4, 7, 64])
def test_tensor2tensor_formula(depth: int):
    """All sines, all cosines, and zeros where the depth is odd; wavelengths up to the base's."""
    half = depth // 2
    code = SinePositionEncoding(interleaved=False)(np.zeros((1, 50, depth), "float32"))[0]
    expected = np.zeros((50, depth))
    for position in range(50):
        for index in range(half):
            angle = position / 10000.0 ** (index / max(half - 1, 1))
            expected[position, index] = np.sin(angle)
            expected[position, half + index] = np.cos(angle)
    assert np.allclose(code, expected, atol=1e-4)


def test_encodings_are_added():
    """The vectors stay, with their positions on top."""
    values = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
    output = SinePositionEncoding(max_wavelength=50.0)(values)
    assert np.allclose(output, values + reference(5, 8, 50.0), atol=1e-5)


def test_open_sequence_length():
    """A model with an open length takes sequences of all lengths."""
    inputs = keras.Input((None, 6))
    model = keras.Model(inputs, SinePositionEncoding()(inputs))
    for length in (3, 11):
        output = model.predict(np.zeros((1, length, 6), "float32"), verbose=0)
        assert np.allclose(output[0], reference(length, 6), atol=1e-5)


def test_far_positions_in_half_precision():
    """Positions beyond what half precision can count are told apart all the same."""
    output = SinePositionEncoding(dtype="mixed_bfloat16")(np.zeros((1, 5000, 4), "float32"))
    exact = reference(5000, 4)
    coarse = keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))[0]
    assert np.abs(coarse - exact).max() < 0.01


def test_masks_of_an_embedding_pass():
    """What stands behind the positions sees the mask of the tokens: padding does not count."""
    tokens = keras.Input((4,), dtype="int32")
    embedded = keras.layers.Embedding(9, 8, mask_zero=True)(tokens)
    average = keras.layers.GlobalAveragePooling1D()(SinePositionEncoding()(embedded))
    model = keras.Model(tokens, average)
    vectors = model.layers[1].embeddings.numpy()[[3, 4]] + reference(2, 8)
    assert np.allclose(model(np.array([[3, 4, 0, 0]])), vectors.mean(axis=0), atol=1e-5)


def test_refused_arguments():
    """A base that makes no wavelengths is refused."""
    with pytest.raises(ValueError, match="max_wavelength must be above 1"):
        SinePositionEncoding(max_wavelength=1.0)


def test_ranks_other_than_three_are_refused():
    """Only sequences of vectors have positions."""
    with pytest.raises(ValueError, match="expected ndim=3"):
        SinePositionEncoding()(np.zeros((2, 3), "float32"))
