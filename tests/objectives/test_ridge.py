"""The objective that computes the weights of the last layer in closed form."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

import archbuilder
from archbuilder.config import DataConfig, read_recipe
from archbuilder.config.sources import DataPath, Npz
from archbuilder.diagnostics.errors import RunError, UsageError
from archbuilder.runs.run_dir import RunDir
from archbuilder.training import RunResult, train

NET = """
archbuilder: 1
name: net
inputs: {x: [3]}
layers:
  - Dense: {units: 8, activation: tanh}
  - {Dense: {units: 2, use_bias: $bias}, name: readout}
params: {alpha: 0.5, batch: 7, bias: true}
data: {npz: {file: data.npz}}
training:
  objective: {ridge: {alpha: $alpha}}
  batch_size: $batch
  validation_split: 0
"""
SEQUENCES = """
archbuilder: 1
name: net
inputs: {x: [6, 1]}
layers:
  - SimpleRNN: {units: 5, return_sequences: true}
  - {Dense: 1, name: readout}
data: {npz: {file: data.npz}}
training:
  objective: {ridge: {alpha: 1e-3, washout: 2}}
  validation_split: 0
"""
DIGITS = """
archbuilder: 1
name: net
inputs: {image: [64]}
layers:
  - Dense: {units: 400, activation: relu, bias_initializer: {RandomNormal: {stddev: 0.1}}}
  - Dense: 10
data: digits
training:
  objective: {ridge: {alpha: 1e-2}}
  metrics: [CategoricalAccuracy]
"""


def run(folder: Path, text: str, **params: object) -> RunResult:
    """The run of a blueprint, whose data lies beside it."""
    path = folder / "net.yaml"
    path.write_text(text)
    blueprint = archbuilder.load(path)
    recipe = read_recipe(blueprint, params=params)
    assert recipe.data is not None
    assert recipe.training is not None
    runs = RunDir.create_numbered(folder / "runs", "net")
    return train(blueprint.graphs(**params), recipe.data, recipe.training, runs, log=lambda _: None)


def arrays(folder: Path, *shape: int, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Random inputs and targets, also in a file."""
    generator = np.random.default_rng(5)
    x = generator.normal(size=shape).astype("float32")
    y = generator.normal(size=(*shape[:-1], outputs)).astype("float32")
    np.savez(folder / "data.npz", x=x, y=y)
    return x, y


def expected(features: np.ndarray, y: np.ndarray, alpha: float, *, bias: bool) -> np.ndarray:
    """The least squares with the penalty as rows of their own, by another algorithm."""
    size = features.shape[1]
    x = np.hstack([features, np.ones((len(features), 1))]) if bias else features
    rows = np.sqrt(alpha) * np.eye(size, x.shape[1])
    stacked = np.vstack([x, rows]).astype("float64")
    targets = np.vstack([y, np.zeros((size, y.shape[1]))])
    return np.linalg.lstsq(stacked, targets, rcond=None)[0]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 100.0])
@pytest.mark.parametrize("batch", [1, 7, 50])
def test_ridge_weights_are_least_squares(
    alpha: float, batch: int, bias: bool, tmp_path: Path
) -> None:
    """Whatever the batches, with and without a bias, which is not penalised."""
    x, y = arrays(tmp_path, 50, 3, outputs=2)
    model = run(tmp_path, NET, alpha=alpha, batch=batch, bias=bias).models["net"]
    readout = model.get_layer("readout")
    features = np.asarray(keras.Model(model.input, readout.input)(x))
    weights = expected(features, y, alpha, bias=bias)
    np.testing.assert_allclose(np.asarray(readout.kernel), weights[:8], rtol=2e-4, atol=2e-5)
    if bias:
        np.testing.assert_allclose(np.asarray(readout.bias), weights[8], rtol=2e-4, atol=2e-5)


def test_ridge_washout(tmp_path: Path) -> None:
    """They count for nothing."""
    x, y = arrays(tmp_path, 20, 6, 1, outputs=1)
    first = run(tmp_path, SEQUENCES).models["net"].get_layer("readout").get_weights()
    y[:, :2] += 100
    np.savez(tmp_path / "data.npz", x=x, y=y)
    again = run(tmp_path, SEQUENCES).models["net"].get_layer("readout").get_weights()
    np.testing.assert_array_equal(first[0], again[0])
    y[:, 2:] += 100
    np.savez(tmp_path / "data.npz", x=x, y=y)
    unwashed = run(tmp_path, SEQUENCES).models["net"].get_layer("readout").get_weights()
    assert not np.allclose(first[1], unwashed[1])


def test_ridge_classifies_digits(tmp_path: Path) -> None:
    """Classes by number become one value a class; real digits are told apart in one pass."""
    result = run(tmp_path, DIGITS)
    assert result.val_metrics["categorical_accuracy"] > 0.93
    assert result.files["net"].exists()


def test_ridge_changes_only_the_readout(tmp_path: Path) -> None:
    """The layers before the last keep their random weights, which the seed decides."""
    arrays(tmp_path, 50, 3, outputs=2)
    kernels = [
        run(tmp_path, NET, alpha=alpha).models["net"].layers[1].get_weights()[0]
        for alpha in (0.5, 3.0)
    ]
    np.testing.assert_array_equal(*kernels)


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        (
            "use_bias: $bias",
            "use_bias: $bias, activation: relu",
            UsageError,
            "needs a linear output layer",
        ),
        (
            "{Dense: {units: 2, use_bias: $bias}, name: readout}",
            "[Dense: {units: 2, use_bias: $bias}, ReLU: ]",
            UsageError,
            "one output, a Dense layer",
        ),
        ("alpha: $alpha", "alpha: 0, washout: 3", RunError, "'washout' is 3"),
    ],
)
def test_unsuitable_ridge_networks(
    old: str, new: str, error: type[Exception], message: str, tmp_path: Path
) -> None:
    """Networks without a linear readout, and data without steps."""
    arrays(tmp_path, 50, 3, outputs=2)
    text = NET.replace(f"- {old}", f"- layers: {new}") if new.startswith("[") else NET
    text = text.replace(old, new).replace("alpha: 0.5", "alpha: 0.5")
    with pytest.raises(error, match=message):
        run(tmp_path, text)


def test_ridge_too_few_examples(tmp_path: Path) -> None:
    """Without a penalty they determine no weights."""
    arrays(tmp_path, 4, 3, outputs=2)
    text = NET.replace("units: 8, activation: tanh", "units: 8, kernel_initializer: zeros")
    with pytest.raises(RunError, match="increase 'alpha'"):
        run(tmp_path, text, alpha=0.0)


def test_ridge_missing_data_file(tmp_path: Path) -> None:
    """As with every objective."""
    path = tmp_path / "net.yaml"
    path.write_text(NET)
    blueprint = archbuilder.load(path)
    training = read_recipe(blueprint).training
    assert training is not None
    data = DataConfig(Npz(DataPath(str(tmp_path / "none.npz"))))
    runs = RunDir.create_numbered(tmp_path / "runs", "net")
    with pytest.raises(UsageError, match="none"):
        train(blueprint.graphs(), data, training, runs, log=lambda _: None)
