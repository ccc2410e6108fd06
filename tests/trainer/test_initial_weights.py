"""Networks that start from weight files: which weights they take, and what a resumed run does."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from helpers.objectives import MOCO, STEPWISE
from helpers.subprocesses import in_workers
from keras.src.legacy.saving import legacy_h5_format
from numpy.typing import NDArray
from safetensors.numpy import save_file
from trainer.test_execution import assert_same, trained, weights

import archbuilder
from archbuilder.cli import main
from archbuilder.config.initial_weights import InitialWeightsConfig
from archbuilder.config.sources import DataPath
from archbuilder.diagnostics.errors import RunError
from archbuilder.distribution.collectives import SINGLE_WORKER, WorkerGroup
from archbuilder.trainer.initial_weights import InitialWeights

ENCODER = """
      - Dense: {units: 6, activation: relu}
      - BatchNormalization
      - Dense: {units: 5, kernel_regularizer: {L2: 0.01}}
"""
TRAINING = """
data: {npz: data.npz}
training:
  loss: SparseCategoricalCrossentropy
  optimizer: {SGD: 0.0}
  epochs: 1
  batch_size: 16
  validation_split: 0
  shuffle: false
  distribute: none
  steps_per_execution: 1
"""
NET = f"""
archbuilder: 1
name: net
params: {{classes: 3}}
inputs: {{x: [4]}}
blocks:
  encoder:
    layers: {ENCODER}
layers:
  - {{encoder: , name: backbone}}
  - {{Dense: {{units: $classes, activation: softmax}}, name: head}}
{TRAINING}"""


def network(prefix: str = "backbone.", classes: int | None = 3) -> keras.Model:
    """Return the network of `NET` with other weights, built without archbuilder."""
    keras.utils.set_random_seed(11)
    layers = [
        keras.layers.Dense(6, activation="relu", name=f"{prefix}dense0"),
        keras.layers.BatchNormalization(name=f"{prefix}batch_normalization0"),
        keras.layers.Dense(
            5, kernel_regularizer=keras.regularizers.L2(0.01), name=f"{prefix}dense1"
        ),
    ]
    if classes:
        layers.append(keras.layers.Dense(classes, activation="softmax", name="head"))
    x = output = keras.Input((4,), name="x")
    for layer in layers:
        output = layer(output)
    model = keras.Model(x, output)
    random = np.random.default_rng(5)
    # The moving variances are positive.
    model.set_weights([random.uniform(0.2, 0.8, each.shape) for each in model.get_weights()])
    return model


def write_examples(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Write 160 examples, ten batches of `NET`."""
    random = np.random.default_rng(7)
    x = random.normal(size=(160, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0)
    np.savez(folder / "data.npz", x=x, y=y)
    return x, y


def save(model: keras.Model, path: Path) -> Path:
    """Write the weights of a model in the format of a suffix."""
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
    elif path.suffix == ".safetensors":
        arrays = {each.path: np.asarray(each) for each in model.weights}
        save_file(arrays, path)
    else:
        model.save(path)
    return path


def with_weights(value: str, text: str = NET) -> str:
    """Return a blueprint whose network starts from files."""
    return text.replace("training:\n", f"training:\n  weights: {value}\n")


def saved_weights(run: Path, name: str = "net") -> dict[str, NDArray[np.generic]]:
    """Return the weights of a run by the names of their layers and variables."""
    model = keras.saving.load_model(run / f"{name}.keras")
    return {
        f"{layer.name}/{each.name}": np.asarray(each)
        for layer in model.layers
        for each in layer.weights
    }


def by_name(model: keras.Model) -> dict[str, NDArray[np.generic]]:
    """Return the weights of a model as `saved_weights` does."""
    return {
        f"{layer.name}/{each.name}": np.asarray(each)
        for layer in model.layers
        for each in layer.weights
    }


def assert_starts_from(run: Path, start: keras.Model, layers: Sequence[str]) -> None:
    """Check that the layers have the weights of a model, after training with a rate of 0."""
    expected = by_name(start)
    for name, array in saved_weights(run).items():
        # Batch normalization follows its inputs also with a learning rate of 0.
        if "moving" not in name:
            is_equal = name in expected and np.array_equal(array, expected[name])
            assert is_equal == (name.partition("/")[0] in layers), name


BACKBONE = ("backbone.dense0", "backbone.batch_normalization0", "backbone.dense1")


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5", ".safetensors"])
def test_formats(tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]):
    """Every format that `compile --weights` takes gives all weights; run.json has its digest."""
    write_examples(tmp_path)
    file = save(network(), tmp_path / f"start{suffix}")
    run = trained(tmp_path, with_weights(file.name), "run")
    assert_starts_from(run, network(), (*BACKBONE, "head"))
    assert f"10 of 10 weights of 'net' loaded from 'start{suffix}', by name" in (
        capsys.readouterr().out
    )
    (record,) = json.loads((run / "run.json").read_text())["weights"]
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert record == {"file": str(file), "sha256": digest}


