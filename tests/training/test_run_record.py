"""What the folder of a run tells of how it was begun, gone on with, and failed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from training.objectives import GAN, SUPERVISED
from training.test_pace import LINE, trained, with_key

from archbuilder.cli import main


def record(run: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((run / "run.json").read_text())
    return found


def test_a_run_that_goes_on_keeps_its_beginning(tmp_path: Path):
    """The first command and time stay; later ones are added."""
    run = trained(tmp_path, SUPERVISED, "run", "--epochs", "1")
    first = record(run)
    for epochs in ("2", "3"):
        assert main(["train", "--resume", str(run), "--epochs", epochs]) == 0
    last = record(run)
    assert (last["started"], last["command"]) == (first["started"], first["command"])
    resumed = last["resumed"]
    assert isinstance(resumed, list)
    assert [each["command"][-1] for each in resumed] == ["2", "3"]
    assert first["resumed"] == []


@pytest.mark.parametrize("existing", [False, True])
def test_a_run_that_does_not_begin_leaves_nothing(tmp_path: Path, existing: bool):
    """A wrong path of the data, found when the folder is there already."""
    path, run = tmp_path / "net.yaml", tmp_path / "runs" / "one"
    path.write_text(LINE)
    if existing:
        run.mkdir(parents=True)
    assert main(["train", str(path), "--run", str(run)]) in (1, 2)
    assert not run.exists()


def test_the_batch_of_a_bad_step_is_kept(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """It holds the number that was too large, and its target."""
    lines = "".join(f"{number},0.5\n" for number in (*range(1, 9), "3e30"))
    (tmp_path / "line.csv").write_text(f"number,target\n{lines}")
    path, run = tmp_path / "net.yaml", tmp_path / "run"
    path.write_text(with_key(LINE, "steps_per_execution: 2").replace("SGD: 0.1", "SGD: 1e-3"))
    assert main(["train", str(path), "--run", str(run)]) == 1
    assert "kept as bad-batch.npz" in capfd.readouterr().err
    with np.load(run / "bad-batch.npz") as arrays:
        assert set(arrays) == {"inputs", "targets"}
        assert np.float32(3e30) in arrays["inputs"]
        assert len(arrays["inputs"]) == len(arrays["targets"])


def test_batches_of_several_parts_are_kept_by_name(tmp_path: Path):
    """Those of an adversarial run are `real`, `noise` and `mix`."""
    path, run = tmp_path / "net.yaml", tmp_path / "run"
    path.write_text(GAN.replace("1e-3", "1e38").replace("2e-3", "1e38"))
    assert main(["train", str(path), "--run", str(run)]) == 1
    with np.load(run / "bad-batch.npz") as arrays:
        assert set(arrays) == {"real", "noise", "mix"}
