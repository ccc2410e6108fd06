"""Files and directories below a directory that another person may have created.

A `Place` is opened component by component from its root, without following links, so that no link
leads out of the root, not even one that is planted between two operations. Nothing but regular
files is read or written, and opening one never waits: a pipe or a device is an error. A file is
replaced by renaming a new one, never truncated.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

_BASE_FLAGS: Final = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
)
_READ_FLAGS: Final = os.O_RDONLY | _BASE_FLAGS
_APPEND_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _BASE_FLAGS
_DIRECTORY_FLAGS: Final = _READ_FLAGS | getattr(os, "O_DIRECTORY", 0)
_HAS_DIR_FD: Final = os.open in os.supports_dir_fd
"""Whether the system opens names relative to an open directory; Windows does not."""
_REASONS: Final = {
    errno.ENOENT: "there is no such file",
    errno.EACCES: "permission denied",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a part of its path is no folder",
    errno.ELOOP: "links are not followed",
    errno.EMLINK: "it has several names (hard links), so that it may be another file",
    errno.ENXIO: "it is no ordinary file",
    errno.ESTALE: "its folder was replaced by another one",
}


def os_error_reason(error: OSError) -> str:
    """Why a file cannot be opened, in our own words where we have some."""
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)


def open_regular_file(path: Path) -> int:
    """Open a regular file that the user names, who may name a link; give its file descriptor.

    Raises:
        OSError: if it cannot be opened, or is no regular file.
        ValueError: if no file can have that path.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags)
    try:
        _check_regular(os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read_at_most(descriptor: int, max_bytes: int) -> bytes:
    """Read an open file, but no more than `most` bytes of it."""
    chunks: list[bytes] = []
    remaining = max_bytes
    while remaining and (chunk := os.read(descriptor, min(remaining, 2**20))):
        chunks.append(chunk)
        remaining -= len(chunk)
    return b"".join(chunks)


@dataclass(frozen=True, slots=True)
class SandboxPath:
    """A file or directory below a directory, to which no link leads.

    The root itself may be a link: a person chose it. With `identity`, its device and inode, it has
    to stay the directory that it was.

    Raises:
        OSError: from every method but `inside` and `beside`, if the operation fails, if there is a
            link on the way, or if the file is a link, a pipe or a device. `reason` words it.
    """

    root: Path
    parts: tuple[str, ...] = ()
    identity: tuple[int, int] | None = None

    @classmethod
    def pinned(cls, root: Path) -> SandboxPath:
        """An existing directory, which is not to be replaced by another one from now on."""
        status = root.stat()
        return cls(root, (), (status.st_dev, status.st_ino))

    @classmethod
    def from_path(cls, path: Path) -> SandboxPath:
        """A file in a directory that the user names."""
        return cls(path.parent, (path.name,))

    @property
    def path(self) -> Path:
        """Its path, for messages."""
        return self.root.joinpath(*self.parts)

    @property
    def parent(self) -> SandboxPath:
        """The directory that it lies in."""
        return SandboxPath(self.root, self.parts[:-1], self.identity)

    def joinpath(self, *names: str) -> SandboxPath:
        """What these names lead to in the directory."""
        return SandboxPath(self.root, (*self.parts, *names), self.identity)

    def with_name(self, name: str) -> SandboxPath:
        """What has this name in the same directory."""
        return self.parent.joinpath(name)

    def status(self) -> os.stat_result | None:
        """What kind of file it is, which may be a link; None where there is none."""
        try:
            with self._open_parent() as (folder, name):
                return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def is_file(self) -> bool:
        """Whether it is a regular file."""
        status = self.status()
        return status is not None and stat.S_ISREG(status.st_mode)

    def is_dir(self) -> bool:
        """Whether it is a directory."""
        status = self.status()
        return status is not None and stat.S_ISDIR(status.st_mode)

    @contextmanager
    def open_descriptor(self) -> Iterator[int]:
        """The file descriptor of the file, which may have no other name."""
        with self._open(_READ_FLAGS) as descriptor:
            _check_no_hard_links(os.fstat(descriptor))
            yield descriptor

    def read(self, max_bytes: int) -> bytes:
        """The content of the file, which has to have no more than `most` bytes."""
        with self.open_descriptor() as descriptor:
            content = read_at_most(descriptor, max_bytes + 1)
        if len(content) > max_bytes:
            raise OSError(errno.EFBIG, "it is too large")
        return content

    def list_names(self) -> list[str]:
        """The names in the directory, in alphabetical order."""
        with self._open(_DIRECTORY_FLAGS) as descriptor:
            return sorted(os.listdir(descriptor))  # noqa: PTH208 - a path may lead elsewhere by now

    @contextmanager
    def create(self) -> Iterator[IO[bytes]]:
        """A new file to write to, which is on the disk when the context ends."""

        def opener(_: str, flags: int) -> int:
            return os.open(name, flags | os.O_EXCL | _BASE_FLAGS, 0o666, dir_fd=folder)

        # Keras looks for room beside the path that the file says it has.
        with self._open_parent() as (folder, name), open(self.path, "wb", opener=opener) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def atomic_write(self) -> Iterator[IO[bytes]]:
        """A file to write to, which takes the place of this one when the context ends well.

        What stood there before survives a full disk, a kill and a power cut. A link that stood
        there is replaced itself.
        """
        temporary = self.with_name(f".{secrets.token_hex(8)}{TEMP_SUFFIX}")
        try:
            with temporary.create() as file:
                yield file
            temporary.rename(self.parts[-1])
        finally:
            temporary.remove()

    def write(self, content: bytes) -> None:
        """Replace the file by one with this content."""
        with self.atomic_write() as file:
            file.write(content)

    @contextmanager
    def open_append(self) -> Iterator[IO[bytes]]:
        """The file, to add to its end; it is created if it is missing."""
        with self._open(_APPEND_FLAGS) as descriptor, os.fdopen(os.dup(descriptor), "ab") as file:
            _check_no_hard_links(os.fstat(descriptor))
            yield file

    def make_directory(self, *, exist_ok: bool = False) -> None:
        """Make a directory; with `exist_ok`, one that is there is fine, and a link is not."""
        try:
            with self._open_parent() as (folder, name):
                os.mkdir(name, dir_fd=folder)
        except FileExistsError:
            if not exist_ok:
                raise
            with self._open(_DIRECTORY_FLAGS):
                pass

    def rename(self, name: str) -> None:
        """Give it another name in its directory, in place of a file of that name, for good."""
        with self._open_parent() as (folder, old_name):
            os.rename(old_name, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def remove(self) -> None:
        """Remove a file, a link, or a directory with all that is in it, if there is one."""
        status = self.status()
        if status is None:
            return
        with self._open_parent() as (folder, name), suppress(FileNotFoundError):
            if stat.S_ISDIR(status.st_mode):
                shutil.rmtree(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)

    def sync(self) -> None:
        """Bring the names in the directory to the disk."""
        with self._open(_DIRECTORY_FLAGS) as descriptor:
            os.fsync(descriptor)

    def check_writable(self) -> None:
        """Create and remove a file in the directory.

        Permissions tell nothing of read-only disks, or of root.
        """
        probe = self.joinpath(f".{secrets.token_hex(8)}{TEMP_SUFFIX}")
        with probe.create():
            pass
        probe.remove()

    @contextmanager
    def _open_parent(self) -> Iterator[tuple[int, str]]:
        """The file descriptor of the directory that has it, and its name there."""
        with self.parent._open(_DIRECTORY_FLAGS) as folder:  # noqa: SLF001 - of the same class
            yield folder, self.parts[-1]

    @contextmanager
    def _open(self, flags: int) -> Iterator[int]:
        """Its file descriptor, opened with these flags, and with no link on the way."""
        descriptor = self._open_root() if _HAS_DIR_FD else self._open_by_path(flags)
        try:
            for number, component in enumerate(self.parts if _HAS_DIR_FD else (), start=1):
                last = number == len(self.parts)
                inner = _open_at(component, flags if last else _DIRECTORY_FLAGS, descriptor)
                os.close(descriptor)
                descriptor = inner
            if not flags & getattr(os, "O_DIRECTORY", 0):
                _check_regular(os.fstat(descriptor))
            yield descriptor
        finally:
            os.close(descriptor)

    def _open_root(self) -> int:
        descriptor = os.open(self.root, _DIRECTORY_FLAGS & ~getattr(os, "O_NOFOLLOW", 0))
        status = os.fstat(descriptor)
        if self.identity not in (None, (status.st_dev, status.st_ino)):
            os.close(descriptor)
            raise OSError(errno.ESTALE, "its folder was replaced by another one")
        return descriptor

    def _open_by_path(self, flags: int) -> int:  # pragma: no cover - Windows
        if self.path.resolve() != self.root.resolve().joinpath(*self.parts):
            raise OSError(errno.ELOOP, "links are not followed")
        return os.open(self.path, flags)


TEMP_SUFFIX: Final = ".part"
"""How the names of files and directories end that are not complete yet."""


def _open_at(name: str, flags: int, folder: int) -> int:
    try:
        return os.open(name, flags, 0o666, dir_fd=folder)
    except NotADirectoryError:
        # Linux says so of a link to a directory, too.
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            raise OSError(errno.ELOOP, "links are not followed") from None
        raise


def _check_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.ENXIO, "it is no ordinary file")


def _check_no_hard_links(status: os.stat_result) -> None:
    if status.st_nlink > 1:
        raise OSError(errno.EMLINK, "it has several names")