def test_run_directory_and_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A part starts from a run with other classes; the rest of the network keeps its values."""
    write_examples(tmp_path)
    first = trained(tmp_path, NET.replace("0.0", "0.1"), "first")
    text = with_weights("{file: first, of: backbone.*}")
    run = trained(tmp_path, text, "run", "--set", "classes=4")
    start = keras.saving.load_model(first / "net.keras")
    assert_starts_from(run, start, BACKBONE)
    output = capsys.readouterr().out
    assert (
        "8 of 8 weights of 'backbone.*' in 'net' loaded from 'first/net.keras', by name" in output
    )
    assert "2 other weights of the file not used" in output


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".safetensors"])
def test_block_from_a_network_of_its_own(tmp_path: Path, suffix: str):
    """In the file of an encoder, layers have no name of a block before theirs."""
    write_examples(tmp_path)
    save(network("", None), tmp_path / f"encoder{suffix}")
    run = trained(tmp_path, with_weights(f"{{file: encoder{suffix}, of: backbone}}"), "run")
    assert_starts_from(run, network(), BACKBONE)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_block_of_a_network_with_another_head(tmp_path: Path, suffix: str):
    """Names decide even if a head of the same shapes stands between the layers of the block.

    As in BERT: by order, the pooler would take the weights of the head that predicts tokens.
    """
    write_examples(tmp_path)
    x = keras.Input((4,), name="x")
    encoded = keras.layers.Dense(6, activation="relu", name="dense0")(x)
    tokens = keras.layers.Dense(6, name="tokens")(encoded)
    pooled = keras.layers.Dense(6, name="pooler")(encoded)
    save(keras.Model(x, [tokens, pooled]), tmp_path / f"bert{suffix}")
    block = "\n      - Dense: {units: 6, activation: relu}\n      - {Dense: 6, name: pooler}\n"
    text = with_weights(f"{{file: bert{suffix}, of: backbone}}", NET.replace(ENCODER, block))
    arrays = saved_weights(trained(tmp_path, text, "run"))
    pretrained = by_name(keras.Model(x, [tokens, pooled]))
    for name in ("dense0/kernel", "dense0/bias", "pooler/kernel", "pooler/bias"):
        np.testing.assert_array_equal(arrays[f"backbone.{name}"], pretrained[name])


def test_part_by_order(tmp_path: Path):
    """By order, the first layer of a part is the first of the file, wherever the part begins."""
    write_examples(tmp_path)
    first = keras.layers.Dense(4, activation="relu", name="other")
    second = keras.layers.Dense(5, name="another")
    x = keras.Input((6,))
    model = keras.Model(x, second(first(x)))
    save(model, tmp_path / "start.weights.h5")
    text = NET.replace(
        "  - {encoder: , name: backbone}",
        "  - {encoder: , name: backbone}\n  - Dense: 6\n  - {Dense: 4, name: p0}\n"
        "  - {Dense: 5, name: p1}",
    )
    weights_setting = '{file: start.weights.h5, of: ["p*"], match: order}'
    run = trained(tmp_path, with_weights(weights_setting, text), "run")
    arrays = saved_weights(run)
    for layer, name in ((first, "p0"), (second, "p1")):
        np.testing.assert_array_equal(arrays[f"{name}/kernel"], layer.kernel)


def test_several_files(tmp_path: Path):
    """Each part may have its own file; a later file replaces what an earlier one loaded."""
    write_examples(tmp_path)
    save(network(), tmp_path / "all.keras")
    head = network()
    head.get_layer("head").set_weights([np.full((5, 3), 0.25), np.zeros(3)])
    save(head, tmp_path / "head.keras")
    run = trained(tmp_path, with_weights("[all.keras, {file: head.keras, of: head}]"), "run")
    assert_starts_from(run, head, (*BACKBONE, "head"))
    assert len(json.loads((run / "run.json").read_text())["weights"]) == 2


def test_skip_mismatch(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Weights that do not fit are an error that names them, or are left out and logged."""
    write_examples(tmp_path)
    save(network(classes=7), tmp_path / "start.keras")
    (tmp_path / "wrong.yaml").write_text(with_weights("start.keras"))
    assert main(["train", str(tmp_path / "wrong.yaml"), "--run-dir", str(tmp_path / "wrong")]) == 1
    error = capsys.readouterr().err
    assert "\n   = head/kernel is 5x3 in the model and 5x7 in the file, as 'head/vars/0'\n" in error
    assert "skip_mismatch: true" in error
    assert "wrong.yaml:" in error
    assert not (tmp_path / "wrong").exists()
    text = with_weights("{file: start.keras, skip_mismatch: true}")
    run = trained(tmp_path, text, "run")
    assert_starts_from(run, network(classes=7), BACKBONE)
    output = capsys.readouterr().out
    assert "8 of 10 weights of 'net' loaded" in output
    assert "head/bias is 3 in the model and 7 in the file" in output


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{file: other.keras, skip_mismatch: true}", "0 of its 10 weights match"),
        ("missing.keras", "there is no such file"),
        ("missing", "there is no such file"),
        ("start.pt", "is not a weights file: its suffix must be .weights.h5, .h5, .keras"),
        ("../start.keras", "leads out of the directory"),
        ("/etc/start.keras", "must be a relative path"),
        ("empty", "it is not the directory of a run that has finished"),
        ("several", "has the networks 'a.keras', 'b.keras'; write one of these files"),
        ("{file: start.safetensors, match: order}", "cannot be matched by order"),
        ("damaged.keras", "the weights in 'damaged.keras' cannot be read"),
    ],
)
def test_wrong_files(tmp_path: Path, value: str, message: str, capsys: pytest.CaptureFixture[str]):
    """A file that is missing, forbidden, damaged or of another network ends the run at once."""
    write_examples(tmp_path)
    x = keras.Input((2,))
    save(keras.Model(x, keras.layers.Conv1D(1, 1)(x[:, None])), tmp_path / "other.keras")
    save(network(), tmp_path / "start.safetensors")
    (tmp_path / "damaged.keras").write_bytes(b"PK")
    (tmp_path / "start.pt").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    (tmp_path / "several").mkdir()
    for name in ("a", "b"):
        (tmp_path / "several" / f"{name}.keras").write_bytes(b"")
    (tmp_path / "net.yaml").write_text(with_weights(value))
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(tmp_path / "run")]) != 0
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_other_directory_needs_permission(tmp_path: Path):
    """Like data, a file in another directory needs `--allow-dir`."""
    (tmp_path / "inner").mkdir()
    write_examples(tmp_path / "inner")
    save(network(), tmp_path / "start.keras")
    text = with_weights("../start.keras")
    run = trained(tmp_path / "inner", text, "run", "--allow-dir", str(tmp_path))
    assert_starts_from(run, network(), (*BACKBONE, "head"))


