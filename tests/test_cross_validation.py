"""Cross-validation: a run for each fold of the data, and the mean of their metrics."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import archbuilder
from archbuilder.api import cross_validation
from archbuilder.cli import main
from archbuilder.diagnostics.errors import RunInterruptedError, UsageError

NET = """
archbuilder: 1
name: net
inputs: {x: [2]}
layers: [{Dense: 1}]
data: {npz: d.npz}
training:
  objective: {ridge: {alpha: 0.5}}
  validation_split: {fraction: 0.2, by: group}
  test_split: {last: 0.2}
"""
GROUPS = np.array([4, 4, 1, 1, 2, 2, 3, 3, 5, 5, 5, 5, 6, 6, 6])


@pytest.fixture
def arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, np.ndarray]:
    """Examples of six groups, in the file of a blueprint. The last three are the test set."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(2)
    x, y = random.normal(size=(15, 2)).astype(np.float32), random.normal(size=15)
    np.savez("d.npz", x=x, y=y, group=GROUPS)
    Path("net.yaml").write_text(NET)
    return x, y


def metrics_of(run: str) -> dict[str, float]:
    record = json.loads(Path(run, "run.json").read_text())
    return record["validation_metrics"]


def test_folds(arrays: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]):
    """Each group is in one fold, and the metrics are those of the models on their folds."""
    x, y = arrays
    assert main(["train", "net.yaml", "--folds", "3", "--run-dir", "cv"]) == 0
    log = capsys.readouterr().out
    assert "Fold 3 of 3\n" in log
    assert main(["evaluate", "cv"]) == 2
    assert (
        "'cv' has the runs of a cross-validation: pass the directory of one of them, such as"
        in (capsys.readouterr().err)
    )
    assert log.count("3 test examples (fold ") == 3
    record = json.loads(Path("cv/cross_validation.json").read_text())
    losses = []
    groups = list(range(1, 6))
    for fold in range(1, 4):
        assert main(["predict", f"cv/fold-{fold}"]) == 0
        lines = capsys.readouterr().out.splitlines()[1:]
        rows = [int(line.split(",")[0]) for line in lines]
        for group in {*GROUPS[rows].tolist()}:
            groups.remove(group)
            assert np.isin(np.flatnonzero(group == GROUPS), rows).all()
        model = keras.saving.load_model(f"cv/fold-{fold}/net.keras")
        losses.append(np.mean((np.asarray(model(x[rows]))[:, 0] - y[rows]) ** 2))
        assert metrics_of(f"cv/fold-{fold}")["loss"] == pytest.approx(losses[-1], rel=1e-5)
        assert record["folds"][fold - 1]["val_loss"] == pytest.approx(losses[-1], rel=1e-5)
    assert groups == []
    assert record["mean"]["val_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert record["std"]["val_loss"] == pytest.approx(np.std(losses), rel=1e-4)
    assert {*record["mean"]} == {"val_loss", "test_loss"}
    assert f"3 folds - val_loss: {np.mean(losses):.4f} ± {np.std(losses):.4f} - test_" in log


@pytest.mark.thorough
@pytest.mark.usefixtures("arrays")
def test_interrupted_cross_validation(monkeypatch: pytest.MonkeyPatch):
    """It goes on with the fold that was interrupted, and comes to the same result."""
    expected = archbuilder.cross_validate("net.yaml", folds=3, run_dir="expected")
    train = cross_validation.run_training
    dirs = []

    def interrupted(inputs, options, *, new_dir=None, resume_dir=None, devices):
        dirs.append((new_dir or resume_dir).name)
        result = train(inputs, options, new_dir=new_dir, resume_dir=resume_dir, devices=devices)
        if dirs == ["fold-1", "fold-2"]:
            record = json.loads((result.run_dir / "run.json").read_text())
            (result.run_dir / "run.json").write_text(json.dumps({**record, "status": "stopped"}))
            raise RunInterruptedError("stopped")
        return result

    monkeypatch.setattr(cross_validation, "run_training", interrupted)
    command = ["train", "net.yaml", "--folds", "3", "--run-dir", "cv"]
    assert main(command) == 75
    assert not Path("cv/cross_validation.json").exists()
    shutil.copytree("cv", "copy")
    assert main(["train", "--resume", "cv"]) == 0
    assert dirs == ["fold-1", "fold-2", "fold-2", "fold-3"]
    assert json.loads(Path("cv/cross_validation.json").read_text())["folds"] == [*expected.folds]
    # A scheduler repeats the command.
    assert main([*command[:-1], "copy", "--auto-resume"]) == 0
    assert dirs[4:] == ["fold-2", "fold-3"]
    assert json.loads(Path("copy/cross_validation.json").read_text())["folds"] == [*expected.folds]
    # All is finished: nothing is trained again.
    assert archbuilder.resume_cross_validation("copy") == expected.__class__(
        Path("copy"), expected.folds
    )
    assert len(dirs) == 6


@pytest.mark.parametrize(
    ("split", "arguments", "message"),
    [
        ("{last: 0.2}", [], "they keep 'by' and 'stratify', but not 'last' and 'column'; remove"),
        ("0.2", ["--folds", "1"], "--folds"),
        ("0.2", ["--folds", "13"], "has 12 examples, fewer than the 13 folds"),
        ("{fraction: 0.2, by: group}", ["--folds", "6"], "has 5 groups by 'group', fewer than "),
    ],
)
@pytest.mark.usefixtures("arrays")
def test_impossible_folds(
    split: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    """Folds need examples or groups, and are chosen at random or in order."""
    Path("net.yaml").write_text(NET.replace("{fraction: 0.2, by: group}", split))
    assert main(["train", "net.yaml", *(arguments or ["--folds", "3"])]) != 0
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("arrays")
def test_folds_of_other_runs(capsys: pytest.CaptureFixture[str]):
    """A separate validation set leaves nothing to fold, and a resumed run keeps its folds."""
    text = NET.replace("  validation_split: {fraction: 0.2, by: group}\n", "")
    text = text.replace("{npz: d.npz}", "{train: {npz: d.npz}, validation: {npz: d.npz}}")
    Path("net.yaml").write_text(text)
    assert main(["train", "net.yaml", "--folds", "3"]) == 2
    assert "folds are parts of the training data, and 'data' has a 'validation'" in (
        capsys.readouterr().err
    )
    assert main(["train", "--resume", "run", "--folds", "3"]) == 2
    assert "--folds cannot be used with --resume" in capsys.readouterr().err
    assert main(["train", "net.yaml", "--folds", "1"]) == 2
    assert "invalid value for --folds: must be from 2 to 1,000, not 1" in capsys.readouterr().err
    with pytest.raises(UsageError, match="'folds' must be an integer from 2 to 1,000, not 1"):
        archbuilder.cross_validate("net.yaml", folds=1)
