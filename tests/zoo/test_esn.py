"""An echo-state network learns a chaotic series by solving for its readout alone."""

from __future__ import annotations

import keras
import numpy as np

import archbuilder

WASHOUT, TRAINED, TESTED = 100, 900, 300
RIDGE = 1e-6


def mackey_glass(length: int) -> np.ndarray:
    """The series of Mackey and Glass with a delay of 17, ten small steps for one of time."""
    delay, step = 170, 0.1
    values = [1.2] * (delay + 1)
    for _ in range(10 * length):
        delayed = values[-1 - delay]
        values.append(values[-1] + step * (0.2 * delayed / (1 + delayed**10) - 0.1 * values[-1]))
    return np.tanh(np.array(values[-10 * length :: 10]) - 1)


def test_esn_predicts_mackey_glass() -> None:
    """Ridge regression of the states foretells it to less than a hundredth of its deviation."""
    series = mackey_glass(WASHOUT + TRAINED + TESTED + 1)
    steps, targets = series[None, :-1, None].astype("float32"), series[1:]
    model = archbuilder.load("esn:leaky").compile(units=200, density=0.05)
    states = keras.Model(model.input, model.get_layer("reservoir").output)(steps)
    rows = np.c_[np.asarray(states[0], "float64"), np.ones(len(targets))]
    training_rows, expected = (each[WASHOUT : WASHOUT + TRAINED] for each in (rows, targets))
    solved = np.linalg.solve(
        training_rows.T @ training_rows + RIDGE * np.eye(201), training_rows.T @ expected
    )
    model.get_layer("readout").set_weights([solved[:-1, None], solved[-1:]])
    foretold = np.asarray(model(steps))[0, -TESTED:, 0]
    error = np.sqrt(np.square(foretold - targets[-TESTED:]).mean()) / targets.std()
    unchanged = np.sqrt(np.square(series[-TESTED - 1 : -1] - targets[-TESTED:]).mean())
    assert error < 0.01
    assert unchanged / targets.std() > 0.1
