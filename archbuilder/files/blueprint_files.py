"""Open the files that a user or a blueprint names.

A file that the user names on the command line may be anywhere. A file that a blueprint names has to
be below a directory. It is opened component by component from there without following links, so
that neither `..` nor a link that appears between the check and the use leads out of the directory.
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

# No backslash or colon, which separate paths and drives on Windows, and no control characters.
_SAFE_COMPONENT: Final = re.compile(r"[A-Za-z0-9_. -]+", re.ASCII)


def read_file(path: Path, limits: Limits) -> bytes:
    """Return the content of a file that the user names.

    Reads at most one byte more than `limits.file_bytes`, which tells the caller that the file is
    too large.

    Raises:
        BlueprintError: if the file cannot be read, or is not a regular file.
    """
    try:
        descriptor = open_regular_file(path)
        try:
            return read_at_most(descriptor, limits.file_bytes + 1)
        finally:
            os.close(descriptor)
    # ValueError: `os.open` raises it for a null character in the path.
    except (OSError, ValueError) as error:
        raise _unreadable(error, path) from None


def read_sandboxed_file(file: SandboxPath, limits: Limits) -> bytes:
    """Return the content of a file below a directory that the user names, as `read_file` does.

    Raises:
        BlueprintError: if the file cannot be read, is not a regular file, or is behind a link.
    """
    try:
        with file.open_descriptor() as descriptor:
            return read_at_most(descriptor, limits.file_bytes + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(error, file.path) from None


def read_within(
    folder: SandboxPath,
    path_text: str,
    span: Span,
    limits: Limits,
    *,
    allow_dirs: Sequence[Path] = (),
) -> tuple[SandboxPath, bytes]:
    """Return the path and the content of a file that a blueprint names, below `folder`.

    `span` is where the blueprint names the file. A path with `..` is valid only if it leads into
    one of the directories in `allow_dirs`, which the user chose.

    Raises:
        BlueprintError: if the path leads elsewhere, or the file cannot be read.
    """
    file = resolve_within(folder, path_text, span, allow_dirs=allow_dirs)
    try:
        with file.open_descriptor() as descriptor:
            return file, read_at_most(descriptor, limits.file_bytes + 1)
    except OSError as error:
        raise file_error(error, file, path_text, span) from None


def resolve_within(
    folder: SandboxPath, path_text: str, span: Span, *, allow_dirs: Sequence[Path] = ()
) -> SandboxPath:
    """Return the path of a file that a blueprint names; see `read_within`.

    Raises:
        BlueprintError: if the path leads elsewhere.
    """
    diagnostics = Diagnostics()
    # Split by hand: `Path` accepts absolute paths, and backslashes on Windows. A blueprint has to
    # mean the same file on every system.
    components = [component for component in path_text.split("/") if component not in ("", ".")]
    if (
        path_text.startswith("/")
        or not components
        or not all(map(_SAFE_COMPONENT.fullmatch, components))
    ):
        diagnostics.error(
            "path-outside-directory",
            f"{quote(path_text)} must be a relative path of plain names",
            span,
            notes=("write a path below the directory of this file, such as data/train.csv",),
        )
        raise BlueprintError(diagnostics)
    if ".." not in components:
        return folder.joinpath(*components)
    # `normpath` removes `..` from the text alone. `Path.resolve` would follow links below the
    # directory, which may belong to a stranger.
    target = Path(os.path.normpath(folder.path.resolve().joinpath(*components)))
    # The file is then opened from the allowed directory, with no link on the way. A path with `..`
    # that stays below `folder` needs permission as well.
    for allowed in (each.resolve() for each in allow_dirs):
        if target.is_relative_to(allowed):
            return SandboxPath(allowed, target.relative_to(allowed).parts)
    diagnostics.error(
        "path-outside-directory",
        f"{quote(path_text)} leads out of the directory of this file",
        span,
        notes=("allow another directory with --allow-dir",),
    )
    raise BlueprintError(diagnostics)


def file_error(error: OSError, file: SandboxPath, path_text: str, span: Span) -> BlueprintError:
    """Return the error for a file of a blueprint that cannot be opened, with a similar name."""
    diagnostics = Diagnostics()
    path = file.path
    _report(diagnostics, error, path_text, span, _suggest(path.parent, path.name))
    return BlueprintError(diagnostics)


def _unreadable(error: OSError | ValueError, path: Path) -> BlueprintError:
    """Return the error for a file that the user names and that cannot be read."""
    diagnostics = Diagnostics()
    # The file has no text to point at: the span carries its name.
    span = Span(SourceText(str(path), ""), 1, 1, 1, 2)
    if isinstance(error, OSError):
        _report(diagnostics, error, str(path), span, _suggest(path.parent, path.name))
    else:
        diagnostics.error("file-error", f"{quote(str(path))} cannot be read: {error}", span)
    return BlueprintError(diagnostics)


def _report(
    diagnostics: Diagnostics, error: OSError, path_text: str, span: Span, suggestion: str | None
) -> None:
    missing = error.errno == errno.ENOENT
    diagnostics.error(
        "file-error",
        f"{quote(path_text)} cannot be read: {os_error_reason(error)}",
        span,
        suggestion=suggestion if missing else None,
    )


def _suggest(folder: Path, name: str) -> str | None:
    """Return the file in a directory whose stem is most similar to that of a mistyped name."""
    # Stems, because a common suffix would make all blueprints of a directory similar. At most 1000
    # names: a directory of a dataset may have millions.
    try:
        files = {Path(each).stem: each for each in os.listdir(folder)[:1000]}  # noqa: PTH208
    except OSError:
        return None
    near = closest_match(Path(name).stem, files)
    return None if near is None else files[near]
