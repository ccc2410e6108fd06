"""The class token: one learned vector in front of every sequence."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from archbuilder.keras_ext.layers import ClassToken


def test_token_is_prepended():
    """It is the same for every sequence, and what comes behind stays as it is."""
    values = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
    layer = ClassToken(embeddings_initializer="normal")
    output = np.asarray(layer(values))
    assert layer.token.shape == (1, 1, 4)
    assert np.array_equal(output[:, 0], np.repeat(np.asarray(layer.token)[0], 3, axis=0))
    assert np.array_equal(output[:, 1:], values)


def test_token_is_never_masked():
    """What stands behind it sees the mask of the tokens, one place later."""
    tokens = keras.Input((4,), dtype="int32")
    embedded = keras.layers.Embedding(9, 8, mask_zero=True)(tokens)
    layer = ClassToken(embeddings_initializer="ones")
    model = keras.Model(tokens, keras.layers.GlobalAveragePooling1D()(layer(embedded)))
    vectors = np.concatenate([model.layers[1].embeddings.numpy()[[3, 4]], np.ones((1, 8))])
    assert np.allclose(model(np.array([[3, 4, 0, 0]])), vectors.mean(axis=0), atol=1e-6)
    assert layer.compute_mask(None, None) is None


def test_vectors_of_open_size_are_refused():
    """The token needs to know how long it is."""
    with pytest.raises(ValueError, match="must have a known size"):
        ClassToken()(keras.Input((3, None)))
