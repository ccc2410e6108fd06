"""Layers with `adapt: true` learn what Keras's `adapt` learns, from the training rows alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml
from helpers.subprocesses import in_workers
from numpy.typing import NDArray
from trainer.test_execution import assert_same, trained

import archbuilder
from archbuilder.cli import main
from archbuilder.diagnostics.errors import BlueprintError

NET = """
archbuilder: 1
name: net
inputs: {x: [4], code: {shape: [1], dtype: int64}}
layers:
  - {Rescaling: 0.5, from: x}
  - {Normalization: {adapt: true}, name: scaled}
  - {Discretization: {num_bins: 4, adapt: true}, name: binned, from: scaled}
  - {CategoryEncoding: {num_tokens: 4, output_mode: multi_hot}, name: bins}
  - {IntegerLookup: {adapt: true, output_mode: one_hot}, name: codes, from: code}
  - {Concatenate: , from: [scaled, bins, codes]}
  - {Dense: 1, name: y}
data: {npz: {file: data.npz, inputs: {x: x, code: code}, targets: {output: y}}}
training:
  loss: MeanSquaredError
  epochs: 1
  batch_size: 16
  validation_split: 0.25
  shuffle: false
  distribute: none
  steps_per_execution: 1
"""
TRAINING_ROWS = slice(0, 120)


def write_examples(folder: Path) -> dict[str, NDArray[np.generic]]:
    """Write 160 examples; the last 40, which are held out, have values far from the others."""
    random = np.random.default_rng(3)
    x = random.normal([1, 2, 3, 4], [1, 2, 3, 0.5], (160, 4)).astype(np.float32)
    code = random.choice([10, 20, 30], (160, 1), p=[0.5, 0.3, 0.2])
    x[120:] *= 1000
    code[120:] = 99
    arrays = {"x": x, "code": code, "y": x[:, :1].clip(-5, 5)}
    np.savez(folder / "data.npz", **arrays)
    return arrays


def batches(values: NDArray[np.generic]) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(values).batch(16)


def keras_layers(arrays: dict[str, NDArray[np.generic]]) -> dict[str, keras.layers.Layer]:
    """Return the layers after Keras's `adapt` on the training rows."""
    rescaled = np.float32(0.5) * arrays["x"][TRAINING_ROWS]
    scaled = keras.layers.Normalization()
    scaled.adapt(batches(rescaled))
    binned = keras.layers.Discretization(num_bins=4)
    binned.adapt(batches(np.asarray(scaled(rescaled))))
    codes = keras.layers.IntegerLookup(output_mode="one_hot")
    codes.adapt(batches(arrays["code"][TRAINING_ROWS]))
    return {"scaled": scaled, "binned": binned, "codes": codes}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with data and a run."""
    folder = tmp_path_factory.mktemp("adapted")
    write_examples(folder)
    trained(folder, NET, "run")
    return folder


def learned(run: Path) -> dict[str, dict[str, object]]:
    """Return the arguments of the layers that a run wrote, by the names of the steps."""
    blueprint = yaml.safe_load((run / "blueprint.adapted.yaml").read_text())
    return {
        step["name"]: next(value for key, value in step.items() if key not in ("name", "from"))
        for step in blueprint["layers"]
    }


def test_state_is_that_of_keras(folder: Path):
    """Keras learns the same from the training rows; those held out have no influence."""
    arrays = write_examples(folder)
    expected, arguments = keras_layers(arrays), learned(folder / "run")
    assert arguments["scaled"] == {
        "mean": expected["scaled"].adapt_mean.numpy().tolist(),
        "variance": expected["scaled"].adapt_variance.numpy().tolist(),
    }
    assert arguments["binned"] == {"bin_boundaries": expected["binned"].bin_boundaries}
    assert arguments["codes"]["vocabulary"] == [10, 20, 30]
    assert "adapt" not in arguments["codes"]
    half = 0.5 * arrays["x"][TRAINING_ROWS]
    np.testing.assert_allclose(arguments["scaled"]["mean"], half.mean(0), rtol=1e-6)
    np.testing.assert_allclose(arguments["scaled"]["variance"], half.var(0), rtol=1e-5)


def test_saved_model_and_commands(folder: Path, capsys: pytest.CaptureFixture[str]):
    """The saved model, `evaluate` and `predict` use what was learned in training."""
    arrays = write_examples(folder)
    model = keras.saving.load_model(folder / "run" / "net.keras")
    expected = keras_layers(arrays)
    x = 0.5 * arrays["x"]
    for name, values in (("scaled", x), ("codes", arrays["code"])):
        np.testing.assert_array_equal(model.get_layer(name)(values), expected[name](values))
    outputs = model.predict({"x": arrays["x"], "code": arrays["code"]}, verbose=0)
    target = folder / "predictions.csv"
    run = str(folder / "run")
    assert main(["predict", run, str(folder / "data.npz"), "--output", str(target)]) == 0
    rows = np.loadtxt(target, delimiter=",", skiprows=1, usecols=-1)
    np.testing.assert_allclose(rows, outputs[:, 0], rtol=1e-4)
    capsys.readouterr()
    assert main(["evaluate", run, "--data", str(folder / "data.npz")]) == 0
    loss = float(capsys.readouterr().out.split()[-1])
    assert loss == pytest.approx(np.mean((outputs - arrays["y"]) ** 2), rel=1e-4)
    blueprint = archbuilder.load(folder / "run" / "blueprint.adapted.yaml")
    assert blueprint.compile().count_params() == model.count_params()


def test_resume(folder: Path, capsys: pytest.CaptureFixture[str]):
    """A resumed run takes what was learned from its directory, and ends with the same weights."""
    uninterrupted = trained(folder, NET, "uninterrupted", "--epochs", "2")
    parts = shutil.copytree(folder / "run", folder / "parts")
    (folder / "parts.yaml").write_text(NET)
    text = (parts / "blueprint.adapted.yaml").read_text()
    assert "Adapted: 'scaled' (Normalization) to 120 training" in capsys.readouterr().out
    assert main(["train", "--resume", str(parts), "--epochs", "2"]) == 0
    assert "Adapted" not in capsys.readouterr().out
    assert (parts / "blueprint.adapted.yaml").read_text() == text
    assert_same(uninterrupted, parts)


def test_killed_before_the_layers_learned(folder: Path):
    """A run without the file learns again, from the same rows."""
    again = shutil.copytree(folder / "run", folder / "again")
    (again / "blueprint.adapted.yaml").unlink()
    shutil.rmtree(again / "checkpoints")
    assert main(["train", "--resume", str(again)]) == 0
    assert_same(folder / "run", again)
    assert learned(again) == learned(folder / "run")


def test_several_networks_learn(tmp_path: Path):
    """Each network of an objective learns from the columns that are its inputs."""
    x = write_examples(tmp_path)["x"][TRAINING_ROWS]
    text = """
