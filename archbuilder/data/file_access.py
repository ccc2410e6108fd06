"""Access to data files, confined to allowed directories if a blueprint names them."""

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

from archbuilder.config.data_sandbox import DataSandbox
from archbuilder.config.sources import DataPath
from archbuilder.diagnostics.errors import (
    ArchbuilderError,
    BlueprintError,
    Diagnostics,
    RunError,
    UsageError,
    quote,
)
from archbuilder.files import path_status
from archbuilder.files.blueprint_files import file_error, missing_file_error, resolve_within
from archbuilder.files.sandbox import (
    SandboxPath,
    cannot_read,
    open_regular_file,
    os_error_reason,
)
from archbuilder.formatting import format_bytes
from archbuilder.keras_backend.machine_memory import total_memory

_GLOB_CHARS: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class DataFileOpener:
    """Finds and opens the data files of a recipe.

    A `DataPath` with a span comes from a blueprint, which may be a stranger's: it must be in
    `directory` or in one of `allow_dirs`, without links. One without a span comes from the user,
    and may be anywhere. With a `sandbox`, every path must be in that as well, without links.
    """

    directory: Path = Path()
    """The directory of the blueprint."""
    allow_dirs: Sequence[Path] = ()
    """More directories that the user allows the blueprint to read from."""
    cache_dir: SandboxPath | None = None
    """Directory in which a run keeps preprocessed data, such as tokens."""
    spill_dir: Path | None = None
    """Directory for temporary files of the process; None for that of the system."""
    sandbox: DataSandbox | None = None
    """The directories that all data has to be in if another user may have chosen it."""

    def cache_path(self, name: str) -> SandboxPath | None:
        """Return the path of a file in the cache directory, or None if there is no cache.

        Raises:
            RunError: if the directory cannot be created.
        """
        if self.cache_dir is None:
            return None
        try:
            self.cache_dir.make_directory(exist_ok=True)
        except OSError as error:
            name = quote(str(self.cache_dir.path), 200)
            raise RunError(
                f"cannot create the directory {name}: {os_error_reason(error)}"
            ) from error
        return self.cache_dir.joinpath(name)

    def is_allowed(self, directory: Path) -> bool:
        """Return whether a blueprint may read from a directory."""
        if self.sandbox is not None:
            return self.sandbox.contains(directory)
        allowed = (each.resolve() for each in (self.directory, *self.allow_dirs))
        return any(directory.resolve().is_relative_to(each) for each in allowed)

    def match_files(self, file: DataPath) -> tuple[DataPath, ...]:
        """Return the files that match a pattern with `*`, `?` or `[...]`, in alphabetical order.

        Hidden files match only a pattern that begins with a dot. A path without such characters is
        returned as it is.

        Raises:
            BlueprintError: if the pattern of a blueprint leaves the allowed directories, or matches
                nothing.
            UsageError: if the pattern of a user matches nothing.
        """
        path = Path(file.path)
        # A user may name a file that has these characters in its name.
        if not _GLOB_CHARS.search(file.path) or (file.span is None and path_status.exists(path)):
            return (file,)
        first = next(
            index for index, pattern in enumerate(path.parts) if _GLOB_CHARS.search(pattern)
        )
        base = DataPath(str(Path(*path.parts[:first])), file.span)
        # Not Path.glob: it follows links, which may lead out of the directory of a blueprint.
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
            message = f"no file matches {quote(file.path, 200)}"
            if file.span is None:
                raise UsageError(message)
            diagnostics = Diagnostics()
            diagnostics.error("file-error", message, file.span)
            raise BlueprintError(diagnostics)
        return tuple(DataPath(str(Path(base.path, *parts)), file.span) for parts in matches)

    def list_dir(self, directory: DataPath, *inner: str) -> list[str] | None:
        """Return the names in a directory in alphabetical order.

        With `inner`, a path below `directory`, the result is None if that is not a directory.

        Raises:
            BlueprintError: if a blueprint names a directory that is missing or not allowed.
            UsageError: if a user names one that cannot be read.
            RunError: if a directory in it cannot be read.
        """
        sandbox_path = self._sandbox_path(directory)
        try:
            if sandbox_path is None:
                path = Path(directory.path, *inner)
                return sorted(each.name for each in path.iterdir())
            return sandbox_path.joinpath(*inner).list_names()
        except OSError as error:
            # ENOTDIR: a file. ELOOP: a link, which is not followed below a blueprint.
            if inner and error.errno in (errno.ENOTDIR, errno.ELOOP):
                return None
            # A user's links are followed. This one leads to nothing, so it is no directory.
            is_missing = bool(inner) and sandbox_path is None and error.errno == errno.ENOENT
            if is_missing and Path(directory.path, *inner).is_symlink():
                return None
            raise self._read_error(error, directory, *inner) from error

    @contextmanager
    def open_file(self, file: DataPath, *inner: str) -> Iterator[int]:
        """Open a data file, or the file `inner` below a directory; yield its file descriptor.

        Raises:
            BlueprintError: if a blueprint names a file that is missing or not allowed.
            UsageError: if a user names one that cannot be opened.
            RunError: if a file below a directory cannot be opened: the caller may skip it.
        """
        file_path = self._sandbox_path(file)
        if file_path is None:
            try:
                # Links are followed: DVC, git-annex and the Hugging Face cache consist of them.
                descriptor = open_regular_file(Path(file.path, *inner))
            except OSError as error:
                raise self._read_error(error, file, *inner) from error
            try:
                yield descriptor
            finally:
                os.close(descriptor)
            return
        with ExitStack() as stack:
            try:
                descriptor = stack.enter_context(file_path.joinpath(*inner).open_descriptor())
            except OSError as error:
                if inner:
                    raise RunError(cannot_read(str(Path(file.path, *inner)), error)) from error
                raise self._read_error(error, file) from error
            yield descriptor

    def _read_error(self, error: OSError, file: DataPath, *inner: str) -> ArchbuilderError:
        name = str(Path(file.path, *inner))
        if file.span is not None:
            return file_error(error, self.directory / name, name, file.span)
        # Whoever names a directory does not name what is in it.
        return RunError(cannot_read(name, error)) if inner else missing_file_error(error, name)

    def _sandbox_path(self, file: DataPath) -> SandboxPath | None:
        """Return the path to open without following links; None for a user's, opened as it is.

        Every data file and directory is opened by way of this: whether it may be read is decided
        here, after patterns are expanded.

        Raises:
            BlueprintError: if a blueprint names what it may not.
            UsageError: if another user chose what lies outside the sandbox.
            RunError: if no file can have that path.
        """
        # In the record of a run, any text may be a path. The system calls raise a ValueError.
        if "\0" in file.path:
            raise RunError(f"invalid file name {quote(file.path, 200)}")
        if file.span is None:
            return None if self.sandbox is None else self.sandbox.resolve(Path(file.path))
        path = SandboxPath(self.directory)
        if file.path != ".":
            path = resolve_within(path, file.path, file.span, allow_dirs=self.allow_dirs)
        if self.sandbox is None:
            return path
        # `directory` and `allow_dirs` are from the record of the run as well.
        return self.sandbox.resolve(path.root).joinpath(*path.parts)


def check_fits_in_memory(num_bytes: int, name: str) -> None:
    """Check that data takes no more than half of the memory of this machine.

    Raises:
        RunError: if it takes more.
    """
    # The other half is for the model, its gradients and batches, and temporary copies.
    if num_bytes > total_memory() // 2:
        raise RunError(
            f"{name} holds {format_bytes(num_bytes)}, which is more than half of this machine's"
            " memory"
            f" ({format_bytes(total_memory())})"
        )
