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

from archbuilder.backend.memory import machine_bytes
from archbuilder.errors import BlueprintError, Diagnostics, RunError, shown
from archbuilder.files import cannot_read, place_inside
from archbuilder.places import Place, open_named, reason
from archbuilder.recipe.sources import DataFile
from archbuilder.tables import size

_MAGIC: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Opener:
    """Reads the data files of a recipe.

    Those that a blueprint names lie in its `folder`, or in one that the person at the command line
    allows.
    """

    folder: Path = Path()
    allow: Sequence[Path] = ()
    scratch: Place | None = None
    """Where a run keeps what is made of its data."""
    room: Path | None = None
    """Where what is read may lie as long as the process lives; the system chooses without it."""

    def kept(self, name: str) -> Place | None:
        """Where the run keeps what has this name; None where no run does.

        Raises:
            RunError: if there can be no such place.
        """
        if self.scratch is None:
            return None
        try:
            self.scratch.make_directory(exist_ok=True)
        except OSError as error:
            name = shown(str(self.scratch.path), 200)
            raise RunError(f"cannot make the folder {name}: {reason(error)}") from error
        return self.scratch.inside(name)

    def reaches(self, folder: Path) -> bool:
        """Whether a blueprint may read in a folder."""
        mine = (each.resolve() for each in (self.folder, *self.allow))
        return any(folder.resolve().is_relative_to(each) for each in mine)

    def each(self, file: DataFile) -> tuple[DataFile, ...]:
        """The files that a pattern with `*`, `?` or `[...]` stands for, by alphabet; or the file.

        A pattern goes through folders one by one, and finds no hidden names.

        Raises:
            BlueprintError: if a blueprint's pattern leads where it may not, or to nothing.
            RunError: if a person's leads to nothing.
        """
        path = Path(file.path)
        if not _MAGIC.search(file.path) or (file.span is None and path.exists()):
            return (file,)
        first = next(place for place, part in enumerate(path.parts) if _MAGIC.search(part))
        base = DataFile(str(Path(*path.parts[:first])), file.span)
        ways: list[tuple[str, ...]] = [()]
        for part in path.parts[first:]:
            ways = [
                (*way, name)
                for way in ways
                for name in self.names(base, *way) or ()
                if fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))
            ]
        if not ways:
            raise self._nothing(file)
        return tuple(DataFile(str(Path(base.path, *way)), file.span) for way in ways)

    def _nothing(self, file: DataFile) -> Exception:
        message = f"there is no file {shown(file.path, 200)}"
        if file.span is None:
            return RunError(message)
        diagnostics = Diagnostics()
        diagnostics.error("unreadable-file", message, file.span)
        return BlueprintError(diagnostics)

    def names(self, folder: DataFile, *inner: str) -> list[str] | None:
        """The names in a folder, or in one within it, by alphabet; None where it is none.

        Raises:
            BlueprintError: if a blueprint names a folder that it may not, or that is not there.
            RunError: if it cannot be read.
        """
        try:
            if folder.span is None:
                path = Path(folder.path, *inner)
                return sorted(each.name for each in path.iterdir())
            place = Place(self.folder)
            if folder.path != ".":
                place = place_inside(place, folder.path, folder.span, allow=self.allow)
            return place.inside(*inner).names()
        except OSError as error:
            # A file or a link beside the folders is no folder.
            if inner and error.errno in (errno.ENOTDIR, errno.ELOOP):
                return None
            if folder.span is not None:
                raise cannot_read(error, place, folder.path, folder.span) from None
            raise RunError(
                f"cannot read {shown(folder.path, 200)}: {error.strerror or error}"
            ) from error

    @contextmanager
    def opened(self, file: DataFile, *inner: str) -> Iterator[int]:
        """The file descriptor of a data file, or of one that names lead to within a folder.

        Raises:
            BlueprintError: if a blueprint names a file that it may not, or that is not there.
            RunError: if it cannot be opened.
        """
        if file.span is None:
            descriptor = _open(Path(file.path, *inner), shown("/".join((file.path, *inner)), 200))
            try:
                yield descriptor
            finally:
                os.close(descriptor)
            return
        place = place_inside(Place(self.folder), file.path, file.span, allow=self.allow)
        place = place.inside(*inner)
        with ExitStack() as stack:
            try:
                descriptor = stack.enter_context(place.opened())
            except OSError as error:
                if not inner:
                    raise cannot_read(error, place, file.path, file.span) from None
                name = shown("/".join((file.path, *inner)), 200)
                raise RunError(f"cannot read {name}: {reason(error)}") from None
            yield descriptor


def check_size(needed: int, name: str) -> None:
    """Refuse what would fill the machine's memory.

    Raises:
        RunError: if it needs more bytes than half of it.
    """
    if needed > _most():
        raise RunError(
            f"{name} holds {size(needed)}, which is more than half of this machine's memory"
            f" ({size(machine_bytes())})"
        )


def _most() -> int:
    return machine_bytes() // 2


def _open(path: Path, name: str) -> int:
    try:
        return open_named(path)
    except OSError as error:
        raise RunError(f"cannot read {name}: {reason(error)}") from error
