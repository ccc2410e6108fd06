from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.subprocesses import in_replicas

import archbuilder
from archbuilder.blueprint import BlueprintRequest
from archbuilder.config import read_recipe
from archbuilder.config.run_inputs import load_run_inputs, new_run_inputs
from archbuilder.diagnostics.errors import BlueprintError, RunError, UsageError
from archbuilder.limits import Limits
from archbuilder.runs.manifest import RunProvenance
from archbuilder.runs.run_dir import RunDir
from archbuilder.training import RunResult, train

HEAD = "archbuilder: 1\nname: net\n"
DENSE = HEAD + "inputs: {x: [4]}\nlayers: [{Dense: {units: 3, activation: softmax}}]\n"
TRAINING = (
    "training: {loss: SparseCategoricalCrossentropy, metrics: [SparseCategoricalAccuracy],"
    " epochs: 2, batch_size: 8, steps_per_execution: 1, distribute: none}\n"
)
DIGITS = (
    """
archbuilder: 1
name: net
inputs: {image: [8, 8]}
layers: [Flatten, Dropout: 0.2, Dense: {units: 10, activation: softmax}]
data: digits
"""
    + TRAINING
)


def run(folder: Path, text: str, *, name: str = "run", report=lambda _: None) -> RunResult:
    """Write a blueprint, and train what it says."""
    path = folder / "net.yaml"
    path.write_text(text)
    blueprint = archbuilder.load(path)
    recipe = read_recipe(blueprint)
    assert recipe.data is not None
    assert recipe.training is not None
    return train(
        blueprint.graphs(),
        recipe.data,
        recipe.training,
        RunDir.create(folder / name),
        provenance=RunProvenance(text, ("archbuilder", "train")),
        log=report,
    )


