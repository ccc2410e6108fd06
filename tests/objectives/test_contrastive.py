"""Features from pairs of views of an image, without labels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.objectives import MOCO, SIMCLR
from safetensors.numpy import load_file

from archbuilder.cli import main
from archbuilder.config.objectives import MoCoConfig, SimCLRConfig
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.objectives.contrastive_model import MoCoModel, SimCLRModel
from archbuilder.yaml.nodes import from_plain

TREE = from_plain("SGD", Span(SourceText("test.yaml", ""), 1, 1, 1, 1))
CHANCE = ("--set", "drop=0.2", "--set", "norm=true")
TEXTS = {"simclr": SIMCLR, "moco": MOCO}


@pytest.fixture(scope="module", params=["moco", pytest.param("simclr", marks=pytest.mark.thorough)])
def first_epoch(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A run of one epoch, which lies beside its blueprint."""
    run = tmp_path_factory.mktemp("run") / request.param
    blueprint = run.with_suffix(".yaml")
    blueprint.write_text(TEXTS[request.param])
    assert main(["train", str(blueprint), *CHANCE, "--epochs", "1", "--run-dir", str(run)]) == 0
    return run


def network() -> keras.Model:
    keras.utils.set_random_seed(1)
    image = keras.Input((4, 4, 1))
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(image)))


def views(count: int) -> dict[str, np.ndarray]:
    numbers = np.random.default_rng(count)
    return {
        name: numbers.normal(size=(count, 4, 4, 1)).astype(np.float32)
        for name in ("first", "second")
    }


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_simclr_loss():
    """Equation 1 of the paper, pair by pair."""
    model = network()
    learner = SimCLRModel(model, keras.optimizers.SGD(), SimCLRConfig(TREE, temperature=0.5))
    batch = views(5)
    vectors = unit(np.concatenate([model(batch["first"]), model(batch["second"])]))
    alike = np.exp(vectors @ vectors.T / 0.5)
    losses = [
        -np.log(alike[i, (i + 5) % 10] / sum(alike[i, k] for k in range(10) if k != i))
        for i in range(10)
    ]
    assert float(learner.test_step(batch)["loss"]) == pytest.approx(np.mean(losses), rel=1e-5)


def test_moco_queue_and_key_encoder():
    """The newest keys stand first in the queue, and the encoder of keys follows."""
    model, keys = network(), network()
    spec = MoCoConfig(TREE, temperature=0.2, momentum=0.9, queue_size=8)
    learner = MoCoModel(model, keys, keras.optimizers.SGD(0.1), spec, seed=1)
    initial_keys, queue, batch = keys.get_weights(), learner.queue.numpy(), views(6)
    newest = unit(np.asarray(keys(batch["second"])))
    queries = unit(np.asarray(model(batch["first"])))
    right = np.exp(np.sum(queries * newest, axis=1) / 0.2)
    wrong = np.exp(queries @ queue.T / 0.2).sum(axis=1)
    loss = np.mean(-np.log(right / (right + wrong)))
    history = learner.fit(
        keras.tree.map_structure(np.asarray, batch), batch_size=6, shuffle=False, verbose=0
    )
    assert history.history["loss"][0] == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(learner.queue.numpy(), [*newest, *queue[:2]], rtol=1e-5, atol=1e-6)
    for key, initial_key, query in zip(
        keys.get_weights(), initial_keys, model.get_weights(), strict=True
    ):
        np.testing.assert_allclose(key, 0.9 * initial_key + 0.1 * query, rtol=1e-5, atol=1e-7)


def test_resume_contrastive(first_epoch: Path, tmp_path: Path):
    """It comes to the weights, the queue and the encoder of keys of a run in one."""
    uninterrupted, parts = tmp_path / "whole", tmp_path / "parts"
    blueprint = str(first_epoch.with_suffix(".yaml"))
    assert main(["train", blueprint, *CHANCE, "--run-dir", str(uninterrupted)]) == 0
    shutil.copytree(first_epoch, parts)
    assert main(["train", "--resume", str(parts), "--epochs", "2"]) == 0
    first, second = (
        load_file(max((run / "checkpoints").iterdir()) / "variables.safetensors")
        for run in (uninterrupted, parts)
    )
    assert first.keys() == second.keys()
    queues = [array for array in first.values() if array.shape == (256, 8)]
    assert len(queues) == (first_epoch.name == "moco")
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)


def test_linear_probe_and_saved_encoder(first_epoch: Path):
    """The encoder without its projection head, and how well a probe on it does."""
    held_out = json.loads((first_epoch / "run.json").read_text())["validation_metrics"]
    assert {"loss", "accuracy", "probe_accuracy", "untrained_probe_accuracy"} <= set(held_out)
    assert 0.5 < held_out["probe_accuracy"] <= 1
    encoder = keras.saving.load_model(first_epoch / "net_encoder.keras")
    assert encoder(np.zeros((2, 8, 8, 1), np.float32)).shape == (2, 16)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("- RandomRotation: 0.05", "- Dense: 3", "'augment' does not support the layer 'Dense'"),
        ("  augment:\n", "  augmentt:\n", "needs 'augment' under 'training'"),
        ("queue_size: 256", "queue_size: 16", "must hold at least a batch"),
        ("momentum: 0.9, queue_size", "momentum: 1, queue_size", "momentum"),
        ("image: [8, 8, 1]", "image: [64]", "of images"),
        ("{features: features,", "{features: features, more: features,", "with two outputs"),
    ],
)
def test_invalid_recipes(
    tmp_path: Path, old: str, new: str, message: str, capsys: pytest.CaptureFixture[str]
):
    """Each is told, and where it is."""
    assert old in MOCO
    path = tmp_path / "net.yaml"
    path.write_text(MOCO.replace(old, new))
    assert main(["train", str(path), "--run-dir", str(tmp_path / "run")]) != 0
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_views_are_not_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Each image is compared with itself, and has no label that could be mixed."""
    path = tmp_path / "net.yaml"
    path.write_text(
        "archbuilder: 1\nname: net\ninputs: {image: [8, 8, 1]}\nlayers: [Flatten, {Dense: 4}]\n"
        "data: digits\ntraining: {objective: simclr, augment: [MixUp], epochs: 1}\n"
    )
    assert main(["train", str(path), "--run-dir", str(tmp_path / "run")]) == 2
    assert "MixUp mixes the examples of a batch, and each image is" in capsys.readouterr().err
