"""Echo-state networks against their equation, and reservoirs against what is asked of them."""

from __future__ import annotations

import time

import keras
import numpy as np
import pytest

from archbuilder.keras_ext.layers import ReservoirCell
from archbuilder.keras_ext.layers import reservoir as module
from archbuilder.keras_ext.layers.reservoir import Reservoir, has_cycle


def radius(matrix: np.ndarray) -> float:
    """The largest absolute value of an eigenvalue."""
    return float(np.abs(np.linalg.eigvals(matrix.astype("float64"))).max())


def reservoir(units: int = 50, **arguments: object) -> np.ndarray:
    """A matrix; the same for the same arguments."""
    options = {"spectral_radius": 0.8, "density": 0.1, "seed": 3, **arguments}
    return np.asarray(Reservoir(**options)((units, units), "float32"))


@pytest.mark.parametrize("leak_rate", [1.0, 0.3])
@pytest.mark.parametrize("bias_scaling", [0.0, 0.5])
def test_states_follow_the_equation(leak_rate: float, bias_scaling: float):
    """All states of a sequence follow the equation, beginning with zeros."""
    cell = ReservoirCell(20, density=0.3, leak_rate=leak_rate, bias_scaling=bias_scaling, seed=1)
    steps = np.random.default_rng(0).normal(size=(2, 9, 3)).astype("float32")
    states = keras.layers.RNN(cell, return_sequences=True)(steps)
    kernel, matrix, bias = cell.get_weights()
    assert bool(np.any(bias)) == bool(bias_scaling)
    state = np.zeros((2, 20))
    for step in range(9):
        driven = np.tanh(steps[:, step] @ kernel + state @ matrix + bias)
        state = (1 - leak_rate) * state + leak_rate * driven
        assert np.allclose(states[:, step], state, atol=1e-5)


@pytest.mark.parametrize("units", [20, 50, 300])
@pytest.mark.parametrize("spectral_radius", [0.5, 1.25])
def test_the_spectral_radius_is_that_of_the_eigenvalues(units: int, spectral_radius: float):
    """Complex pairs among them count with their absolute value."""
    matrix = reservoir(units, spectral_radius=spectral_radius)
    assert radius(matrix) == pytest.approx(spectral_radius, rel=1e-4)


@pytest.mark.parametrize(("units", "density"), [(50, 0.1), (100, 0.01), (30, 1.0)])
def test_the_density_is_exact(units: int, density: float):
    """As many connections as asked for, of either sign."""
    matrix = reservoir(units, density=density)
    assert np.count_nonzero(matrix) == round(density * units**2)
    assert matrix.min() < 0 < matrix.max()


def test_weights_are_seeded():
    """Equal seeds make equal weights, and other seeds others; without one each is another."""
    assert np.array_equal(reservoir(seed=5), reservoir(seed=5))
    assert not np.array_equal(reservoir(seed=5), reservoir(seed=6))
    assert not np.array_equal(reservoir(seed=None), reservoir(seed=None))
    keras.utils.set_random_seed(1)
    first = reservoir(seed=None)
    keras.utils.set_random_seed(1)
    assert np.array_equal(reservoir(seed=None), first)


def test_input_weights_and_biases_are_uniform_and_differ():
    """Within their scales, of either sign, each with numbers of its own."""
    cell = ReservoirCell(2000, density=0.0001, input_scaling=0.5, bias_scaling=2.0, seed=0)
    kernel, bias = (np.asarray(cell._uniform(*each)((2000,))) for each in ((0.5, 0), (2.0, 1)))
    assert -0.5 <= kernel.min() < -0.49
    assert 0.49 < kernel.max() <= 0.5
    assert 1.95 < bias.max() <= 2.0
    assert abs(np.corrcoef(kernel, bias)[0, 1]) < 0.1


def test_reservoirs_without_a_cycle_are_drawn_again():
    """Half of those of 50 units at 1% are nilpotent; none is when it is done."""
    for seed in range(40):
        matrix = reservoir(50, density=0.01, seed=seed)
        assert radius(matrix) == pytest.approx(0.8, rel=1e-3)
        assert np.count_nonzero(matrix) == 25


def test_cycle_detection():
    """A matrix with a way back has eigenvalues, one without has none but zeros."""
    generator = np.random.default_rng(0)
    kinds = set()
    for _ in range(100):
        matrix = np.where(generator.random((12, 12)) < 0.08, generator.uniform(1, 2, (12, 12)), 0)
        kinds.add(has_cycle(matrix != 0))
        assert has_cycle(matrix != 0) == (radius(matrix) > 1e-3)
    assert kinds == {True, False}
    assert not has_cycle(np.triu(np.ones((5, 5)), 1) != 0)
    assert has_cycle(np.roll(np.eye(5), 1, axis=0) != 0)


def test_a_thousand_units_take_seconds():
    """The eigenvalues are those of LAPACK."""
    began = time.process_time()
    assert radius(reservoir(1000, density=0.01)) == pytest.approx(0.8, rel=1e-3)
    assert time.process_time() - began < 60


def test_reservoir_is_not_trained():
    """A step of training leaves the reservoir as it was."""
    inputs = keras.Input((None, 3))
    cell = ReservoirCell(20, density=0.3, seed=1)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.RNN(cell)(inputs)))
    assert [weight.shape for weight in model.trainable_weights] == [(20, 2), (2,)]
    weights = [np.array(weight) for weight in cell.get_weights()]
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((4, 5, 3)), np.ones((4, 2)))
    assert all(np.array_equal(*pair) for pair in zip(weights, cell.get_weights(), strict=True))


def test_echo_state_property():
    """The echo-state property, with a radius below one and few inputs that are large."""
    cell = ReservoirCell(50, spectral_radius=0.8, density=0.1, seed=2)
    layer = keras.layers.RNN(cell)
    steps = np.random.default_rng(0).normal(size=(1, 200, 1)).astype("float32")
    starts = [np.full((1, 50), start, "float32") for start in (-1.0, 1.0)]
    ends = [np.asarray(layer(steps, initial_state=[start])) for start in starts]
    assert np.allclose(*ends, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "units must be above zero"),
        ({"units": 9, "spectral_radius": 0}, "spectral_radius must be above zero"),
        ({"units": 9, "density": 1.5}, "density must be above zero and at most one"),
        ({"units": 9, "leak_rate": 0}, "leak_rate must be above zero and at most one"),
        ({"units": 9, "bias_scaling": -1}, "bias_scaling must be zero or more"),
        ({"units": 9, "density": 0.01}, "each of 9 units 0.09 connections"),
    ],
)
def test_refused_arguments(arguments: dict[str, float], message: str):
    """Arguments that make no reservoir are refused with the name and the value."""
    with pytest.raises(ValueError, match=message):
        ReservoirCell(**arguments)


def test_number_of_attempts_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """With a single try, about half of 50 units at 1% have no cycle, and that is said."""
    monkeypatch.setattr(module, "DRAWS", 1)
    refused = 0
    for seed in range(40):
        try:
            reservoir(50, density=0.01, seed=seed)
        except ValueError as error:
            refused += "had no cycle: a density of 0.01 is too low" in str(error)
    assert 10 < refused < 30
