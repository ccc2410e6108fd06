"""Opens data files: those of a blueprint in its own folder alone, those of a person anywhere."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from archbuilder.config.sources import DataPath
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics, RunError, quote
from archbuilder.files.blueprint_files import file_error, resolve_within
from archbuilder.files.sandbox import SandboxPath, open_regular_file, os_error_reason
from archbuilder.formatting import format_bytes
from archbuilder.keras_backend.machine_memory import total_memory

_GLOB_CHARS: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class DataFileOpener:
    """Reads the data files of a recipe.

    Those that a blueprint names lie in its `folder`, or in one that the person at the command line
    allows.
    """

    folder: Path = Path()
    allow: Sequence[Path] = ()
    cache_dir: SandboxPath | None = None
    """Where a run keeps what is made of its data."""
    spill_dir: Path | None = None
    """Where what is read may lie as long as the process lives; the system chooses without it."""

    def cache_path(self, name: str) -> SandboxPath | None:
        """Where the run keeps what has this name; None where no run does.

        Raises:
            RunError: if there can be no such place.
        """
        if self.cache_dir is None:
            return None
        try:
            self.cache_dir.make_directory(exist_ok=True)
        except OSError as error:
            name = quote(str(self.cache_dir.path), 200)
            raise RunError(f"cannot make the folder {name}: {os_error_reason(error)}") from error
        return self.cache_dir.joinpath(name)

    def is_allowed(self, folder: Path) -> bool:
        """Whether a blueprint may read in a folder."""
        allowed = (each.resolve() for each in (self.folder, *self.allow))
        return any(folder.resolve().is_relative_to(each) for each in allowed)

    def match_files(self, file: DataPath) -> tuple[DataPath, ...]:
        """The files that a pattern with `*`, `?` or `[...]` stands for, by alphabet; or the file.

        A pattern goes through folders one by one, and finds no hidden names.

        Raises:
            BlueprintError: if a blueprint's pattern leads where it may not, or to nothing.
            RunError: if a person's leads to nothing.
        """
        path = Path(file.path)
        if not _GLOB_CHARS.search(file.path) or (file.span is None and path.exists()):
            return (file,)
        first = next(
            index for index, pattern in enumerate(path.parts) if _GLOB_CHARS.search(pattern)
        )
        base = DataPath(str(Path(*path.parts[:first])), file.span)
        matches: list[tuple[str, ...]] = [()]
        for component in path.parts[first:]:
            matches = [
                (*parents, name)
                for parents in matches
                for name in self.list_dir(base, *parents) or ()
                if fnmatchcase(name, component)
                and (component.startswith(".") or not name.startswith("."))
            ]
        if not matches:
            raise self._no_match_error(file)
        return tuple(DataPath(str(Path(base.path, *parts)), file.span) for parts in matches)

    def _no_match_error(self, file: DataPath) -> Exception:
        message = f"there is no file {quote(file.path, 200)}"
        if file.span is None:
            return RunError(message)
        diagnostics = Diagnostics()
        diagnostics.error("unreadable-file", message, file.span)
        return BlueprintError(diagnostics)

    def list_dir(self, folder: DataPath, *inner: str) -> list[str] | None:
        """The names in a folder, or in one within it, by alphabet; None where it is none.

        Raises:
            BlueprintError: if a blueprint names a folder that it may not, or that is not there.
            RunError: if it cannot be read.
        """
        try:
            if folder.span is None:
                path = Path(folder.path, *inner)
                return sorted(each.name for each in path.iterdir())
            directory = SandboxPath(self.folder)
            if folder.path != ".":
                directory = resolve_within(directory, folder.path, folder.span, allow=self.allow)
            return directory.joinpath(*inner).list_names()
        except OSError as error:
            # A file or a link beside the folders is no folder.
            if inner and error.errno in (errno.ENOTDIR, errno.ELOOP):
                return None
            if folder.span is not None:
                raise file_error(error, directory, folder.path, folder.span) from None
            raise RunError(
                f"cannot read {quote(folder.path, 200)}: {error.strerror or error}"
            ) from error

    @contextmanager
    def open_file(self, file: DataPath, *inner: str) -> Iterator[int]:
        """The file descriptor of a data file, or of one that names lead to within a folder.

        Raises:
            BlueprintError: if a blueprint names a file that it may not, or that is not there.
            RunError: if it cannot be opened.
        """
        if file.span is None:
            descriptor = _open_file(
                Path(file.path, *inner), quote("/".join((file.path, *inner)), 200)
            )
            try:
                yield descriptor
            finally:
                os.close(descriptor)
            return
        file_path = resolve_within(SandboxPath(self.folder), file.path, file.span, allow=self.allow)
        file_path = file_path.joinpath(*inner)
        with ExitStack() as stack:
            try:
                descriptor = stack.enter_context(file_path.open_descriptor())
            except OSError as error:
                if not inner:
                    raise file_error(error, file_path, file.path, file.span) from None
                name = quote("/".join((file.path, *inner)), 200)
                raise RunError(f"cannot read {name}: {os_error_reason(error)}") from None
            yield descriptor


def check_fits_in_memory(num_bytes: int, name: str) -> None:
    """Refuse what would fill the machine's memory.

    Raises:
        RunError: if it needs more bytes than half of it.
    """
    if num_bytes > _memory_limit():
        raise RunError(
            f"{name} holds {format_bytes(num_bytes)}, which is more than half of this machine's"
            " memory"
            f" ({format_bytes(total_memory())})"
        )


def _memory_limit() -> int:
    return total_memory() // 2


def _open_file(path: Path, name: str) -> int:
    try:
        return open_regular_file(path)
    except OSError as error:
        raise RunError(f"cannot read {name}: {os_error_reason(error)}") from error
