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

from archbuilder.diagnostics.errors import BlueprintError, Diagnostics, closest_match, quote
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.files.sandbox import SandboxPath, open_regular_file, os_error_reason, read_at_most
from archbuilder.limits import Limits

_SAFE_COMPONENT: Final = re.compile(r"[A-Za-z0-9_. -]+", re.ASCII)


def read_file(path: Path, limits: Limits) -> bytes:
    """The content of a file that the user names; a byte more than `limits` allow at most.

    Raises:
        BlueprintError: when it cannot be read, or is no ordinary file.
    """
    try:
        descriptor = open_regular_file(path)
        try:
            return read_at_most(descriptor, limits.file_bytes + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise _unreadable(error, path) from None


def read_sandboxed_file(file: SandboxPath, limits: Limits) -> bytes:
    """The same of a file below a folder that the user names, to which no link may lead.

    Raises:
        BlueprintError: when it cannot be read, or is no ordinary file.
    """
    try:
        with file.open_descriptor() as descriptor:
            return read_at_most(descriptor, limits.file_bytes + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(error, file.path) from None


def read_within(
    folder: SandboxPath, path_text: str, span: Span, limits: Limits, *, allow: Sequence[Path] = ()
) -> tuple[SandboxPath, bytes]:
    """The place and content of a file that a blueprint names, which lies below `folder`.

    `span` is where it names the file. A path that leads out of the folder is taken only if it
    leads into one of the folders in `allow`, which the user chose.

    Raises:
        BlueprintError: when the path leads elsewhere, or the file cannot be read.
    """
    file = resolve_within(folder, path_text, span, allow=allow)
    try:
        with file.open_descriptor() as descriptor:
            return file, read_at_most(descriptor, limits.file_bytes + 1)
    except OSError as error:
        raise file_error(error, file, path_text, span) from None


def resolve_within(
    folder: SandboxPath, path_text: str, span: Span, *, allow: Sequence[Path] = ()
) -> SandboxPath:
    """Where the file lies that a blueprint names; see `read_inside`.

    Raises:
        BlueprintError: when the path leads elsewhere.
    """
    diagnostics = Diagnostics()
    components = _split_path(path_text, span, diagnostics)
    file = _resolve(folder, components, allow)
    if file is None:
        diagnostics.error(
            "outside-folder",
            f"{quote(path_text)} leads out of the folder of this file",
            span,
            notes=("whoever runs the command can allow a folder with --allow",),
        )
        raise BlueprintError(diagnostics)
    return file


def file_error(error: OSError, file: SandboxPath, path_text: str, span: Span) -> BlueprintError:
    """The mistake that a file cannot be opened which a blueprint names, with a likely other one."""
    diagnostics = Diagnostics()
    path = file.path
    _report(diagnostics, error, path_text, span, _suggest(path.parent, path.name))
    return BlueprintError(diagnostics)


def _split_path(path_text: str, span: Span, diagnostics: Diagnostics) -> list[str]:
    """The components of a path; raises for what is no relative path of plain names."""
    components = [component for component in path_text.split("/") if component not in ("", ".")]
    if (
        path_text.startswith("/")
        or not components
        or not all(map(_SAFE_COMPONENT.fullmatch, components))
    ):
        diagnostics.error(
            "outside-folder",
            f"{quote(path_text)} is no relative path of plain names",
            span,
            notes=("write a path below the folder of this file, such as data/train.csv",),
        )
        raise BlueprintError(diagnostics)
    return components


def _resolve(
    folder: SandboxPath, components: list[str], allow: Sequence[Path]
) -> SandboxPath | None:
    """Where a path leads from a folder; None where it may not."""
    if ".." not in components:
        return folder.joinpath(*components)
    target = Path(os.path.normpath(folder.path.resolve().joinpath(*components)))
    for allowed in (each.resolve() for each in allow):
        if target.is_relative_to(allowed):
            return SandboxPath(allowed, target.relative_to(allowed).parts)
    return None


def _unreadable(error: OSError | ValueError, path: Path) -> BlueprintError:
    """The mistake that a file cannot be read which the user names."""
    diagnostics = Diagnostics()
    span = Span(SourceText(str(path), ""), 1, 1, 1, 2)
    if isinstance(error, OSError):
        _report(diagnostics, error, str(path), span, _suggest(path.parent, path.name))
    else:
        diagnostics.error("unreadable-file", f"{quote(str(path))} cannot be read: {error}", span)
    return BlueprintError(diagnostics)


def _report(
    diagnostics: Diagnostics, error: OSError, path_text: str, span: Span, suggestion: str | None
) -> None:
    missing = error.errno == errno.ENOENT
    diagnostics.error(
        "unreadable-file",
        f"{quote(path_text)} cannot be read: {os_error_reason(error)}",
        span,
        suggestion=suggestion if missing else None,
    )


def _suggest(folder: Path, name: str) -> str | None:
    """The file that a mistyped name most likely stands for; endings alone are no likeness."""
    try:
        files = {Path(each).stem: each for each in os.listdir(folder)[:1000]}  # noqa: PTH208
    except OSError:
        return None
    near = closest_match(Path(name).stem, files)
    return None if near is None else files[near]
