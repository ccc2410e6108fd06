"""Maxout against the formula of the paper."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from archbuilder.keras_ext.layers import Maxout


def reference(values: np.ndarray, kernel: np.ndarray, bias: np.ndarray, pieces: int) -> np.ndarray:
    """The formula of section 3, one unit after the other."""
    linear = values @ kernel + bias
    units = [
        linear[..., unit * pieces : (unit + 1) * pieces].max(axis=-1)
        for unit in range(kernel.shape[1] // pieces)
    ]
    return np.stack(units, axis=-1)


@pytest.mark.parametrize("pieces", [1, 2, 5])
@pytest.mark.parametrize("shape", [(3, 7), (2, 4, 7), (2, 3, 4, 7)])
def test_formula(pieces: int, shape: tuple[int, ...]):
    """Every rank, and one piece or several, follow the formula."""
    values = np.random.default_rng(0).normal(size=shape).astype("float32")
    layer = Maxout(6, pieces, bias_initializer=keras.initializers.RandomNormal(seed=3))
    output = layer(values)
    assert output.shape == (*shape[:-1], 6)
    kernel, bias = layer.get_weights()
    assert np.allclose(output, reference(values, kernel, bias, pieces), atol=1e-5)


def test_without_biases():
    """The kernel is the only weight."""
    values = np.random.default_rng(0).normal(size=(3, 7)).astype("float32")
    layer = Maxout(6, 2, use_bias=False)
    output = layer(values)
    (kernel,) = layer.get_weights()
    assert np.allclose(output, reference(values, kernel, np.zeros(12), 2), atol=1e-6)


def test_two_pieces_of_opposite_sign_are_an_absolute_value():
    """What the paper draws in figure 1."""
    layer = Maxout(1, 2, use_bias=False)
    layer.build((None, 1))
    layer.set_weights([np.array([[1.0, -1.0]])])
    assert np.allclose(layer(np.array([[-3.0], [2.0]])), [[3.0], [2.0]])


def test_single_piece_is_a_dense_layer():
    """With one piece there is nothing to choose from."""
    values = np.random.default_rng(0).normal(size=(3, 7)).astype("float32")
    layer, dense = Maxout(6, 1), keras.layers.Dense(6)
    output = layer(values)
    dense.build(values.shape)
    dense.set_weights(layer.get_weights())
    assert np.allclose(output, dense(values), atol=1e-6)


def test_constraints_and_regularizers():
    """The columns of the kernel keep their norm, and weights cost what the regularizer says."""
    layer = Maxout(2, 3, kernel_constraint={"class_name": "UnitNorm", "config": {"axis": 0}},
                   kernel_regularizer="l2")  # fmt: skip
    layer.build((None, 4))
    bounded = keras.ops.convert_to_numpy(layer.kernel.constraint(layer.kernel))
    assert np.allclose(np.linalg.norm(bounded, axis=0), 1, atol=1e-5)
    kernel, _ = layer.get_weights()
    assert float(layer.losses[0]) == pytest.approx(0.01 * np.square(kernel).sum(), rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"units": 0, "pieces": 2}, "units must be"), ({"units": 2, "pieces": 0}, "pieces must be")],
)
def test_refused_arguments(arguments: dict[str, int], message: str):
    """Sizes of zero are refused with the name and the value."""
    with pytest.raises(ValueError, match=message):
        Maxout(**arguments)


def test_unknown_features_are_refused():
    """The number of features must be known."""
    with pytest.raises(ValueError, match="must have a known size"):
        Maxout(3, 2).build((None, None))