def examples(folder: Path, count: int = 40) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(count, 4)).astype(np.float32)
    np.savez(folder / "data.npz", x=x, y=x[:, :3].argmax(axis=1), half=x[: count // 2])


def test_train_on_lazy_arrays(tmp_path: Path):
    """Arrays that stay in their files train as those in memory do, and wrong ones are told."""
    examples(tmp_path)
    archive = np.load(tmp_path / "data.npz")
    for name in ("x", "y"):
        np.save(tmp_path / f"{name}.npy", archive[name])
    mapped = "data: {npy: {inputs: x.npy, targets: y.npy}}\n"
    runs = [
        run(tmp_path, DENSE + data + TRAINING, name=name)
        for name, data in (("held", "data: {npz: data.npz}\n"), ("mapped", mapped))
    ]
    assert runs[0].val_metrics == runs[1].val_metrics

    labels = archive["y"]
    labels[17] = 3
    np.save(tmp_path / "y.npy", labels)
    with pytest.raises(RunError, match=r"in .*y\.npy' range from . to 3, .* in example 18"):
        run(tmp_path, DENSE + mapped + TRAINING, name="wrong")


def test_digits_accuracy(tmp_path: Path):
    """The network of `make demo` gets more than 97 of 100 held-out digits right."""
    blueprint = archbuilder.load("digits_cnn")
    recipe = read_recipe(blueprint)
    assert recipe.data is not None
    assert recipe.training is not None
    result = train(
        blueprint.graphs(), recipe.data, recipe.training, RunDir.create(tmp_path / "run")
    )
    assert result.val_metrics["sparse_categorical_accuracy"] > 0.97


def test_files_of_a_run_directory(tmp_path: Path):
    """A run keeps the blueprint, the command, the versions, the numbers and the model."""
    lines: list[str] = []
    result = run(tmp_path, DIGITS, report=lines.append)
    assert {path.name for path in result.run_dir.iterdir()} == {
        "blueprint.yaml",
        "run.json",
        "curves.png",
        "tensorboard",
        "history.csv",
        "history.jsonl",
        "net.keras",
        "checkpoints",
        ".lock",
    }
    record = json.loads((result.run_dir / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["command"] == ["archbuilder", "train"]
    assert record["versions"]["keras"] == keras.__version__
    assert record["validation_metrics"] == result.val_metrics
    assert len(result.history) == len((result.run_dir / "history.jsonl").read_text().splitlines())
    assert "1,438 training / 359 validation examples (random split)" in lines
    assert "Input 'image': rescaled by 1/16" in lines


def test_saved_model_has_trained_weights(tmp_path: Path):
    """Plain Keras loads the file, and finds the weights of the run."""
    result = run(tmp_path, DIGITS)
    loaded = keras.saving.load_model(result.files["net"])
    for mine, theirs in zip(result.models["net"].weights, loaded.weights, strict=True):
        assert np.array_equal(mine, theirs)


def test_runs_are_reproducible(tmp_path: Path):
    """The same seed gives the same weights and the same history, another seed others."""
    first = run(tmp_path, DIGITS, name="first")
    second = run(tmp_path, DIGITS, name="second")
    second_seed = run(tmp_path, DIGITS.replace("epochs: 2", "epochs: 2, seed: 1"), name="other")
    weights = [result.models["net"].get_weights()[0] for result in (first, second, second_seed)]
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])
    assert first.val_metrics == second.val_metrics


def test_data_paths_are_relative_to_the_blueprint(tmp_path: Path):
    """A path in `data` starts at the folder of the blueprint."""
    examples(tmp_path)
    result = run(tmp_path, DENSE + "data: {npz: data.npz}\n" + TRAINING)
    assert result.val_metrics["loss"] > 0


def test_data_outside_is_refused(tmp_path: Path):
    """A blueprint cannot read what lies outside of its folder."""
    with pytest.raises(BlueprintError) as caught:
        run(tmp_path, DENSE + "data: {npz: ../data.npz}\n" + TRAINING)
    assert [each.code for each in caught.value.diagnostics] == ["path-outside-directory"]


def test_several_inputs_and_outputs(tmp_path: Path):
    """Arrays are given by name; an output without a loss needs no target."""
    examples(tmp_path)
    text = (
        HEAD
        + """
inputs: {left: [4], right: [4]}
layers:
  - Concatenate:
    from: [left, right]
    name: both
  - Dense: {units: 3, activation: softmax}
    name: kind
  - Dense: 1
    from: both
    name: size
outputs: {kind: kind, size: size, features: both}
data: {npz: {file: data.npz, inputs: {left: x, right: x}, targets: {kind: y, size: y}}}
training:
  loss: {kind: SparseCategoricalCrossentropy, size: MeanSquaredError}
  loss_weights: {size: 0.1}
  metrics: {kind: [SparseCategoricalAccuracy]}
  epochs: 1
"""
    )
    result = run(tmp_path, text)
    assert {"kind_loss", "size_loss", "kind_sparse_categorical_accuracy"} <= set(result.val_metrics)


def test_separate_validation_set(tmp_path: Path):
    """Where the data has a validation set, all other examples are trained on."""
    lines: list[str] = []
    text = DIGITS.replace("data: digits", "data: {train: digits, validation: digits}")
    run(tmp_path, text, report=lines.append)
    assert "1,797 training / 1,797 validation examples" in lines


# Keras says it too; the command keeps Keras's warnings from the user.
@pytest.mark.filterwarnings("ignore:You are using a softmax:UserWarning")
@pytest.mark.parametrize(
    ("old", "new", "doubt"),
    [
        ("", "", ""),
        (", activation: softmax", "", "the output 'output' has no activation, but the loss 'Spa"),
        ("units: 10", "units: 1", "a softmax over one value, which is always 1"),
        (
            "loss: SparseCategoricalCrossentropy, metrics: [SparseCategoricalAccuracy]",
            "loss: {CategoricalFocalCrossentropy: {from_logits: true}}",
            "has a softmax activation, which the loss 'CategoricalFocalCrossentropy' with",
        ),
    ],
)
def test_activation_and_loss_warnings(tmp_path: Path, old: str, new: str, doubt: str):
    """What Keras trains, and nobody means."""
    lines: list[str] = []
    text = DIGITS.replace("epochs: 2", "epochs: 1").replace(old, new)
    if "over one value" in doubt:
        text = text.replace("loss: SparseCategoricalCrossentropy", "loss: BinaryCrossentropy")
        text = text.replace("metrics: [SparseCategoricalAccuracy],", "")
        text = text.replace("data: digits", "data: {npz: {file: ones.npz}}")
        np.savez(tmp_path / "ones.npz", x=np.ones((9, 8, 8), np.float32), y=np.arange(9) % 2)
    run(tmp_path, text, report=lines.append)
    warnings = [line for line in lines if "the output" in line]
    assert len(warnings) == bool(doubt)
    assert all(doubt in line for line in warnings)


def test_no_warning_for_logits(tmp_path: Path):
    """Where the loss is told of them."""
    lines: list[str] = []
    logits = "loss: {SparseCategoricalCrossentropy: {from_logits: true}}"
    text = DIGITS.replace(", activation: softmax", "").replace("epochs: 2", "epochs: 1")
    run(tmp_path, text.replace("loss: SparseCategoricalCrossentropy", logits), report=lines.append)
    assert not [line for line in lines if "the output" in line]


def test_no_validation_set(tmp_path: Path):
    """A share of zero trains on everything, and has nothing to tell at the end."""
    result = run(tmp_path, DIGITS.replace("epochs: 2", "epochs: 1, validation_split: 0"))
    assert result.val_metrics == {}


def test_interrupted_run_is_recorded(tmp_path: Path):
    """Ctrl-C is told in the record of the run."""

    def interrupt(line: str) -> None:
        if line.startswith("Epoch"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, DIGITS, report=interrupt)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"


def test_nan_loss_stops_the_run(tmp_path: Path):
    """The step is named, and no model of such weights is saved."""
    text = DIGITS.replace("epochs: 2", "epochs: 2, optimizer: {SGD: {learning_rate: 1e38}}")
    with pytest.raises(RunError, match=r"the loss became (nan|inf) at step \d+ \(epoch 1, batch"):
        run(tmp_path, text)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "failed"
    assert not (tmp_path / "run" / "net.keras").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("units: 10", "units: 9", "labels .* range from 0 to 9, but the network has 9 classes"),
        ("[8, 8]", "[9]", r"the shape \[8, 8\], but the network takes \[9\]"),
        ("{image: [8, 8]}", "{image: [8, 8], more: [1]}", "one array .* sources such as 'npz'"),
    ],
)
def test_data_does_not_fit_the_network(tmp_path: Path, old: str, new: str, message: str):
    """Data that does not fit the network is refused with both sides of it."""
    with pytest.raises(RunError, match=message):
        run(tmp_path, DIGITS.replace(old, new))


