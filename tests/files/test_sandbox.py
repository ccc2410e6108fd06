"""Files in a folder of another person: no link is followed, nothing is waited for."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from archbuilder.files.sandbox import SandboxPath, open_regular_file, os_error_reason

Operation = Callable[[SandboxPath], object]


def append(path: SandboxPath) -> None:
    with path.open_append() as file:
        file.write(b"more")


READS: list[Operation] = [lambda path: path.read(100)]
WRITES: list[Operation] = [append]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a file, beside a file and a folder that are another person's business."""
    (tmp_path / "root" / "inner").mkdir(parents=True)
    (tmp_path / "root" / "file").write_text("content")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("secret")
    return tmp_path / "root"


def error_of(operation: Operation, path: SandboxPath) -> str:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the reason is compared
        operation(path)
    return os_error_reason(caught.value)


@pytest.mark.parametrize("operation", [*READS, *WRITES])
def test_symlinks_are_not_followed(root: Path, operation: Operation):
    """Whether it leads to a file, to nothing, to a device, or is a folder on the way."""
    for name, target in (
        ("link", "../other/file"),
        ("dangling", "../other/none"),
        ("zero", "/dev/zero"),
        ("folder", "../other"),
    ):
        (root / name).symlink_to(target)
    for parts in (("link",), ("dangling",), ("zero",), ("folder",), ("folder", "file")):
        assert error_of(operation, SandboxPath(root, parts)) == "links are not followed"
    assert (root.parent / "other" / "file").read_text() == "secret"
    assert not (root.parent / "other" / "none").exists()


@pytest.mark.parametrize("operation", [*READS, *WRITES])
def test_pipes_do_not_block(root: Path, operation: Operation):
    """It is no regular file, and has no end."""
    os.mkfifo(root / "pipe")
    assert error_of(operation, SandboxPath(root, ("pipe",))) == "it is not a regular file"


@pytest.mark.parametrize("operation", [*READS, *WRITES])
def test_hard_links_are_refused(root: Path, operation: Operation):
    """The file may be another one under a second name."""
    os.link(root.parent / "other" / "file", root / "hard")
    assert "several hard links" in error_of(operation, SandboxPath(root, ("hard",)))
    assert (root.parent / "other" / "file").read_text() == "secret"


def test_read_size_is_bounded(root: Path):
    """A file of just the size is read."""
    assert SandboxPath(root, ("file",)).read(7) == b"content"
    assert "too large" in error_of(lambda path: path.read(6), SandboxPath(root, ("file",)))


def test_write_replaces_a_symlink(root: Path):
    """What it leads to stays."""
    (root / "link").symlink_to("../other/file")
    SandboxPath(root, ("link",)).write(b"new")
    assert not (root / "link").is_symlink()
    assert (root / "link").read_text() == "new"
    assert (root.parent / "other" / "file").read_text() == "secret"


def test_symlinked_directories_are_not_followed(root: Path):
    """Neither are names listed or removed there."""
    (root / "folder").symlink_to("../other")
    folder = SandboxPath(root, ("folder",))
    operations: list[Operation] = [
        lambda path: path.joinpath("file").write(b"new"),
        lambda path: path.joinpath("new").make_directory(),
        lambda path: path.joinpath("file").remove(),
        lambda path: path.joinpath("file").rename("new"),
        lambda path: path.make_directory(exist_ok=True),
        lambda path: path.list_names(),
        lambda path: path.check_writable(),
    ]
    for operation in operations:
        assert error_of(operation, folder) == "links are not followed"
    assert [each.name for each in (root.parent / "other").iterdir()] == ["file"]
    folder.remove()
    assert not (root / "folder").is_symlink()
    assert (root.parent / "other" / "file").read_text() == "secret"


def test_remove_tree_does_not_follow_symlinks(root: Path):
    """The tree goes, and not what its links lead to."""
    (root / "inner" / "out").symlink_to("../../other")
    SandboxPath(root, ("inner",)).remove()
    assert not (root / "inner").exists()
    assert (root.parent / "other" / "file").is_file()


def test_root_operations(root: Path):
    """It has a status like other folders, but is neither written, renamed nor removed."""
    path = SandboxPath(root)
    assert path.is_dir()
    assert not path.is_file()
    (root.parent / "link").symlink_to("root")
    assert SandboxPath(root.parent / "link").is_dir()
    assert not SandboxPath(root.parent / "none").is_dir()
    operations: list[Operation] = [
        lambda file_path: file_path.write(b"new"),
        lambda file_path: file_path.remove(),
        lambda file_path: file_path.rename("other"),
        lambda file_path: file_path.make_directory(),
    ]
    for operation in operations:
        assert error_of(operation, path) == "it is a directory"
    assert sorted(each.name for each in root.iterdir()) == ["file", "inner"]


def test_replaced_root_is_detected(root: Path):
    """A folder that was pinned is not left for another one of its name."""
    pinned = SandboxPath.pinned(root).joinpath("file")
    root.rename(root.with_name("moved"))
    root.symlink_to("other")
    assert "replaced by another" in error_of(lambda path: path.read(100), pinned)
    assert "replaced by another" in error_of(lambda path: path.write(b"new"), pinned)
    assert (root / "file").read_text() == "secret"


def test_a_failed_write_leaves_nothing(root: Path):
    """The old file stays, and no part of the new one."""

    def fail(path: SandboxPath) -> None:
        with path.atomic_write() as file:
            file.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    assert error_of(fail, SandboxPath(root, ("file",))) == "No space left on device"
    assert (root / "file").read_text() == "content"
    assert sorted(each.name for each in root.iterdir()) == ["file", "inner"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_replaced_file_keeps_its_permissions(root: Path, mode: int):
    """Whatever the umask is: a private file stays private, also while it is written."""
    (root / "file").chmod(mode)
    umask = os.umask(0o022)
    try:
        with SandboxPath(root, ("file",)).atomic_write() as file:
            assert os.fstat(file.fileno()).st_mode & 0o777 == mode
        SandboxPath(root, ("new",)).write(b"new")
    finally:
        os.umask(umask)
    assert (root / "file").stat().st_mode & 0o777 == mode
    assert (root / "new").stat().st_mode & 0o777 == 0o644


def test_permissions_of_a_symlink_are_not_copied(root: Path):
    """A link allows everything to everyone, and a new file takes its place."""
    (root / "link").symlink_to("../other/file")
    umask = os.umask(0o022)
    try:
        SandboxPath(root, ("link",)).write(b"new")
    finally:
        os.umask(umask)
    assert (root / "link").lstat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_no_file_is_left_open(root: Path):
    """Whether an operation succeeds or fails."""
    (root / "link").symlink_to("../other/file")
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        SandboxPath(root, ("file",)).write(b"content")
        SandboxPath(root, ("file",)).read(100)
        append(SandboxPath(root, ("file",)))
        for name in ("link", "inner", "none"):
            error_of(READS[0], SandboxPath(root, (name,)))
    assert len(list(Path("/proc/self/fd").iterdir())) == open_files


def test_user_path_may_be_a_symlink(root: Path):
    """But no pipe and no device, which would be waited for."""
    (root / "link").symlink_to("file")
    descriptor = open_regular_file(root / "link")
    assert os.read(descriptor, 100) == b"content"
    os.close(descriptor)
    os.mkfifo(root / "pipe")
    for path in (root / "pipe", Path("/dev/zero"), root):
        with pytest.raises(OSError):  # noqa: PT011 - any reason does
            open_regular_file(path)
