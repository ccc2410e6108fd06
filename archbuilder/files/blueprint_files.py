"""Open the files that a user or a blueprint names.

A file that the user names on the command line may be anywhere. A file that a blueprint names has to
be below a directory. It is opened component by component from there without following links, so
that neither `..` nor a link that appears between the check and the use leads out of the directory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from archbuilder.diagnostics.errors import (
    BlueprintError,
    Diagnostics,
    UsageError,
    closest_match,
    quote,
)
from archbuilder.diagnostics.span import Span
from archbuilder.files.sandbox import SandboxPath, cannot_read, open_regular_file, read_at_most
from archbuilder.limits import Limits

# No backslash or colon, which separate paths and drives on Windows, and no control characters.
_SAFE_COMPONENT: Final = re.compile(r"[A-Za-z0-9_. -]+", re.ASCII)
_NAMES_NOTE: Final = "names may have letters from A to Z, digits, spaces, '.', '_' and '-'"
YAML_SUFFIXES: Final = (".yaml", ".yml")


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
        raise file_error(error, path, str(path), None) from None


def read_sandboxed_file(file: SandboxPath, limits: Limits) -> bytes:
    """Return the content of a file below a directory that the user names, as `read_file` does.

    Raises:
        BlueprintError: if the file cannot be read, is not a regular file, or is behind a link.
    """
    try:
        with file.open_descriptor() as descriptor:
            return read_at_most(descriptor, limits.file_bytes + 1)
    except (OSError, ValueError) as error:
        raise file_error(error, file.path, str(file.path), None) from None


def read_within(
    directory: SandboxPath,
    path_text: str,
    span: Span,
    limits: Limits,
    *,
    allow_dirs: Sequence[Path] = (),
) -> tuple[SandboxPath, bytes]:
    """Return the path and the content of a file that a blueprint names, below `directory`.

    `span` is where the blueprint names the file. A path with `..` is valid only if it leads into
    one of the directories in `allow_dirs`, which the user chose.

    Raises:
        BlueprintError: if the path leads elsewhere, or the file cannot be read.
    """
    file = resolve_within(directory, path_text, span, allow_dirs=allow_dirs)
    try:
        with file.open_descriptor() as descriptor:
            return file, read_at_most(descriptor, limits.file_bytes + 1)
    except OSError as error:
        raise file_error(error, file.path, path_text, span) from None


def resolve_within(
    directory: SandboxPath, path_text: str, span: Span, *, allow_dirs: Sequence[Path] = ()
) -> SandboxPath:
    """Return the path of a file that a blueprint names; see `read_within`.

    Raises:
        BlueprintError: if the path leads elsewhere.
    """
    diagnostics = Diagnostics()
    # Split by hand: `Path` accepts absolute paths, and backslashes on Windows. A blueprint has to
    # mean the same file on every system.
    components = [component for component in path_text.split("/") if component not in ("", ".")]
    is_absolute = path_text.startswith("/")
    if is_absolute or not components or not all(map(_SAFE_COMPONENT.fullmatch, components)):
        diagnostics.error(
            "path-outside-directory",
            f"{quote(path_text)} must be a relative path in the directory of this file, such as"
            " data/train.csv",
            span,
            notes=() if is_absolute else (_NAMES_NOTE,),
        )
        raise BlueprintError(diagnostics)
    if ".." not in components:
        return directory.joinpath(*components)
    # `normpath` removes `..` from the text alone. `Path.resolve` would follow links below the
    # directory, which may belong to a stranger.
    target = Path(os.path.normpath(directory.path.resolve().joinpath(*components)))
    # The file is then opened from the allowed directory, with no link on the way. A path with `..`
    # that stays below `directory` needs permission as well.
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


def file_error(
    error: OSError | ValueError, path: Path, path_text: str, span: Span | None
) -> BlueprintError:
    """Return the error for a file that cannot be read, with a similar name if it is missing.

    `span` is where a blueprint names it; None if the user does.
    """
    suggestion = _similar_file(path) if isinstance(error, FileNotFoundError) else None
    diagnostics = Diagnostics()
    message = cannot_read(path_text, error)
    diagnostics.error("file-error", message, span, suggestion=suggestion)
    return BlueprintError(diagnostics)


def check_exists(path: Path) -> None:
    """Check that a file or directory exists that the user names.

    Raises:
        UsageError: if it does not.
    """
    try:
        path.stat()
    except (OSError, ValueError) as error:
        raise missing_file_error(error, path) from None


def missing_file_error(error: OSError | ValueError, path: str | Path) -> UsageError:
    """Return the error for a file or directory that the user names and that cannot be read."""
    suggestion = _similar_file(Path(path)) if isinstance(error, FileNotFoundError) else None
    hint = f"; did you mean '{suggestion}'?" if suggestion else ""
    return UsageError(cannot_read(path, error) + hint)


def _similar_file(path: Path) -> str | None:
    """Return the name beside a mistyped one that is most similar to it and is of the same type."""
    # Stems, because a common suffix would make all blueprints of a directory similar. At most 1000
    # names: a directory of a dataset may have millions.
    suffixes = YAML_SUFFIXES if path.suffix in YAML_SUFFIXES else (path.suffix,)
    try:
        names = os.listdir(path.parent)[:1000]  # noqa: PTH208
    except OSError:
        return None
    names_by_stem = {Path(each).stem: each for each in names if Path(each).suffix in suffixes}
    near = closest_match(path.stem, names_by_stem)
    return None if near is None else names_by_stem[near]
