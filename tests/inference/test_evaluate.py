"""`archbuilder evaluate`: the numbers of training, for every objective and on any devices."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import one_device
from helpers.objectives import BLUEPRINTS, write_data
from helpers.subprocesses import in_replicas, in_workers

from archbuilder.cli import main


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of every objective."""
    for objective in BLUEPRINTS:
        one_device.trained_alone(tmp_path_factory, objective)
    return one_device.blueprints(tmp_path_factory)


def validation_metrics(run: Path) -> dict[str, float]:
    metrics: dict[str, float] = json.loads((run / "run.json").read_text())["validation_metrics"]
    return metrics


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, float]:
    capsys.readouterr()
    assert main(["evaluate", *map(str, arguments), "--format", "json"]) == 0
    metrics: dict[str, float] = json.loads(capsys.readouterr().out)
    return metrics


@pytest.mark.parametrize("objective", BLUEPRINTS)
def test_evaluate_reproduces_training_metrics(
    runs: Path, capsys: pytest.CaptureFixture[str], objective: str
):
    """They are those that the run reported in the end."""
    run = runs / objective
    metrics, expected = evaluated(capsys, run), validation_metrics(run)
    assert expected
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert metrics.keys() == expected.keys()
    assert ("perplexity" in metrics) == (objective == "causal")
    if objective == "causal":
        assert metrics["perplexity"] == pytest.approx(math.exp(metrics["loss"]))


@pytest.mark.thorough
@pytest.mark.parametrize("carry_out", [in_workers, in_replicas])
def test_evaluate_with_replicas_and_workers(
    runs: Path, carry_out: Callable[[int, list[list[str]]], str]
):
    """Two replicas, and two processes, share uneven last batches, and find the same numbers."""
    strategy = "mirrored" if carry_out is in_replicas else "multi_worker"
    commands = [
        ["evaluate", str(runs / objective), "--format", "json", "--distribute", strategy]
        for objective in BLUEPRINTS
    ]
    lines = carry_out(2, commands).splitlines()
    for objective, line in zip(BLUEPRINTS, lines, strict=True):
        metrics, expected = json.loads(line), validation_metrics(runs / objective)
        assert expected
        for name in expected:
            assert metrics[name] == pytest.approx(expected[name], rel=1e-5), (objective, name)


@pytest.mark.thorough
def test_evaluate_workers_option(runs: Path):
    """`--workers` does, and one of them alone speaks."""
    command = ["evaluate", str(runs / "supervised"), "--format", "json", "--workers", "2"]
    arguments = [sys.executable, "-m", "archbuilder", *command]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == pytest.approx(
        validation_metrics(runs / "supervised"), rel=1e-5
    )


