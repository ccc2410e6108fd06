"""Files that a command writes: all of it or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archbuilder import RunError, UsageError
from archbuilder.files.atomic_write import atomic_write, check_writable, write_text


def test_write_is_atomic(tmp_path: Path) -> None:
    """Nothing else is left in the folder."""
    write_text(tmp_path / "a.yaml", "text\n")
    assert (tmp_path / "a.yaml").read_text() == "text\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


def test_failed_write_keeps_the_previous_file(tmp_path: Path) -> None:
    """An error in the middle leaves what was there, and no half of the new file."""
    path = tmp_path / "model.keras"
    path.write_text("old")

    def write_half() -> None:
        with atomic_write(path) as file:
            file.write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match="No space left"):
        write_half()
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["model.keras"]


def test_errors_of_the_body_keep_their_file(tmp_path: Path) -> None:
    """A file that the body reads may be missing; the message must not name the output."""

    def copy_missing() -> None:
        with atomic_write(tmp_path / "copy") as file:
            file.write((tmp_path / "missing").read_bytes())

    with pytest.raises(FileNotFoundError) as caught:
        copy_missing()
    assert caught.value.filename == str(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


def test_invalid_targets_fail_early(tmp_path: Path) -> None:
    """A folder, a missing folder, a file in place of a folder."""
    with pytest.raises(UsageError, match="is a directory"):
        check_writable(tmp_path)
    with pytest.raises(UsageError, match="no directory"):
        check_writable(tmp_path / "missing" / "a.keras")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="no directory"):
        check_writable(tmp_path / "file" / "a.keras")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="Linux has a folder for this")
def test_read_only_file_system() -> None:
    """Whatever its permissions say."""
    with pytest.raises(UsageError, match="cannot write to the directory '/proc'"):
        check_writable(Path("/proc/model.keras"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_directory(tmp_path: Path) -> None:
    """It is told before, not after a long build."""
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="Permission denied"):
        check_writable(tmp_path / "a.keras")


@pytest.mark.parametrize("target", ["file", "none", "/dev/full"])
def test_symlinks_are_not_followed(tmp_path: Path, target: str) -> None:
    """It is told where it leads, before work is done and when it is there by then."""
    (tmp_path / "file").write_text("old")
    link = tmp_path / "link.csv"
    link.symlink_to(target)
    message = "a device or a pipe" if target == "/dev/full" else f"is a link to '{target}'"
    with pytest.raises(UsageError, match=message):
        check_writable(link)
    with pytest.raises(UsageError, match="is a link"), atomic_write(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert (tmp_path / "file").read_text() == "old"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "link.csv"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is full")
def test_device_is_not_replaced() -> None:
    """A file does not take its place."""
    with pytest.raises(UsageError, match="a device or a pipe"):
        check_writable(Path("/dev/full"))