def test_missing_data_file(tmp_path: Path):
    """A data file that is not there is named."""
    with pytest.raises((RunError, BlueprintError), match=r"none\.npz"):
        run(tmp_path, DENSE + "data: {npz: none.npz}\n" + TRAINING)


def test_supervised_trains_a_single_network(tmp_path: Path):
    """Several networks need an objective of their own."""
    network = "{inputs: {x: [4]}, layers: [{Dense: 3}]}"
    text = f"{HEAD}networks: {{a: {network}, b: {network}}}\ndata: digits\n"
    with pytest.raises((UsageError, BlueprintError)):
        run(tmp_path, text + TRAINING)


def test_mirrored_training(tmp_path: Path):
    """Two devices that share every batch learn the same as one, and the run says so."""
    text = DIGITS.replace("Dropout: 0.2, ", "")
    alone = run(tmp_path, text, name="alone")
    path, two = tmp_path / "two.yaml", tmp_path / "two"
    path.write_text(text.replace("distribute: none", "distribute: mirrored"))
    output = in_replicas(2, [["train", path, "--run-dir", two]])
    assert "Devices: 2 CPUs, mirrored (mirrored)" in output.splitlines()
    loss = json.loads((two / "run.json").read_text())["validation_metrics"]["loss"]
    assert loss == pytest.approx(alone.val_metrics["loss"], rel=1e-4)


def test_mirrored_training_on_one_device(tmp_path: Path):
    """A machine with a single device trains as without a strategy."""
    messages: list[str] = []
    alone = run(tmp_path, DIGITS, name="alone")
    text = DIGITS.replace("distribute: none", "distribute: mirrored")
    mirrored = run(tmp_path, text, name="mirrored", report=messages.append)
    assert "Device: CPU (mirrored)" in messages
    assert mirrored.val_metrics == alone.val_metrics


def test_run_keeps_the_files_of_constants(tmp_path: Path):
    """The record of a run needs no file of the blueprint, and notes which array it had."""
    examples(tmp_path)
    mask = np.array([1.0, 1.0, 0.0, 1.0])
    np.save(tmp_path / "mask.npy", mask)
    path = tmp_path / "net.yaml"
    path.write_text(
        HEAD + "inputs: {x: [4]}\nlayers:\n  - {Constant: {file: mask.npy}}\n"
        "  - {ops.multiply: , from: [x, previous]}\n  - {Dense: {units: 3, activation: softmax}}\n"
        "data: {npz: {file: data.npz, inputs: x, targets: y}}\n" + TRAINING
    )
    result = archbuilder.train(path, run_dir=tmp_path / "run", epochs=1)
    weights = result.models["net"].get_weights()
    request = BlueprintRequest(None, {}, Limits(), ())
    recorded = load_run_inputs(tmp_path / "run", request)
    assert new_run_inputs(path, request).blueprint_text == recorded.blueprint_text
    np.save(tmp_path / "mask.npy", mask + 1)
    assert new_run_inputs(path, request).blueprint_text != recorded.blueprint_text
    (tmp_path / "mask.npy").unlink()
    rows = np.load(tmp_path / "data.npz")["x"]
    np.savez(tmp_path / "rows.npz", x=rows)
    predictions = [
        each.outputs["output"]
        for each in archbuilder.predict(tmp_path / "run", tmp_path / "rows.npz")
    ]
    logits = rows * mask @ weights[0] + weights[1]
    powers = np.exp(logits)
    assert np.allclose(predictions, powers / powers.sum(axis=1, keepdims=True), atol=1e-5)
    assert archbuilder.resume(tmp_path / "run", epochs=2).history[-1]["epoch"] == 2