def test_evaluate_other_data(runs: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """All of a file are judged, as plain Keras judges them."""
    chosen = np.random.default_rng(0)
    x = chosen.random((53, 8, 8), np.float32)
    y = chosen.integers(0, 10, 53)
    np.savez(tmp_path / "other.npz", x=x, y=y)
    model = keras.saving.load_model(runs / "supervised" / "net.keras")
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    metrics = evaluated(capsys, runs / "supervised", "--data", tmp_path / "other.npz")
    assert metrics == pytest.approx(expected, rel=1e-4)


def test_evaluate_other_text(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """It is read with the vocabulary of the run, whose own text may have gone; nothing is kept."""
    write_data(tmp_path)
    (tmp_path / "causal.yaml").write_text(BLUEPRINTS["causal"])
    run = tmp_path / "run"
    assert main(one_device.command(tmp_path, "causal", run)) == 0
    text = (tmp_path / "text.txt").read_text()
    (tmp_path / "other.txt").write_text(text[: len(text) // 3] + "XYZ")
    names = sorted(each.name for each in (run / "text").iterdir())
    (tmp_path / "text.txt").unlink()
    metrics = evaluated(capsys, run, "--data", tmp_path / "other.txt")
    assert main(["evaluate", str(run), "--data", str(tmp_path / "other.txt")]) == 0
    assert metrics["loss"] == pytest.approx(validation_metrics(run)["loss"], rel=0.2)
    assert "3 of 1," in (output := "".join(capsys.readouterr()))
    assert "tokens are not in the vocabulary" in output
    assert sorted(each.name for each in (run / "text").iterdir()) == names


def test_evaluate_model_file(runs: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Its numbers go into the network of the blueprint, and nothing else of the file is used."""
    model = tmp_path / "stranger.keras"
    model.write_bytes((runs / "supervised" / "net.keras").read_bytes())
    assert main(["evaluate", str(model)]) == 2
    assert "pass --blueprint" in capsys.readouterr().err
    metrics = evaluated(capsys, model, "--blueprint", runs / "supervised.yaml")
    assert metrics == pytest.approx(validation_metrics(runs / "supervised"), rel=1e-5)
    assert evaluated(capsys, runs / "supervised" / "net.keras") == pytest.approx(metrics, rel=1e-5)


def test_text_format(runs: Path, capsys: pytest.CaptureFixture[str]):
    """Without --format json there is a line a number."""
    capsys.readouterr()
    assert main(["evaluate", str(runs / "ridge")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(validation_metrics(runs / "ridge"))


@pytest.mark.parametrize(
    ("objective", "file", "message"),
    [
        ("sequences", "text.txt", "trained on the source 'pairs', not on 'text'; give a .tsv"),
        ("causal", "pairs.tsv", "trained on the source 'text', not on 'pairs'; give a .txt"),
        ("masked", "other.npz", "trained on the source 'text', not on 'npz'; give a .txt"),
        ("sequences", "other.csv", "trained on the source 'pairs', not on 'csv'"),
        ("supervised", "text.txt", "trained on the source 'digits', not on 'text'\n"),
    ],
)
def test_incompatible_data_kinds(
    runs: Path, capsys: pytest.CaptureFixture[str], objective: str, file: str, message: str
):
    """Text, pairs of texts and everything else do not stand for each other."""
    capsys.readouterr()
    assert main(["evaluate", str(runs / objective), "--data", str(runs / file)]) == 2
    assert message in capsys.readouterr().err


def test_validation_data_of_another_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A recipe whose parts are of two kinds is refused before training."""
    pairs = "{pairs: {file: pairs.tsv, tokenizer: characters, sequence_length: 6}}"
    text = BLUEPRINTS["sequences"]
    assert pairs in text
    write_data(tmp_path)
    path = tmp_path / "mixed.yaml"
    path.write_text(text.replace(pairs, f"{{train: {pairs}, validation: {{text: text.txt}}}}"))
    capsys.readouterr()
    assert main(["train", str(path), "--run-dir", str(tmp_path / "mixed")]) == 2
    assert "and the data is 'text.txt'" in capsys.readouterr().err


@pytest.mark.parametrize("objective", ["supervised", "ridge", "simclr", "masked"])
def test_output_names_the_evaluated_data(
    runs: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, objective: str
):
    """Of other examples their number and, of text, their file; and nothing of the run's own."""
    data = tmp_path / ("other.txt" if objective == "masked" else "other.npz")
    if objective == "masked":
        data.write_text((runs / "text.txt").read_text()[:1000])
    else:
        chosen = np.random.default_rng(0)
        shape = (53, 8, 8, 1) if objective == "simclr" else (53, 8, 8)
        np.savez(data, x=chosen.random(shape, np.float32), y=chosen.integers(0, 10, 53))
    capsys.readouterr()
    assert main(["evaluate", str(runs / objective), "--data", str(data)]) == 0
    output = "".join(capsys.readouterr())
    assert " evaluation examples" in output
    assert " training / " not in output
    if objective == "masked":
        assert "other.txt': " in output
        assert "'text.txt'" not in output
    else:
        assert "53 evaluation examples" in output


def test_mismatched_weights(runs: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """They are refused without a hint at an option that the command does not have."""
    blueprint = tmp_path / "other.yaml"
    blueprint.write_text(BLUEPRINTS["supervised"].replace("filters: 8", "filters: 4"))
    model = str(runs / "supervised" / "net.keras")
    for command in ("evaluate", "predict"):
        capsys.readouterr()
        assert main([command, model, "--blueprint", str(blueprint)]) == 1
        message = capsys.readouterr().err
        assert "do not fit" in message
        assert "partial" not in message


def test_missing_data(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """The place of the error is the record, and not one beside the data; none of it is shown."""
    np.savez(tmp_path / "gone.npz", x=np.ones((9, 8, 8), np.float32), y=np.arange(9))
    blueprint = tmp_path / "net.yaml"
    blueprint.write_text(BLUEPRINTS["supervised"].replace("digits", "{npz: gone.npz}"))
    run = tmp_path / "runs" / "first"
    run.parent.mkdir()
    assert main(["train", str(blueprint), "--epochs", "1", "--run-dir", str(run)]) == 0
    (tmp_path / "gone.npz").unlink()
    for command in (["evaluate", str(run)], ["train", "--resume", str(run), "--epochs", "2"]):
        capsys.readouterr()
        assert main(command) == 2
        message = capsys.readouterr().err
        assert "cannot read 'gone.npz': there is no such file" in message
        assert f"--> {run / 'run.json'}:1:1" in message
        assert "|" not in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "there is no such file or directory"),
        (["nowhere.keras"], "there is no such file or directory"),
        (["{runs}/ridge", "--blueprint", "{runs}/ridge.yaml"], "a run has its own blueprint"),
        (["{runs}/ridge", "--set", "x=1"], "a run has its own parameters"),
        (["{runs}/moco/net.keras"], "needs more than the network"),
        (
            ["{runs}/ridge/net.keras", "--blueprint", "{runs}/gan.yaml"],
            "must have the name of",
        ),
    ],
)
def test_invalid_options(
    runs: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
):
    """Every mistake is one sentence."""
    capsys.readouterr()
    assert main(["evaluate", *(each.format(runs=runs) for each in arguments)]) == 2
    assert message in capsys.readouterr().err
