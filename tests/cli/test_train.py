"""`archbuilder train`: what the command line makes of a recipe. Training has its own tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Run

PERCEPTRON = """\
archbuilder: 1
name: perceptron
params: {classes: 10}
inputs: {pixels: [64]}
layers:
  - Dense: {units: $classes, activation: softmax}
"""

RECIPE = """\
data: digits
training: {loss: SparseCategoricalCrossentropy, epochs: 5, batch_size: 256, seed: 3}
"""


@pytest.fixture
def perceptron(tmp_path: Path) -> Path:
    """A blueprint that says nothing of training."""
    path = tmp_path / "perceptron.yaml"
    path.write_text(PERCEPTRON)
    return path


def test_options_override_the_recipe(run: Run, perceptron: Path, tmp_path: Path) -> None:
    """The command line goes before the recipe, and the run keeps a record of both."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    folder = tmp_path / "run"
    arguments = ("train", perceptron, "--recipe", recipe, "--epochs", "1", "--run-dir", folder)
    result = run(*arguments)
    assert (result.code, result.err) == (0, "")
    record = json.loads((folder / "run.json").read_text())
    assert record["command"] == ["archbuilder", *map(str, arguments)]
    training = record["recipe"]["training"]
    assert (training["epochs"], training["batch_size"], training["seed"]) == (1, 256, 3)
    assert (folder / "perceptron.keras").is_file()
    assert f"Saved {folder}/perceptron.keras" in result.out


def test_auto_resume_needs_the_same_blueprint_and_recipe(
    run: Run, perceptron: Path, tmp_path: Path
) -> None:
    """As with --resume, only the epochs and the devices may change."""
    folder = tmp_path / "run"
    perceptron.write_text(PERCEPTRON + RECIPE)
    auto_resume = ("--run-dir", folder, "--auto-resume")
    assert run("train", perceptron, "--epochs", "1", *auto_resume).code == 0
    repeated = run("train", perceptron, "--epochs", "1", *auto_resume)
    assert (repeated.code, repeated.err) == (0, "")
    assert "Epoch 2/2" in run("train", perceptron, "--epochs", "2", *auto_resume).out

    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.replace("seed: 3", "seed: 4"))
    second = tmp_path / "second.yaml"
    second.write_text((PERCEPTRON + RECIPE).replace("name: perceptron", "name: second"))
    for arguments, difference in [
        ((perceptron, "--seed", "9"), "another recipe"),
        ((perceptron, "--recipe", recipe), "another recipe"),
        ((perceptron, "--set", "classes=11"), "another version of the blueprint"),
        ((second,), "another blueprint (perceptron, not second)"),
    ]:
        result = run("train", *arguments, *auto_resume)
        assert (result.code, result.out) == (2, "")
        assert f"is a run of {difference}" in result.err
    perceptron.write_text((PERCEPTRON + RECIPE).replace("softmax", "sigmoid"))
    assert "has changed since the run started" in run("train", perceptron, *auto_resume).err


def test_default_run_directories_are_numbered(
    run: Run, perceptron: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --run-dir, each has a folder of its own below `runs`."""
    monkeypatch.chdir(tmp_path)
    perceptron.write_text(PERCEPTRON + RECIPE)
    for _ in range(2):
        assert run("train", perceptron, "--epochs", "1", "--data", "digits").code == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == ["perceptron-1", "perceptron-2"]


@pytest.mark.parametrize(
    ("recipe", "arguments", "text"),
    [
        ("", (), "no section 'data'"),
        ("", ("--data", "digits"), "no section 'training'"),
        ("data: digits\n", (), "no section 'training'"),
        (RECIPE, ("--data", "nowhere"), "'nowhere'"),
        (RECIPE, ("--epochs", "0"), "--epochs"),
        (RECIPE, ("--distribute", "everywhere"), "none, mirrored, multi_worker"),
        (RECIPE, ("--recipe", "missing.yaml"), "error[file-error]"),
        (RECIPE.replace("loss", "los"), (), "did you mean 'loss'?"),
        (RECIPE, ("--set", "clases=3"), "did you mean 'classes'?"),
    ],
)
def test_invalid_training_leaves_no_directory(
    run: Run, perceptron: Path, tmp_path: Path, recipe: str, arguments: tuple[str, ...], text: str
) -> None:
    """Before TensorFlow starts, and with no folder left behind."""
    perceptron.write_text(PERCEPTRON + recipe)
    folder = tmp_path / "run"
    result = run("train", perceptron, "--run-dir", folder, *arguments)
    assert (result.code, result.out) == (2, "")
    assert text in result.err
    assert not folder.exists()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("- data", "invalid-structure"),
        ("dta: digits", "unknown-key"),
        ("data: dgits", "unknown-source"),
        ("training: {}", "missing-key"),
        ("data: [", "yaml-syntax"),
        ("archbuilder: 2", "unsupported-version"),
    ],
)
def test_recipe_errors_have_code_and_location(
    run: Run, perceptron: Path, tmp_path: Path, text: str, code: str
) -> None:
    """They have a code and a place, as those in a blueprint."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(text)
    result = run("train", perceptron, "--recipe", recipe)
    assert result.code == 2
    assert f"error[{code}]" in result.err
    assert f"--> {recipe}:1:" in result.err


@pytest.mark.parametrize("distribute", ["none", "mirrored", "tpu"])
def test_workers_exclude_other_devices(run: Run, perceptron: Path, distribute: str) -> None:
    """Other devices than those of a cluster cannot be asked for beside them."""
    result = run("train", perceptron, "--workers", "2", "--distribute", distribute)
    assert result.code == 2
    assert f"--distribute {distribute}, which has no" in result.err
