"""Open files in directories that another person may have created.

A `SandboxPath` is opened component by component from its root without following links, so that no
link leads out of the root, not even one that appears between two operations. Only regular files are
read or written, and opening one never blocks: a pipe or a device is an error. A file is replaced by
renaming a new one over it, never truncated.
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

from archbuilder.diagnostics.errors import quote

# O_NOFOLLOW fails at a link. With O_NONBLOCK, opening a pipe returns instead of waiting for another
# process to open its other end; `_check_regular` then refuses it. `getattr`, because Windows has
# none of them.
_BASE_FLAGS: Final = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
)
_READ_FLAGS: Final = os.O_RDONLY | _BASE_FLAGS
_APPEND_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _BASE_FLAGS
_DIRECTORY_FLAGS: Final = _READ_FLAGS | getattr(os, "O_DIRECTORY", 0)
_HAS_DIR_FD: Final = os.open in os.supports_dir_fd
"""Whether the system can open names relative to an open directory (not on Windows)."""
_REASONS: Final = {
    errno.ENOENT: "there is no such file or directory",
    errno.EACCES: "permission denied",
    errno.EISDIR: "it is a directory",
    errno.ENOTDIR: "a part of the path is a file, not a directory",
    errno.ELOOP: "links are not followed",
    errno.EMLINK: "it has several hard links, so it could be another file",
    errno.ENXIO: "it is not a regular file",
    errno.ESTALE: "its directory was replaced by another one",
}


def os_error_reason(error: OSError) -> str:
    """Return why a file cannot be opened, in our own words for the common errors."""
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)


def cannot_read(path: str | Path, error: OSError | ValueError) -> str:
    """Return the message about a file or directory that cannot be read, for every such error."""
    # `os.open` raises a ValueError for a null character in the path.
    reason = os_error_reason(error) if isinstance(error, OSError) else str(error)
    return f"cannot read {quote(str(path), 200)}: {reason}"


def open_regular_file(path: Path) -> int:
    """Open a regular file that the user names, and return its file descriptor.

    Links are followed: the user may name one.

    Raises:
        OSError: if it cannot be opened, or is not a regular file.
        ValueError: if no file can have that path.
    """
    # The type is checked after opening, on the descriptor: the path may lead to another file by
    # then.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags)
    try:
        _check_regular(os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read_at_most(descriptor: int, max_bytes: int) -> bytes:
    """Read an open file, but at most `max_bytes` of it."""
    # In a loop: `os.read` may return fewer bytes than asked for. In chunks of 1 MiB: it allocates
    # what it is asked for, and `max_bytes` may be far larger than the file.
    chunks: list[bytes] = []
    remaining = max_bytes
    while remaining and (chunk := os.read(descriptor, min(remaining, 2**20))):
        chunks.append(chunk)
        remaining -= len(chunk)
    return b"".join(chunks)


@dataclass(frozen=True, slots=True)
class SandboxPath:
    """A path of a file or directory below a root directory, opened without following links.

    The root itself may be a link, because the user chose it. With `identity`, the device and the
    inode of the root, every operation checks that the root is still the same directory.

    Raises:
        OSError: from every method but `joinpath` and `with_name`, if the operation fails, if a
            component of the path is a link, or if the file is a link, a pipe or a device.
            `os_error_reason` words it.
    """

    root: Path
    parts: tuple[str, ...] = ()
    identity: tuple[int, int] | None = None

    @classmethod
    def pinned(cls, root: Path) -> SandboxPath:
        """Return the path of an existing directory that must not be replaced from now on."""
        status = root.stat()
        return cls(root, (), (status.st_dev, status.st_ino))

    @classmethod
    def from_path(cls, path: Path) -> SandboxPath:
        """Return the path of a file whose directory is the root."""
        return cls(path.parent, (path.name,))

    @property
    def path(self) -> Path:
        """The path as a `Path`, for messages: opening it would follow links."""
        return self.root.joinpath(*self.parts)

    @property
    def parent(self) -> SandboxPath:
        """The path of the directory that contains it."""
        return SandboxPath(self.root, self.parts[:-1], self.identity)

    def joinpath(self, *names: str) -> SandboxPath:
        """Return the path of an entry below this directory."""
        return SandboxPath(self.root, (*self.parts, *names), self.identity)

    def with_name(self, name: str) -> SandboxPath:
        """Return the path of another entry of the same directory."""
        return self.parent.joinpath(name)

    def status(self) -> os.stat_result | None:
        """Return the status of the file, which may be a link, or None if it does not exist."""
        try:
            # The root has no name within a directory that could be opened; it may be a link.
            if not self.parts:
                with self._open(_DIRECTORY_FLAGS) as descriptor:
                    return os.fstat(descriptor)
            with self._open_parent() as (directory_fd, name):
                return os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
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
        """Open the file for reading and yield its descriptor; refuse hard links."""
        with self._open(_READ_FLAGS) as descriptor:
            _check_no_hard_links(os.fstat(descriptor))
            yield descriptor

    def read(self, max_bytes: int) -> bytes:
        """Return the content of the file, which must not be larger than `max_bytes`."""
        with self.open_descriptor() as descriptor:
            content = read_at_most(descriptor, max_bytes + 1)
        if len(content) > max_bytes:
            raise OSError(errno.EFBIG, "it is too large")
        return content

    def list_names(self) -> list[str]:
        """Return the names in the directory in alphabetical order."""
        with self._open(_DIRECTORY_FLAGS) as descriptor:
            return sorted(os.listdir(descriptor))  # noqa: PTH208 - a path may lead elsewhere by now

    @contextmanager
    def create(self, mode: int = 0o666) -> Iterator[IO[bytes]]:
        """Create a file and yield it for writing; it is on disk when the context ends.

        An existing file is an error. As in `os.open`, the umask reduces the permissions `mode`.
        """

        def opener(_: str, flags: int) -> int:
            # With O_EXCL, a file or a link that exists under this name is an error.
            return os.open(name, flags | os.O_EXCL | _BASE_FLAGS, mode, dir_fd=directory_fd)

        # An opener instead of `os.fdopen`, so that `file.name` is a path: Keras's
        # `saving_lib.save_model` creates its temporary weights file in `Path(file.name).parent`.
        with (
            self._open_parent() as (directory_fd, name),
            open(self.path, "wb", opener=opener) as file,
        ):
            yield file
            # Before the file is renamed: otherwise a power failure can leave the new name with an
            # empty file.
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def atomic_write(self) -> Iterator[IO[bytes]]:
        """Yield a temporary file that replaces this one if the context ends without an error.

        Until then the old file survives a full disk, a killed process and a power failure. The new
        file has its permissions. If the path is a link, the link itself is replaced.
        """
        if not self.parts:
            raise OSError(errno.EISDIR, "it is a directory")
        old = self.status()
        mode = old.st_mode & 0o777 if old is not None and stat.S_ISREG(old.st_mode) else None
        # In the same directory, because a rename is atomic only within a file system. The name is
        # random, so that nobody can take it first.
        temporary = self.with_name(f".{secrets.token_hex(8)}{TEMP_SUFFIX}")
        try:
            # Created with these permissions instead of changed later: others could open a file that
            # only its owner may read.
            with temporary.create(0o666 if mode is None else mode) as file:
                # The umask may have taken away permissions of the old file. Only if they differ:
                # file systems without permissions refuse to change them. Windows has no `fchmod`.
                if (
                    mode is not None
                    and os.fstat(file.fileno()).st_mode & 0o777 != mode
                    and hasattr(os, "fchmod")
                ):
                    os.fchmod(file.fileno(), mode)
                yield file
            temporary.rename(self.parts[-1])
        finally:
            # Does nothing after the rename.
            temporary.remove()

    def write(self, content: bytes) -> None:
        """Replace the file atomically by one with this content."""
        with self.atomic_write() as file:
            file.write(content)

    @contextmanager
    def open_append(self) -> Iterator[IO[bytes]]:
        """Open the file for appending; create it if it does not exist."""
        # `dup`: `fdopen` closes the descriptor that it gets, and so does `_open`.
        with self._open(_APPEND_FLAGS) as descriptor, os.fdopen(os.dup(descriptor), "ab") as file:
            _check_no_hard_links(os.fstat(descriptor))
            yield file

    def make_directory(self, *, exist_ok: bool = False) -> None:
        """Create the directory; with `exist_ok` it may exist, but not as a link."""
        try:
            with self._open_parent() as (directory_fd, name):
                os.mkdir(name, dir_fd=directory_fd)
        except FileExistsError:
            if not exist_ok:
                raise
            # Fails unless it is a directory that can be opened without following a link.
            with self._open(_DIRECTORY_FLAGS):
                pass

    def rename(self, name: str) -> None:
        """Rename it within its directory and replace a file of that name, durably."""
        with self._open_parent() as (directory_fd, old_name):
            os.rename(old_name, name, src_dir_fd=directory_fd, dst_dir_fd=directory_fd)
            # Without it, a power failure may undo the rename.
            os.fsync(directory_fd)

    def remove(self) -> None:
        """Remove the file, the link, or the directory with its content, if it exists."""
        status = self.status()
        if status is None:
            return
        with self._open_parent() as (directory_fd, name), suppress(FileNotFoundError):
            if stat.S_ISDIR(status.st_mode):
                # With `dir_fd`, `rmtree` does not follow links, not even one that replaces a
                # directory meanwhile.
                shutil.rmtree(name, dir_fd=directory_fd)
            else:
                os.unlink(name, dir_fd=directory_fd)

    def sync(self) -> None:
        """Flush the entries of the directory to disk."""
        with self._open(_DIRECTORY_FLAGS) as descriptor:
            os.fsync(descriptor)

    def check_writable(self) -> None:
        """Check that files can be created in the directory, by creating one.

        Permission bits say nothing about read-only file systems, and root ignores them.
        """
        probe = self.joinpath(f".{secrets.token_hex(8)}{TEMP_SUFFIX}")
        with probe.create():
            pass
        probe.remove()

    @contextmanager
    def _open_parent(self) -> Iterator[tuple[int, str]]:
        """Open the directory that contains it; yield the descriptor and the name within it."""
        # The root is chosen by the user, and is neither written nor removed.
        if not self.parts:
            raise OSError(errno.EISDIR, "it is a directory")
        with self.parent._open(_DIRECTORY_FLAGS) as directory_fd:  # noqa: SLF001 - of the same class
            yield directory_fd, self.parts[-1]

    @contextmanager
    def _open(self, flags: int) -> Iterator[int]:
        """Open it with these flags and without following links, and yield the descriptor."""
        if _HAS_DIR_FD:
            # The root is the only component that may be a link.
            descriptor = os.open(self.root, _DIRECTORY_FLAGS & ~getattr(os, "O_NOFOLLOW", 0))
            components = self.parts
        else:  # pragma: no cover - Windows
            # A link that appears after the check is followed: Windows has no `openat`.
            if self.path.resolve() != self.root.resolve().joinpath(*self.parts):
                raise OSError(errno.ELOOP, "links are not followed")
            descriptor = os.open(self.path, flags)
            components = ()
        try:
            root = os.fstat(descriptor)
            if _HAS_DIR_FD and self.identity not in (None, (root.st_dev, root.st_ino)):
                raise OSError(errno.ESTALE, "its directory was replaced by another one")
            for number, component in enumerate(components, start=1):
                is_last = number == len(components)
                inner = _open_at(component, flags if is_last else _DIRECTORY_FLAGS, descriptor)
                os.close(descriptor)
                descriptor = inner
            if not flags & getattr(os, "O_DIRECTORY", 0):
                _check_regular(os.fstat(descriptor))
            yield descriptor
        finally:
            os.close(descriptor)


TEMP_SUFFIX: Final = ".part"
"""The suffix of files and directories that are not complete yet."""


def _open_at(name: str, flags: int, directory_fd: int) -> int:
    try:
        return os.open(name, flags, 0o666, dir_fd=directory_fd)
    except NotADirectoryError:
        # With O_DIRECTORY and O_NOFOLLOW, Linux reports ENOTDIR for a link to a directory as well.
        status = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            raise OSError(errno.ELOOP, "links are not followed") from None
        raise


def _check_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, "it is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.ENXIO, "it is not a regular file")


def _check_no_hard_links(status: os.stat_result) -> None:
    # A hard link to a file elsewhere looks like a regular file of this directory. Linux prevents
    # links to files of others only if the setting fs.protected_hardlinks is on.
    if status.st_nlink > 1:
        raise OSError(errno.EMLINK, "it has several hard links")
