"""`save_best`: the weights of the best epoch, next to those of the last."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.objectives import STEPWISE, SUPERVISED, write_data
from helpers.subprocesses import in_replicas, in_workers
from numpy.typing import NDArray
from trainer.callbacks.test_recipe_callbacks import (
    MONITORS,
    NEVER_IMPROVES,
    OVERFITTING,
    SPAN,
    write_noise,
)
from trainer.test_execution import assert_same, rows, trained, with_key

import archbuilder
from archbuilder.cli import main
from archbuilder.config.save_best import SaveBest
from archbuilder.diagnostics.errors import UsageError
from archbuilder.distribution.collectives import SINGLE_WORKER
from archbuilder.trainer.callbacks.recipe_callbacks import RecipeCallbacks

SAVE_BEST = "save_best: val_loss"


def model_weights(path: Path) -> list[NDArray[np.float32]]:
    """Return the weights of a model file."""
    weights: list[NDArray[np.float32]] = keras.saving.load_model(path).get_weights()
    return weights


def assert_equal(weights: list[NDArray[np.float32]], others: list[NDArray[np.float32]]) -> None:
    """Compare weights bit by bit."""
    for value, expected in zip(weights, others, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_same_as_keras(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """The two files are those of Keras's `ModelCheckpoint`, with and without `save_best_only`."""
    data = write_noise(tmp_path)
    run = trained(tmp_path, with_key(OVERFITTING, SAVE_BEST), "run", "--epochs", "6")
    layers = [
        keras.layers.Dense(
            units, activation, kernel_initializer=keras.initializers.GlorotUniform(k)
        )
        for k, (units, activation) in enumerate(((32, "tanh"), (3, "softmax")), start=1)
    ]
    model = keras.Sequential([keras.Input([4]), *layers])
    model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy")
    best_file = tmp_path / "best.keras"
    history = model.fit(
        *data["train"],
        batch_size=16,
        epochs=6,
        shuffle=False,
        validation_data=data["validation"],
        callbacks=[keras.callbacks.ModelCheckpoint(best_file, save_best_only=True)],
        verbose=0,
    ).history
    best = int(np.argmin(history["val_loss"])) + 1
    assert best < 6
    for path, expected in (
        (run / "net.best.keras", model_weights(best_file)),
        (run / "net.keras", model.get_weights()),
    ):
        for value, expected_value in zip(model_weights(path), expected, strict=True):
            np.testing.assert_allclose(value, expected_value, rtol=1e-3, atol=1e-4)
    value = rows(run)[best - 1]["val_loss"]
    record = json.loads((run / "run.json").read_text())
    assert record["best_epoch"] == {"monitor": "val_loss", "value": value, "epoch": best}
    assert "early_stop" not in record
    assert record["validation_metrics"]["loss"] == rows(run)[-1]["val_loss"]
    output = capfd.readouterr().out
    assert f"Best val_loss: {value:.6g}, in epoch {best}\n" in output
    assert f"Saved {run / 'net.best.keras'}\n" in output