def test_option_and_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """`--weights` and `weights=` replace those of the recipe, and may be anywhere."""
    write_examples(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    file = save(network(), tmp_path / "elsewhere" / "start.keras")
    (tmp_path / "link.keras").symlink_to(file)
    monkeypatch.chdir(tmp_path / "elsewhere")
    text = with_weights("missing.keras")
    run = trained(tmp_path, text, "run", "--weights", "start.keras")
    assert_starts_from(run, network(), (*BACKBONE, "head"))
    (record,) = json.loads((run / "run.json").read_text())["weights"]
    assert record["file"] == str(file)
    archbuilder.train(
        tmp_path / "run.yaml", run_dir=tmp_path / "api", weights=tmp_path / "link.keras"
    )
    assert_starts_from(tmp_path / "api", network(), (*BACKBONE, "head"))
    for arguments, message in (
        (("train", str(tmp_path / "run.yaml"), "--weights", "nowhere"), "cannot read 'nowhere'"),
        (("train", "--resume", str(run), "--weights", str(file)), "--weights cannot be used with"),
    ):
        assert main([*arguments]) == 2
        assert message in capsys.readouterr().err


def test_two_steps_of_fine_tuning(tmp_path: Path):
    """A run that starts from another one equals a second `fit` of Keras after compiling again."""
    x, y = write_examples(tmp_path)
    save(network(), tmp_path / "start.keras")
    text = with_weights("start.keras", NET)
    first = text.replace("SGD: 0.0", "Adam: 0.01").replace(
        "weights:", "frozen: backbone\n  weights:"
    )
    trained(tmp_path, first, "first")
    run = trained(tmp_path, text.replace("SGD: 0.0", "Adam: 0.001"), "run", "--weights",
                  str(tmp_path / "first"))  # fmt: skip
    model = network()
    for is_trainable, rate in ((False, 0.01), (True, 0.001)):
        for name in BACKBONE:
            model.get_layer(name).trainable = is_trainable
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
        model.fit(x, y, batch_size=16, epochs=1, shuffle=False, verbose=0)
    expected = by_name(model)
    for name, array in saved_weights(run).items():
        np.testing.assert_allclose(array, expected[name], atol=1e-5, err_msg=name)


def test_resume_does_not_read_the_file(tmp_path: Path):
    """The weights of a resumed run are those of its checkpoint, and the file may be gone."""
    write_examples(tmp_path)
    file = save(network(), tmp_path / "start.keras")
    text = with_weights("start.keras", NET.replace("SGD: 0.0", "Adam: 0.01"))
    uninterrupted = trained(tmp_path, text, "whole", "--epochs", "2")
    parts = trained(tmp_path, text, "parts", "--epochs", "1")
    file.unlink()
    assert main(["train", "--resume", str(parts), "--epochs", "2"]) == 0
    assert_same(uninterrupted, parts)
    records = [json.loads((each / "run.json").read_text()) for each in (uninterrupted, parts)]
    assert records[0]["weights"] == records[1]["weights"]


@pytest.fixture
def without_checkpoint(tmp_path: Path) -> Path:
    """Return a run that was killed before its first checkpoint."""
    write_examples(tmp_path)
    save(network(), tmp_path / "start.keras")
    run = trained(tmp_path, with_weights("start.keras", NET.replace("0.0", "0.1")), "run")
    shutil.copytree(run, tmp_path / "uninterrupted")
    shutil.rmtree(run / "checkpoints")
    return run


def test_resume_without_checkpoint(without_checkpoint: Path, monkeypatch: pytest.MonkeyPatch):
    """A run without a checkpoint begins again, and therefore reads the file again."""
    monkeypatch.chdir("/")
    assert main(["train", "--resume", str(without_checkpoint)]) == 0
    assert_same(without_checkpoint.parent / "uninterrupted", without_checkpoint)


def test_file_has_changed(without_checkpoint: Path, capsys: pytest.CaptureFixture[str]):
    """A run that begins again does not begin with other weights than before."""
    start = network()
    start.set_weights([each / 2 for each in start.get_weights()])
    save(start, without_checkpoint.parent / "start.keras")
    assert main(["train", "--resume", str(without_checkpoint)]) == 1
    assert "have changed since the run started" in capsys.readouterr().err


def test_record_of_another_user(without_checkpoint: Path, capsys: pytest.CaptureFixture[str]):
    """The record of another user does not choose which files are read."""
    (without_checkpoint / "run.json").chmod(0o666)
    shutil.copy(without_checkpoint.parent / "data.npz", without_checkpoint / "data.npz")
    record = json.loads((without_checkpoint / "run.json").read_text())
    record["recipe"]["directory"] = str(without_checkpoint)
    (without_checkpoint / "run.json").write_text(json.dumps(record))
    assert main(["train", "--resume", str(without_checkpoint)]) != 0
    error = capsys.readouterr().err
    assert "start.keras" in error
    assert f"--allow-dir {without_checkpoint.parent}" in error


@pytest.mark.thorough
def test_networks_of_a_gan(tmp_path: Path):
    """Each network starts from the file of its name, or from the file of its own setting."""
    gan = STEPWISE["gan"]
    arguments = ("--epochs", "1", "--batch-size", "128", "--distribute", "none")
    trained(tmp_path, gan, "first", *arguments)
    frozen = gan.replace("learning_rate: 1e-3", "learning_rate: 0.0").replace(
        "learning_rate: 2e-3", "learning_rate: 0.0"
    )
    both = trained(tmp_path, with_weights("first", frozen), "both", *arguments)
    text = with_weights("{file: first/generator.keras, of: generator}", frozen)
    generator_only = trained(tmp_path, text, "generator", *arguments)
    for run, name, is_equal in (
        (both, "generator", True),
        (both, "discriminator", True),
        (generator_only, "generator", True),
        (generator_only, "discriminator", False),
    ):
        expected = saved_weights(tmp_path / "first", name)["dense0/kernel"]
        assert np.array_equal(saved_weights(run, name)["dense0/kernel"], expected) == is_equal


@pytest.mark.thorough
def test_momentum_encoder_starts_from_the_file(tmp_path: Path):
    """Both encoders of MoCo start from the file."""
    arguments = ("--epochs", "1", "--batch-size", "128", "--distribute", "none")
    first = trained(tmp_path, MOCO, "first", *arguments)
    text = MOCO.replace("{momentum: 0.9,", "{momentum: 0.999999,")
    text = with_weights("first/net.keras", text)
    run = trained(tmp_path, text, "run", *arguments)
    start = keras.saving.load_model(first / "net.keras").trainable_variables[0]
    arrays = weights(run)
    # The key encoder hardly moves with this momentum.
    assert any(
        each.shape == start.shape and np.allclose(each, start, atol=1e-4)
        for name, each in arrays.items()
        if name.startswith("network")
    )


def test_ridge_on_trained_features(tmp_path: Path):
    """Ridge regression keeps the weights of the file in all layers but the last."""
    write_examples(tmp_path)
    save(network(classes=None), tmp_path / "start.keras")
    text = NET.replace(", activation: softmax", "").partition("training:")[0] + (
        "training:\n  objective: ridge\n  validation_split: 0\n"
        "  weights: {file: start.keras, of: backbone}\n"
    )
    run = trained(tmp_path, text, "run")
    assert_starts_from(run, network(classes=None), BACKBONE)


def test_file_differs_between_workers(tmp_path: Path):
    """Workers that would start from different weights are an error on all of them."""
    file = save(network(), tmp_path / "start.keras")

    class OtherWorkers(WorkerGroup):
        """Two workers, of which the second has another file."""

        def all_gather(self, content: bytes) -> tuple[bytes, ...]:
            return content, bytes(len(content))

    workers = OtherWorkers(SINGLE_WORKER.strategy)
    config = InitialWeightsConfig(DataPath(str(file)))
    lines: list[str] = []
    with pytest.raises(RunError, match="the weights differ between the workers"):
        InitialWeights((config,), (), None, workers, lines.append).load(network(), "net", "")
    assert not lines


@pytest.mark.thorough
def test_workers(tmp_path: Path):
    """Two processes both start from the file, and come to the weights of one."""
    write_examples(tmp_path)
    save(network(), tmp_path / "start.keras")
    text = with_weights("start.keras", NET.replace("SGD: 0.0", "SGD: 0.1"))
    text = text.replace("BatchNormalization", "Activation: tanh")
    text = text.replace("weights: start.keras", "weights: {file: start.keras, of: head}")
    alone = trained(tmp_path, text, "alone")
    path = tmp_path / "alone.yaml"
    path.write_text(text.replace("distribute: none", "distribute: auto"))
    in_workers(2, [["train", str(path), "--run-dir", str(tmp_path / "two")]])
    expected = saved_weights(alone)
    for name, array in saved_weights(tmp_path / "two").items():
        np.testing.assert_allclose(array, expected[name], atol=1e-5)
