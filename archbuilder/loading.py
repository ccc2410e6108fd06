"""File -> Program: reads a blueprint and, through its imports, every file that it needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archbuilder import files, source
from archbuilder.decode import decode
from archbuilder.document import Document, Import
from archbuilder.errors import BlueprintError, Diagnostics
from archbuilder.limits import Limits
from archbuilder.places import Place
from archbuilder.program import Program


def load(
    file: Path | Place, limits: Limits, diagnostics: Diagnostics, *, allow: Sequence[Path] = ()
) -> Program | None:
    """The program of a file; None where the file itself is no blueprint at all.

    A path is the user's own word, and may be a link; a place below a folder may not.

    Imports that cannot be read are reported and left out. Imported files lie below the folder of
    the file that imports them, or below one of the folders in `allow`.
    """
    return _Loader(limits, diagnostics, allow).load(file)


class _Loader:
    """Reads each file once, however often it is imported."""

    def __init__(self, limits: Limits, diagnostics: Diagnostics, allow: Sequence[Path]) -> None:
        self._limits = limits
        self._diagnostics = diagnostics
        self._allow = allow
        self._programs: dict[Path, Program | None] = {}
        self._open: list[Path] = []

    def load(self, file: Path | Place) -> Program | None:
        """The program of the file that the user named, or that lies in a folder of theirs."""
        if isinstance(file, Place):
            return self._program(file, str(file.path), files.read_place(file, self._limits))
        content = files.read_file(file, self._limits)
        return self._program(Place.of(file.resolve()), str(file), content)

    def _program(self, place: Place, name: str, content: bytes) -> Program | None:
        path = place.path
        document = self._decode(name, content)
        if document is None:
            self._programs[path] = None
            return None
        self._open.append(path)
        imports = {}
        for alias, imported in document.imports.items():
            found = self._import(imported, place.parent, Path(name).parent)
            if found is not None:
                imports[alias] = found
        self._open.pop()
        self._programs[path] = Program(document, imports)
        return self._programs[path]

    def _decode(self, name: str, content: bytes) -> Document | None:
        try:
            tree = source.read_text(content, name, self._limits)
        except BlueprintError as error:
            for diagnostic in error.diagnostics:
                self._diagnostics.add(diagnostic)
            return None
        return decode(tree, self._limits, self._diagnostics)

    def _import(self, imported: Import, folder: Place, shown_folder: Path) -> Program | None:
        """The program of an imported file; None after reporting why there is none."""
        try:
            place, content = files.read_inside(
                folder, imported.file, imported.span, self._limits, allow=self._allow
            )
        except BlueprintError as error:
            for diagnostic in error.diagnostics:
                self._diagnostics.add(diagnostic)
            return None
        path = place.path
        if path in self._open:
            self._report_cycle(path, imported)
            return None
        if path in self._programs:
            return self._programs[path]
        if not self._may_read_more(imported):
            return None
        return self._program(place, str(shown_folder / imported.file), content)

    def _report_cycle(self, path: Path, imported: Import) -> None:
        circle = [each.name for each in [*self._open[self._open.index(path) :], path]]
        self._diagnostics.error(
            "import-cycle", f"these files import each other: {' -> '.join(circle)}", imported.span
        )

    def _may_read_more(self, imported: Import) -> bool:
        limits = self._limits
        if len(self._programs) + len(self._open) >= limits.files:
            message, name = f"a blueprint imports {limits.files} files at most", "files"
        elif len(self._open) > limits.import_depth:
            message = f"files import each other {limits.import_depth} deep at most"
            name = "import_depth"
        else:
            return True
        note = f"raise it with the limit '{name}'"
        self._diagnostics.error("limit", message, imported.span, notes=(note,))
        return False