def test_python(tmp_path: Path):
    """`train` returns the best epoch and its files, and `evaluate` and `predict` take either."""
    write_noise(tmp_path)
    path = tmp_path / "net.yaml"
    key = "save_best: {monitor: val_sparse_categorical_accuracy, mode: min}"
    path.write_text(with_key(OVERFITTING, key))
    result = archbuilder.train(path, run_dir=tmp_path / "run", epochs=5)
    metric = "val_sparse_categorical_accuracy"
    worst = int(np.argmin([row[metric] for row in result.history]))
    assert result.best_epoch is not None
    assert (result.best_epoch.monitor, result.best_epoch.epoch) == (metric, worst + 1)
    assert result.best_epoch.value == result.history[worst][metric]
    assert result.best_files == {"net": tmp_path / "run" / "net.best.keras"}
    assert_equal(result.models["net"].get_weights(), model_weights(result.files["net"]))
    for weights, epoch in (("last", 4), ("best", worst)):
        metrics = archbuilder.evaluate(result.run_dir, weights=weights)
        assert metrics["loss"] == result.history[epoch]["val_loss"]
    file_metrics = archbuilder.evaluate(result.best_files["net"])
    assert file_metrics == archbuilder.evaluate(result.run_dir, weights="best")
    predictions = [
        [each.outputs["output"] for each in archbuilder.predict(result.run_dir, weights=weights)]
        for weights in ("last", "best")
    ]
    model = keras.saving.load_model(result.best_files["net"])
    expected = model.predict(np.load(tmp_path / "validation.npz")["x"], verbose=0)
    np.testing.assert_allclose(predictions[1], expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(predictions[0], predictions[1])


def test_with_early_stopping(tmp_path: Path):
    """A run may restore the best weights by one metric, and save those by another."""
    write_noise(tmp_path)
    stopping = f"callbacks: [{{EarlyStopping: {{{NEVER_IMPROVES}}}}}]"
    text = with_key(with_key(OVERFITTING, stopping), "save_best: loss")
    run = trained(tmp_path, text, "run")
    history = rows(run)
    assert len(history) == 2
    assert history[1]["loss"] < history[0]["loss"]
    record = json.loads((run / "run.json").read_text())
    assert record["early_stop"]["restored_epoch"] == 1
    assert record["best_epoch"]["epoch"] == 2
    for weights, epoch in (("last", 0), ("best", 1)):
        metrics = archbuilder.evaluate(run, weights=weights)
        assert metrics["loss"] == history[epoch]["val_loss"]


def test_resume(tmp_path: Path):
    """A resumed run keeps the best epoch of its checkpoint, bit by bit."""
    write_noise(tmp_path)
    text = with_key(OVERFITTING, f"{SAVE_BEST}\n  checkpoint_every_seconds: 0")
    uninterrupted = trained(tmp_path, text, "uninterrupted", "--epochs", "6")
    best = json.loads((uninterrupted / "run.json").read_text())["best_epoch"]
    run = trained(tmp_path, text, "run", "--epochs", str(best["epoch"]))
    assert main(["train", "--resume", str(run), "--epochs", "6"]) == 0
    assert best["epoch"] < 6
    assert_same(run, uninterrupted)
    assert json.loads((run / "run.json").read_text())["best_epoch"] == best
    for name in ("net.keras", "net.best.keras"):
        assert_equal(model_weights(run / name), model_weights(uninterrupted / name))


@pytest.mark.parametrize(
    "objective",
    [
        "gan",
        *(pytest.param(each, marks=pytest.mark.thorough) for each in STEPWISE if each != "gan"),
    ],
)
def test_every_objective(tmp_path: Path, objective: str):
    """The metrics of the best weights are those of their epoch, with averages too."""
    write_data(tmp_path)
    # The largest loss is mostly that of the first epoch.
    key = f"save_best: {{monitor: {MONITORS.get(objective, 'val_loss')}, mode: max}}"
    text = with_key(STEPWISE[objective], key).replace("Adam: {", "Adam: {use_ema: true, ")
    run = trained(tmp_path, text, "run", "--epochs", "3")
    history = rows(run)
    best = json.loads((run / "run.json").read_text())["best_epoch"]["epoch"]
    for weights, epoch in (("best", best), ("last", 3)):
        metrics = archbuilder.evaluate(run, weights=weights)
        for name, value in metrics.items():
            if f"val_{name}" in history[0]:
                assert value == pytest.approx(history[epoch - 1][f"val_{name}"], rel=1e-5), name


@pytest.mark.thorough
def test_generate_and_sample(tmp_path: Path):
    """Both commands use the weights that they are told to."""
    write_data(tmp_path)
    key = "save_best: {monitor: val_loss, mode: max}"
    run = trained(tmp_path, with_key(STEPWISE["causal"], key), "text", "--epochs", "2")
    texts = [archbuilder.generate(run, "the", weights=each, seed=1) for each in ("last", "best")]
    (run / "net.keras").write_bytes((run / "net.best.keras").read_bytes())
    assert archbuilder.generate(run, "the", seed=1) == texts[1] != texts[0]
    key = "save_best: {monitor: discriminator_loss, mode: max}"
    run = trained(tmp_path, with_key(STEPWISE["gan"], key), "images", "--epochs", "2")
    assert {each.name for each in run.glob("*.best.keras")} == {
        "generator.best.keras",
        "discriminator.best.keras",
    }
    image = tmp_path / "samples.npz"
    assert main(["sample", str(run), "--weights", "best", "-o", str(image)]) == 0
    (run / "generator.keras").write_bytes((run / "generator.best.keras").read_bytes())
    np.testing.assert_array_equal(np.load(image)["samples"], archbuilder.sample(run))


@pytest.mark.thorough
def test_replicas_and_workers(tmp_path: Path):
    """On several devices too, the best weights are saved, and evaluated by all of them."""
    path = tmp_path / "net.yaml"
    path.write_text(with_key(SUPERVISED, "save_best: {monitor: val_loss, mode: max}"))
    options = ["--epochs", "2", "--batch-size", "90"]
    for name, strategy, processes in (
        ("replicas", "mirrored", in_replicas),
        ("workers", "multi_worker", in_workers),
    ):
        run = tmp_path / name
        common = ["--distribute", strategy]
        output = processes(
            2,
            [
                ["train", path, "--run-dir", run, *common, *options],
                ["evaluate", run, "--weights", "best", "--format", "json", *common],
            ],
        )
        best = json.loads((run / "run.json").read_text())["best_epoch"]
        assert best["epoch"] == 1
        loss = json.loads(output[output.index("{") :])["loss"]
        assert loss == pytest.approx(best["value"], rel=1e-5)


@pytest.mark.parametrize(
    ("value", "location", "message"),
    [
        ("val_los", "14:14", "save_best monitors 'val_los', which the run does not log"),
        ("{monitor: val_los}", "14:24", "did you mean 'val_loss'?"),
        ("{mode: min}", "14:14", "'save_best' has no 'monitor'"),
        ("{monitor: val_loss, mode: down}", "14:40", "'mode' must be"),
        ("{monitor: val_loss, patience: 3}", "14:34", "unknown"),
        ("3", "14:14", "'monitor' must be"),
    ],
)
def test_invalid_settings(
    tmp_path: Path,
    value: str,
    location: str,
    message: str,
    capfd: pytest.CaptureFixture[str],
):
    """The run fails before its first step, with the location."""
    path, run = tmp_path / "net.yaml", tmp_path / "run"
    path.write_text(with_key(SUPERVISED, f"save_best: {value}"))
    assert main(["train", str(path), "--run-dir", str(run)]) == 2
    errors = capfd.readouterr().err
    assert f"net.yaml:{location}" in errors
    assert message in errors
    assert not run.exists()


def test_weights_that_a_run_does_not_have(tmp_path: Path):
    """The error says how to get the best weights."""
    write_noise(tmp_path)
    run = trained(tmp_path, OVERFITTING, "run", "--epochs", "1")
    with pytest.raises(UsageError, match=r"'net\.best\.keras': it has no best epoch; a run with"):
        archbuilder.evaluate(run, weights="best")
    with pytest.raises(UsageError, match="has one set of weights"):
        archbuilder.evaluate(run / "net.keras", weights="best")
    with pytest.raises(UsageError, match="'weights' must be"):
        archbuilder.evaluate(run, weights="worst")  # type: ignore[arg-type]
    (run / "net.keras").unlink()
    with pytest.raises(UsageError, match="the file was deleted; resume it with"):
        archbuilder.evaluate(run, weights="best")
    record = (run / "run.json").read_text()
    (run / "run.json").write_text(record.replace('"finished"', '"running"'))
    with pytest.raises(UsageError, match=f"training is not finished; .* --resume {run}$"):
        archbuilder.evaluate(run, weights="best")


def test_nan_is_never_the_best():
    """Epochs whose metric is NaN do not count."""
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    names = ["loss", "val_loss"]
    callbacks = RecipeCallbacks(
        (), model, names, SINGLE_WORKER, print, save_best=SaveBest(SPAN, "val_loss")
    )
    for epoch, loss in enumerate((np.nan, 0.5, np.nan, 0.75)):
        callbacks.on_epoch_end(epoch, {"loss": 1.0, "val_loss": loss})
        assert (callbacks.best_weights is None) == (epoch == 0)
    assert callbacks.best_weights is not None
    assert callbacks.best_weights.best_epoch.epoch == 2
    assert callbacks.finish() is None