archbuilder: 1
name: nets
networks:
  scale: {inputs: {x: [4]}, layers: [Normalization: {adapt: true}]}
  restore: {inputs: {x: [4]}, layers: [Normalization: {adapt: true, invert: true}]}
  net: {inputs: {scaled: [4]}, layers: [Dense: 4]}
data: {npz: {file: data.npz, inputs: {x: x}, targets: {}}}
training:
  objective:
    inputs: [x]
    layers: [scale, net, restore, {losses.MeanSquaredError: , from: [x, previous], name: error}]
    minimize: error
  optimizer: {SGD: 0.0}
  epochs: 1
  validation_split: 0.25
  shuffle: false
"""
    (tmp_path / "nets.yaml").write_text(text)
    result = archbuilder.train(tmp_path / "nets.yaml", run_dir=tmp_path / "nets")
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    predicted = result.models["net"].predict(scaled, verbose=0) * x.std(axis=0) + x.mean(axis=0)
    assert result.history[0]["loss"] == pytest.approx(((predicted - x) ** 2).mean(), rel=1e-4)


def test_networks_without_data(folder: Path, capsys: pytest.CaptureFixture[str]):
    """Shapes are known without data, but a model cannot be made: it would use other values."""
    path = folder / "run.yaml"
    assert main(["validate", str(path)]) == 0
    assert main(["show", str(path)]) == 2
    assert "the size of the output of 'codes' (IntegerLookup)" in capsys.readouterr().err
    sized = "adapt: true, max_tokens: 4, pad_to_max_tokens: true, output_mode"
    path.write_text(NET.replace("adapt: true, output_mode", sized))
    assert main(["show", str(path)]) == 0
    assert main(["compile", str(path), "-o", str(folder / "net.keras")]) == 2
    error = capsys.readouterr().err
    assert "'scaled' (Normalization) learns its state in training" in error
    assert "run.yaml:7:" in error
    with pytest.raises(BlueprintError, match="'codes'"):
        archbuilder.load(path).compile()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{adapt: true}", "{adapt: true, mean: 0, variance: 1}", "has both 'mean' and 'adapt'"),
        ("{adapt: true}", "{adapt: false}", "Normalization needs 'mean', 'variance'"),
        ("{adapt: true}", "", "or 'adapt: true' to learn it from the training set"),
        ("num_bins: 4, ", "", "either `num_bins` or `bin_boundaries`"),
        ("Rescaling: 0.5", "Dense: 4", "would learn from the random weights of 'dense0'"),
        (
            "Rescaling: 0.5, from: x}",
            "Reshape: [4, 1], from: x}\n  - {TimeDistributed: {layer: NESTED}}\n  - Flatten",
            "'adapt' is for steps of a network",
        ),
    ],
)
def test_errors(
    tmp_path: Path, old: str, new: str, message: str, capsys: pytest.CaptureFixture[str]
):
    """Layers that cannot learn are an error with a location, before the first step."""
    write_examples(tmp_path)
    text = NET.replace(old, new, 1).replace("NESTED", "{Normalization: {adapt: true}}")
    (tmp_path / "net.yaml").write_text(text)
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(tmp_path / "run")]) != 0
    error = capsys.readouterr().err
    assert message in error
    assert "net.yaml:" in error


def test_values_that_nothing_is_learned_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """NaN is an error of the layer, with its location."""
    write_examples(tmp_path)
    (tmp_path / "net.yaml").write_text(NET.replace("{Rescaling: 0.5,", "{ops.log: ,"))
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(tmp_path / "run")]) == 1
    assert "'scaled' (Normalization) cannot learn" in capsys.readouterr().err


@pytest.mark.thorough
def test_workers(folder: Path):
    """All workers have the networks of the chief."""
    path = folder / "workers.yaml"
    path.write_text(NET.replace("distribute: none", "distribute: multi_worker"))
    in_workers(2, [["train", str(path), "--run-dir", str(folder / "workers")]])
    assert learned(folder / "workers") == learned(folder / "run")
