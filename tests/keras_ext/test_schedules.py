"""The schedule of the first Transformer."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from archbuilder.keras_ext.schedules import GaussianRampUp, Noam, Scaled


def formula(step: int, model_size: int, warmup_steps: int) -> float:
    """Equation 3 of the paper."""
    return model_size**-0.5 * min(step**-0.5, step * warmup_steps**-1.5)


@pytest.mark.parametrize(("model_size", "warmup_steps"), [(512, 4000), (64, 10), (1, 1)])
def test_noam_formula(model_size: int, warmup_steps: int):
    """The rate of Keras's step n is that of the paper's step n + 1."""
    schedule = Noam(model_size, warmup_steps)
    for step in (0, 1, 8, 9, 10, 3998, 3999, 4000, 100_000):
        expected = formula(step + 1, model_size, warmup_steps)
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-6)


def test_noam_scale():
    """Everything is multiplied by it."""
    assert float(Noam(512, scale=2.0)(7)) == pytest.approx(2 * float(Noam(512)(7)))


def test_noam_invalid_arguments():
    """A size or a number of steps below one has no rate."""
    with pytest.raises(ValueError, match="1 or more"):
        Noam(512, 0)


def test_noam_in_a_saved_optimizer(tmp_path: Path):
    """A model that was trained with it is saved, and goes on at the rate that it was at."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(Noam(64, 10, scale=0.5)), "mse", jit_compile=False)
    model.fit(np.ones((8, 3)), np.ones((8, 2)), batch_size=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    rate = float(keras.ops.convert_to_tensor(loaded.optimizer.learning_rate))
    assert rate == pytest.approx(0.5 * formula(5, 64, 10), rel=1e-6)


def test_gaussian_ramp_up():
    """It rises to its last value along exp(-5 (1 - t) ** 2)."""
    ramp = GaussianRampUp(3.0, 10)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(ramp))
    for schedule in (ramp, again):
        values = [float(schedule(step)) for step in (0, 4, 10, 11)]
        assert values == pytest.approx([3 * np.exp(-5), 3 * np.exp(-1.8), 3, 3])


def test_scaled_schedule():
    """Its rates are those of the other schedule times the factor, also after serialization."""
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    scaled = Scaled(decay, 0.25)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(scaled))
    for schedule in (scaled, again):
        assert float(schedule(20)) == pytest.approx(0.25 * 0.1 * 0.25)
