"""Learned positions: a table whose rows are added in order."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from archbuilder.keras_ext.layers import PositionEmbedding


def test_embeddings_are_added():
    """The first vector has row 0 on top, and a short sequence leaves the last rows out."""
    layer = PositionEmbedding(7)
    values = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    output = layer(values)
    assert layer.positions.shape == (7, 4)
    assert np.allclose(output, values + np.asarray(layer.positions)[:5])


def test_masks_of_an_embedding_pass():
    """What stands behind the positions sees the mask of the tokens: padding does not count."""
    tokens = keras.Input((4,), dtype="int32")
    embedded = keras.layers.Embedding(9, 8, mask_zero=True)(tokens)
    positions = PositionEmbedding(4)
    model = keras.Model(tokens, keras.layers.GlobalAveragePooling1D()(positions(embedded)))
    vectors = model.layers[1].embeddings.numpy()[[3, 4]] + positions.positions.numpy()[:2]
    assert np.allclose(model(np.array([[3, 4, 0, 0]])), vectors.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("length", [1, 3])
def test_longer_sequences_are_refused(length: int):
    """Before the model is made where the length is known, and when it runs where it is open."""
    with pytest.raises(ValueError, match=f"has 4 positions, but sequence_length is {length}"):
        PositionEmbedding(length)(np.zeros((1, 4, 2), "float32"))
    inputs = keras.Input((None, 2))
    model = keras.Model(inputs, PositionEmbedding(length)(inputs))
    with pytest.raises(Exception, match=r"(?i)slice"):
        model(np.zeros((1, 4, 2), "float32"))


def test_refused_arguments():
    """There is at least one position, and the vectors have a size."""
    with pytest.raises(ValueError, match="sequence_length must be at least 1"):
        PositionEmbedding(0)
    with pytest.raises(ValueError, match="must have a known size"):
        PositionEmbedding(3)(keras.Input((3, None)))
