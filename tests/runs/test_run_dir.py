from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from archbuilder.diagnostics.errors import RunError, UsageError
from archbuilder.runs.run_dir import RunDir


def test_run_directories_are_numbered(tmp_path: Path):
    """Every run gets the next free folder."""
    names = [RunDir.create_numbered(tmp_path / "runs", "lenet").path.name for _ in range(3)]
    assert names == ["lenet-1", "lenet-2", "lenet-3"]


def test_run_names_are_sanitized(tmp_path: Path):
    """A name cannot lead out of the folder of runs."""
    assert RunDir.create_numbered(tmp_path, "../../x").path == tmp_path / "_x-1"


def test_run_directory_must_be_empty(tmp_path: Path):
    """Nothing of another run is overwritten."""
    (tmp_path / "old").write_text("")
    with pytest.raises(UsageError, match="is not empty"):
        RunDir.create(tmp_path)


def test_run_directory_is_a_file(tmp_path: Path):
    """A file in the place of the folder is told."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        RunDir.create(tmp_path / "file")
    with pytest.raises(RunError, match="not a directory"):
        RunDir.create_numbered(tmp_path / "file", "x")


def test_csv_and_jsonl_histories_agree(tmp_path: Path):
    """Both histories have a line an epoch; what is no number stays readable."""
    run = RunDir.create(tmp_path)
    run.add_history({"epoch": 1, "loss": 0.5}, first=True)
    run.add_history({"epoch": 2, "loss": float("nan")}, first=False)
    rows = list(csv.DictReader((tmp_path / "history.csv").read_text().splitlines()))
    assert rows == [{"epoch": "1", "loss": "0.5"}, {"epoch": "2", "loss": "nan"}]
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert json.loads(lines[1]) == {"epoch": 2, "loss": None}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_run_directory(tmp_path: Path):
    """The reason of the system reaches the user."""
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="Permission denied"):
        RunDir.create_numbered(tmp_path, "x")
