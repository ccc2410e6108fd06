"""File -> Program: reads a blueprint and, through its imports, every file that it needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archbuilder.diagnostics.errors import BlueprintError, Diagnostics
from archbuilder.files import blueprint_files
from archbuilder.files.sandbox import SandboxPath
from archbuilder.language.ast import Document, Import
from archbuilder.language.modules import Program
from archbuilder.language.parser import decode_document
from archbuilder.limits import Limits
from archbuilder.yaml import reader


def load_program(
    file: Path | SandboxPath,
    limits: Limits,
    diagnostics: Diagnostics,
    *,
    allow: Sequence[Path] = (),
) -> Program | None:
    """The program of a file; None where the file itself is no blueprint at all.

    A path is the user's own word, and may be a link; a place below a folder may not.

    Imports that cannot be read are reported and left out. Imported files lie below the folder of
    the file that imports them, or below one of the folders in `allow`.
    """
    return _ProgramLoader(limits, diagnostics, allow).load(file)


class _ProgramLoader:
    """Reads each file once, however often it is imported."""

    def __init__(self, limits: Limits, diagnostics: Diagnostics, allow: Sequence[Path]) -> None:
        self._limits = limits
        self._diagnostics = diagnostics
        self._allow = allow
        self._programs: dict[Path, Program | None] = {}
        self._import_stack: list[Path] = []

    def load(self, file: Path | SandboxPath) -> Program | None:
        """The program of the file that the user named, or that lies in a folder of theirs."""
        if isinstance(file, SandboxPath):
            return self._load_program(
                file, str(file.path), blueprint_files.read_sandboxed_file(file, self._limits)
            )
        content = blueprint_files.read_file(file, self._limits)
        return self._load_program(SandboxPath.from_path(file.resolve()), str(file), content)

    def _load_program(self, file: SandboxPath, name: str, content: bytes) -> Program | None:
        path = file.path
        document = self._decode(name, content)
        if document is None:
            self._programs[path] = None
            return None
        self._import_stack.append(path)
        imports = {}
        for alias, imported in document.imports.items():
            program = self._load_import(imported, file.parent, Path(name).parent)
            if program is not None:
                imports[alias] = program
        self._import_stack.pop()
        self._programs[path] = Program(document, imports)
        return self._programs[path]

    def _decode(self, name: str, content: bytes) -> Document | None:
        try:
            tree = reader.parse_yaml(content, name, self._limits)
        except BlueprintError as error:
            for diagnostic in error.diagnostics:
                self._diagnostics.add(diagnostic)
            return None
        return decode_document(tree, self._limits, self._diagnostics)

    def _load_import(
        self, imported: Import, folder: SandboxPath, display_folder: Path
    ) -> Program | None:
        """The program of an imported file; None after reporting why there is none."""
        try:
            file, content = blueprint_files.read_within(
                folder, imported.file, imported.span, self._limits, allow=self._allow
            )
        except BlueprintError as error:
            for diagnostic in error.diagnostics:
                self._diagnostics.add(diagnostic)
            return None
        path = file.path
        if path in self._import_stack:
            self._report_cycle(path, imported)
            return None
        if path in self._programs:
            return self._programs[path]
        if not self._check_import_limits(imported):
            return None
        return self._load_program(file, str(display_folder / imported.file), content)

    def _report_cycle(self, path: Path, imported: Import) -> None:
        cycle = [
            each.name for each in [*self._import_stack[self._import_stack.index(path) :], path]
        ]
        self._diagnostics.error(
            "import-cycle", f"these files import each other: {' -> '.join(cycle)}", imported.span
        )

    def _check_import_limits(self, imported: Import) -> bool:
        limits = self._limits
        if len(self._programs) + len(self._import_stack) >= limits.files:
            message, name = f"a blueprint imports {limits.files} files at most", "files"
        elif len(self._import_stack) > limits.import_depth:
            message = f"files import each other {limits.import_depth} deep at most"
            name = "import_depth"
        else:
            return True
        note = f"raise it with the limit '{name}'"
        self._diagnostics.error("limit", message, imported.span, notes=(note,))
        return False
