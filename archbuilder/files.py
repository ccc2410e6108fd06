"""Opens the files that a person or a blueprint names, and no others.

What a person names on the command line may lie anywhere. What a blueprint names lies below a
folder, and is opened component by component from that folder without following links, so that
neither `..` nor a link planted between check and use leads out of it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archbuilder.errors import BlueprintError, Diagnostics, nearest, shown
from archbuilder.limits import Limits
from archbuilder.tree import Source, Span

_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_FOLDER_FLAGS: Final = _FLAGS | getattr(os, "O_DIRECTORY", 0)
_SAFE: Final = re.compile(r"[A-Za-z0-9_. -]+", re.ASCII)
_REASONS: Final = {
    errno.ENOENT: "there is no such file",
    errno.EACCES: "permission denied",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a part of its path is no folder",
    errno.ELOOP: "links are not followed",
    errno.ENXIO: "it is no ordinary file",
}


def read_file(path: Path, limits: Limits) -> bytes:
    """The content of a file that the user names.

    Raises:
        BlueprintError: when it cannot be read, is no ordinary file, or is too large.
    """
    source = Source(str(path), "")
    span = Span(source, 1, 1, 1, 2)
    diagnostics = Diagnostics()
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            _check_kind(os.fstat(descriptor))
            return _read(file.fileno(), limits)
    except OSError as error:
        _report(diagnostics, error, str(path), span, _suggest(path.parent, path.name))
    except ValueError as error:
        diagnostics.error("unreadable-file", f"{shown(str(path))} cannot be read: {error}", span)
    raise BlueprintError(diagnostics)


def read_inside(
    folder: Path, written: str, span: Span, limits: Limits, *, allow: Sequence[Path] = ()
) -> tuple[Path, bytes]:
    """The path and content of a file that a blueprint names, which lies below `folder`.

    `span` is where it names the file. A path that leads out of the folder is taken only if it
    leads into one of the folders in `allow`, which the user chose.

    Raises:
        BlueprintError: when the path leads elsewhere, or the file cannot be read.
    """
    place = place_inside(folder, written, span, allow=allow)
    path = place.path
    try:
        with place.opened() as descriptor:
            return path, _read(descriptor, limits)
    except OSError as error:
        raise cannot_read(error, place, written, span) from None


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder below a folder, to which no link leads."""

    root: Path
    parts: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Its path, for messages."""
        return self.root.joinpath(*self.parts)

    @contextmanager
    def opened(self) -> Iterator[int]:
        """The file descriptor of the file, which may have no other name.

        Raises:
            OSError: if it cannot be opened, is no ordinary file, or there is a link on the way.
        """
        with _opened(self.root, self.parts, _FLAGS) as descriptor:
            status = os.fstat(descriptor)
            _check_kind(status)
            if status.st_nlink > 1:
                raise OSError(errno.ELOOP, "links are not followed")
            yield descriptor

    def inside(self, *names: str) -> Place:
        """What these names lead to in the folder."""
        return Place(self.root, (*self.parts, *names))

    def names(self) -> list[str]:
        """The names in the folder, in alphabetical order.

        Raises:
            OSError: if it cannot be opened, is no folder, or there is a link on the way.
        """
        with _opened(self.root, self.parts, _FOLDER_FLAGS) as descriptor:
            return sorted(os.listdir(descriptor))  # noqa: PTH208 - a path may lead elsewhere by now


def place_inside(folder: Path, written: str, span: Span, *, allow: Sequence[Path] = ()) -> Place:
    """Where the file lies that a blueprint names; see `read_inside`.

    Raises:
        BlueprintError: when the path leads elsewhere.
    """
    diagnostics = Diagnostics()
    parts = _parts(written, span, diagnostics)
    root, inner = _root(folder, parts, allow)
    if root is None:
        diagnostics.error(
            "outside-folder",
            f"{shown(written)} leads out of the folder of this file",
            span,
            notes=("whoever runs the command can allow a folder with --allow",),
        )
        raise BlueprintError(diagnostics)
    return Place(root, tuple(inner))


def cannot_read(error: OSError, place: Place, written: str, span: Span) -> BlueprintError:
    """The mistake that a file cannot be opened which a blueprint names, with a likely other one."""
    diagnostics = Diagnostics()
    path = place.path
    _report(diagnostics, error, written, span, _suggest(path.parent, path.name))
    return BlueprintError(diagnostics)


def _parts(written: str, span: Span, diagnostics: Diagnostics) -> list[str]:
    """The components of a path; raises for what is no relative path of plain names."""
    parts = [part for part in written.split("/") if part not in ("", ".")]
    if written.startswith("/") or not parts or not all(map(_SAFE.fullmatch, parts)):
        diagnostics.error(
            "outside-folder",
            f"{shown(written)} is no relative path of plain names",
            span,
            notes=("write a path below the folder of this file, such as data/train.csv",),
        )
        raise BlueprintError(diagnostics)
    return parts


def _root(folder: Path, parts: list[str], allow: Sequence[Path]) -> tuple[Path | None, list[str]]:
    """The folder that may be opened, and the way from there."""
    if ".." not in parts:
        return folder, parts
    target = Path(os.path.normpath(folder.resolve().joinpath(*parts)))
    for allowed in (each.resolve() for each in allow):
        if target.is_relative_to(allowed):
            return allowed, list(target.relative_to(allowed).parts)
    return None, []


@contextmanager
def _opened(root: Path, parts: Sequence[str], last: int) -> Iterator[int]:
    """The file descriptor of what is below a folder, opened as `last`, with no link on the way."""
    if os.open not in os.supports_dir_fd:  # pragma: no cover - Windows
        path = root.joinpath(*parts)
        if path.resolve() != root.resolve().joinpath(*parts):
            raise OSError(errno.ELOOP, "links are not followed")
        descriptor = os.open(path, last)
    else:
        descriptor = os.open(root, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        for place, part in enumerate(parts):
            flags = last if place == len(parts) - 1 else _FOLDER_FLAGS
            try:
                inner = os.open(part, flags, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = inner
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _check_kind(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.ENXIO, "it is no ordinary file")


def _read(descriptor: int, limits: Limits) -> bytes:
    """The content of an open file, one byte more than allowed at most."""
    most = limits.file_bytes + 1
    content = b""
    while len(content) < most and (more := os.read(descriptor, most - len(content))):
        content += more
    return content


def _report(
    diagnostics: Diagnostics, error: OSError, written: str, span: Span, suggestion: str | None
) -> None:
    reason = _REASONS.get(error.errno or 0, os.strerror(error.errno or 0))
    missing = error.errno == errno.ENOENT
    diagnostics.error(
        "unreadable-file",
        f"{shown(written)} cannot be read: {reason}",
        span,
        suggestion=suggestion if missing else None,
    )


def _suggest(folder: Path, name: str) -> str | None:
    """The file that a mistyped name most likely stands for; endings alone are no likeness."""
    try:
        files = {Path(each).stem: each for each in os.listdir(folder)[:1000]}  # noqa: PTH208
    except OSError:
        return None
    near = nearest(Path(name).stem, files)
    return None if near is None else files[near]
