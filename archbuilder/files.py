"""Opens the files that a person or a blueprint names, and no others.

What a person names on the command line may lie anywhere. What a blueprint names lies below a
folder, and is opened component by component from that folder without following links, so that
neither `..` nor a link planted between check and use leads out of it.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from archbuilder.errors import BlueprintError, Diagnostics, nearest, shown
from archbuilder.limits import Limits
from archbuilder.places import Place, open_named, read_most, reason
from archbuilder.tree import Source, Span

_SAFE: Final = re.compile(r"[A-Za-z0-9_. -]+", re.ASCII)


def read_file(path: Path, limits: Limits) -> bytes:
    """The content of a file that the user names; a byte more than `limits` allow at most.

    Raises:
        BlueprintError: when it cannot be read, or is no ordinary file.
    """
    try:
        descriptor = open_named(path)
        try:
            return read_most(descriptor, limits.file_bytes + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise _unreadable(error, path) from None


def read_place(place: Place, limits: Limits) -> bytes:
    """The same of a file below a folder that the user names, to which no link may lead.

    Raises:
        BlueprintError: when it cannot be read, or is no ordinary file.
    """
    try:
        with place.opened() as descriptor:
            return read_most(descriptor, limits.file_bytes + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(error, place.path) from None


def read_inside(
    folder: Place, written: str, span: Span, limits: Limits, *, allow: Sequence[Path] = ()
) -> tuple[Place, bytes]:
    """The place and content of a file that a blueprint names, which lies below `folder`.

    `span` is where it names the file. A path that leads out of the folder is taken only if it
    leads into one of the folders in `allow`, which the user chose.

    Raises:
        BlueprintError: when the path leads elsewhere, or the file cannot be read.
    """
    place = place_inside(folder, written, span, allow=allow)
    try:
        with place.opened() as descriptor:
            return place, read_most(descriptor, limits.file_bytes + 1)
    except OSError as error:
        raise cannot_read(error, place, written, span) from None


def place_inside(folder: Place, written: str, span: Span, *, allow: Sequence[Path] = ()) -> Place:
    """Where the file lies that a blueprint names; see `read_inside`.

    Raises:
        BlueprintError: when the path leads elsewhere.
    """
    diagnostics = Diagnostics()
    parts = _parts(written, span, diagnostics)
    place = _place(folder, parts, allow)
    if place is None:
        diagnostics.error(
            "outside-folder",
            f"{shown(written)} leads out of the folder of this file",
            span,
            notes=("whoever runs the command can allow a folder with --allow",),
        )
        raise BlueprintError(diagnostics)
    return place


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


def _place(folder: Place, parts: list[str], allow: Sequence[Path]) -> Place | None:
    """Where a path leads from a folder; None where it may not."""
    if ".." not in parts:
        return folder.inside(*parts)
    target = Path(os.path.normpath(folder.path.resolve().joinpath(*parts)))
    for allowed in (each.resolve() for each in allow):
        if target.is_relative_to(allowed):
            return Place(allowed, target.relative_to(allowed).parts)
    return None


def _unreadable(error: OSError | ValueError, path: Path) -> BlueprintError:
    """The mistake that a file cannot be read which the user names."""
    diagnostics = Diagnostics()
    span = Span(Source(str(path), ""), 1, 1, 1, 2)
    if isinstance(error, OSError):
        _report(diagnostics, error, str(path), span, _suggest(path.parent, path.name))
    else:
        diagnostics.error("unreadable-file", f"{shown(str(path))} cannot be read: {error}", span)
    return BlueprintError(diagnostics)


def _report(
    diagnostics: Diagnostics, error: OSError, written: str, span: Span, suggestion: str | None
) -> None:
    missing = error.errno == errno.ENOENT
    diagnostics.error(
        "unreadable-file",
        f"{shown(written)} cannot be read: {reason(error)}",
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
