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

_BASE: Final = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
)
_READ: Final = os.O_RDONLY | _BASE
_APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _BASE
_DIRECTORY: Final = _READ | getattr(os, "O_DIRECTORY", 0)
_AT: Final = os.open in os.supports_dir_fd
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


def reason(error: OSError) -> str:
    """Why a file cannot be opened, in our own words where we have some."""
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)


def open_named(path: Path) -> int:
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


def read_most(descriptor: int, most: int) -> bytes:
    """Read an open file, but no more than `most` bytes of it."""
    parts: list[bytes] = []
    left = most
    while left and (part := os.read(descriptor, min(left, 2**20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Place:
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
    def pinned(cls, root: Path) -> Place:
        """An existing directory, which is not to be replaced by another one from now on."""
        status = root.stat()
        return cls(root, (), (status.st_dev, status.st_ino))

    @classmethod
    def of(cls, path: Path) -> Place:
        """A file in a directory that the user names."""
        return cls(path.parent, (path.name,))

    @property
    def path(self) -> Path:
        """Its path, for messages."""
        return self.root.joinpath(*self.parts)

    @property
    def parent(self) -> Place:
        """The directory that it lies in."""
        return Place(self.root, self.parts[:-1], self.identity)

    def inside(self, *names: str) -> Place:
        """What these names lead to in the directory."""
        return Place(self.root, (*self.parts, *names), self.identity)

    def beside(self, name: str) -> Place:
        """What has this name in the same directory."""
        return self.parent.inside(name)

    def status(self) -> os.stat_result | None:
        """What kind of file it is, which may be a link; None where there is none."""
        try:
            with self._directory() as (folder, name):
                return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def is_file(self) -> bool:
        """Whether it is a regular file."""
        status = self.status()
        return status is not None and stat.S_ISREG(status.st_mode)

    def is_directory(self) -> bool:
        """Whether it is a directory."""
        status = self.status()
        return status is not None and stat.S_ISDIR(status.st_mode)

    @contextmanager
    def opened(self) -> Iterator[int]:
        """The file descriptor of the file, which may have no other name."""
        with self._opened(_READ) as descriptor:
            _check_single(os.fstat(descriptor))
            yield descriptor

    def read(self, most: int) -> bytes:
        """The content of the file, which has to have no more than `most` bytes."""
        with self.opened() as descriptor:
            content = read_most(descriptor, most + 1)
        if len(content) > most:
            raise OSError(errno.EFBIG, "it is too large")
        return content

    def names(self) -> list[str]:
        """The names in the directory, in alphabetical order."""
        with self._opened(_DIRECTORY) as descriptor:
            return sorted(os.listdir(descriptor))  # noqa: PTH208 - a path may lead elsewhere by now

    @contextmanager
    def created(self) -> Iterator[IO[bytes]]:
        """A new file to write to, which is on the disk when the context ends."""

        def opener(_: str, flags: int) -> int:
            return os.open(name, flags | os.O_EXCL | _BASE, 0o666, dir_fd=folder)

        # Keras looks for room beside the path that the file says it has.
        with self._directory() as (folder, name), open(self.path, "wb", opener=opener) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def replacing(self) -> Iterator[IO[bytes]]:
        """A file to write to, which takes the place of this one when the context ends well.

        What stood there before survives a full disk, a kill and a power cut. A link that stood
        there is replaced itself.
        """
        part = self.beside(f".{secrets.token_hex(8)}{PART}")
        try:
            with part.created() as file:
                yield file
            part.rename(self.parts[-1])
        finally:
            part.remove()

    def write(self, content: bytes) -> None:
        """Replace the file by one with this content."""
        with self.replacing() as file:
            file.write(content)

    @contextmanager
    def appending(self) -> Iterator[IO[bytes]]:
        """The file, to add to its end; it is created if it is missing."""
        with self._opened(_APPEND) as descriptor, os.fdopen(os.dup(descriptor), "ab") as file:
            _check_single(os.fstat(descriptor))
            yield file

    def make_directory(self, *, exist_ok: bool = False) -> None:
        """Make a directory; with `exist_ok`, one that is there is fine, and a link is not."""
        try:
            with self._directory() as (folder, name):
                os.mkdir(name, dir_fd=folder)
        except FileExistsError:
            if not exist_ok:
                raise
            with self._opened(_DIRECTORY):
                pass

    def rename(self, name: str) -> None:
        """Give it another name in its directory, in place of a file of that name, for good."""
        with self._directory() as (folder, own):
            os.rename(own, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def remove(self) -> None:
        """Remove a file, a link, or a directory with all that is in it, if there is one."""
        status = self.status()
        if status is None:
            return
        with self._directory() as (folder, name), suppress(FileNotFoundError):
            if stat.S_ISDIR(status.st_mode):
                shutil.rmtree(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)

    def sync(self) -> None:
        """Bring the names in the directory to the disk."""
        with self._opened(_DIRECTORY) as descriptor:
            os.fsync(descriptor)

    def check_writable(self) -> None:
        """Create and remove a file in the directory.

        Permissions tell nothing of read-only disks, or of root.
        """
        probe = self.inside(f".{secrets.token_hex(8)}{PART}")
        with probe.created():
            pass
        probe.remove()

    @contextmanager
    def _directory(self) -> Iterator[tuple[int, str]]:
        """The file descriptor of the directory that has it, and its name there."""
        with self.parent._opened(_DIRECTORY) as folder:  # noqa: SLF001 - of the same class
            yield folder, self.parts[-1]

    @contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        """Its file descriptor, opened with these flags, and with no link on the way."""
        descriptor = self._open_root() if _AT else self._open_by_path(flags)
        try:
            for number, part in enumerate(self.parts if _AT else (), start=1):
                last = number == len(self.parts)
                inner = _open_at(part, flags if last else _DIRECTORY, descriptor)
                os.close(descriptor)
                descriptor = inner
            if not flags & getattr(os, "O_DIRECTORY", 0):
                _check_regular(os.fstat(descriptor))
            yield descriptor
        finally:
            os.close(descriptor)

    def _open_root(self) -> int:
        descriptor = os.open(self.root, _DIRECTORY & ~getattr(os, "O_NOFOLLOW", 0))
        status = os.fstat(descriptor)
        if self.identity not in (None, (status.st_dev, status.st_ino)):
            os.close(descriptor)
            raise OSError(errno.ESTALE, "its folder was replaced by another one")
        return descriptor

    def _open_by_path(self, flags: int) -> int:  # pragma: no cover - Windows
        if self.path.resolve() != self.root.resolve().joinpath(*self.parts):
            raise OSError(errno.ELOOP, "links are not followed")
        return os.open(self.path, flags)


PART: Final = ".part"
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


def _check_single(status: os.stat_result) -> None:
    if status.st_nlink > 1:
        raise OSError(errno.EMLINK, "it has several names")
