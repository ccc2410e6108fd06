"""Model files: whole or not there. `zoo.test_small_forms` opens them in plain Keras."""

from __future__ import annotations

import os
import resource
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import keras
import pytest
from helpers.graphs import chain
from helpers.subprocesses import HUNG, PROCESSES

from archbuilder.diagnostics.errors import RunError, UsageError
from archbuilder.keras_backend import build
from archbuilder.keras_backend.saving import save_architecture, save_model

Save = Callable[[keras.Model, Path], None]


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """A small model."""
    return build(chain((4,), ("Dense", {"units": 3}), ("ops.relu", {}), ("Dense", {"units": 2})))


def test_no_temporary_file_remains(model: keras.Model, tmp_path: Path):
    """Nothing else stands in the folder afterwards, and the file is readable as others are."""
    path = tmp_path / "m.keras"
    save_model(model, path)
    (tmp_path / "other").touch()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["m.keras", "other"]
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


def test_save_json_architecture(model: keras.Model, tmp_path: Path):
    """The JSON builds the same model again."""
    save_architecture(model, tmp_path / "m.json")
    again = keras.models.model_from_json((tmp_path / "m.json").read_text())
    assert again.to_json() == model.to_json()


@pytest.mark.parametrize("target", ["m.keras", "other.txt"])
def test_symlinks_are_not_followed(model: keras.Model, tmp_path: Path, target: str):
    """Another person may have put it there: what it leads to is named, and stays as it is."""
    (tmp_path / "m.keras").write_text("old")
    (tmp_path / "link.keras").symlink_to(tmp_path / target)
    with pytest.raises(UsageError, match=rf"is a link to '.*{target}'"):
        save_model(model, tmp_path / "link.keras")
    assert (tmp_path / "link.keras").is_symlink()
    assert (tmp_path / "m.keras").read_text() == "old"
    assert not (tmp_path / "other.txt").exists()


@pytest.mark.parametrize("save", [save_model, save_architecture])
def test_missing_directory(save: Save, model: keras.Model, tmp_path: Path):
    """A folder that is not there is told by name."""
    with pytest.raises(RunError, match=r"there is no directory '.*nowhere'"):
        save(model, tmp_path / "nowhere" / "m.keras")


def test_output_is_a_directory(model: keras.Model, tmp_path: Path):
    """A folder is not replaced by a file."""
    (tmp_path / "m.keras").mkdir()
    with pytest.raises(RunError, match="it is a directory"):
        save_model(model, tmp_path / "m.keras")
    assert [each.name for each in tmp_path.iterdir()] == ["m.keras"]


def fill_the_disk(path: Path) -> None:
    """Save what is larger than there is room for."""
    model = build(chain((100,), ("Dense", {"units": 1000})))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    with pytest.raises(RunError, match="File too large"):
        save_model(model, path)


def be_killed(path: Path) -> None:
    """Save, and be killed when everything is written but nothing is in its place."""
    model = build(chain((4,), ("Dense", {"units": 3})))
    os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    save_model(model, path)


@pytest.mark.parametrize(("work", "code"), [(fill_the_disk, 0), (be_killed, -signal.SIGKILL)])
def test_failed_save_keeps_the_previous_file(
    work: Callable[[Path], None], code: int, model: keras.Model, tmp_path: Path
):
    """When there is no room, or the program is killed while it writes, the old file is whole."""
    path = tmp_path / "m.keras"
    save_model(model, path)
    content = path.read_bytes()
    process = PROCESSES.Process(target=work, args=(path,))
    process.start()
    process.join(HUNG)
    assert process.exitcode == code
    assert path.read_bytes() == content
