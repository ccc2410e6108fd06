"""Loader of programs: reads a blueprint and, recursively, the files that it imports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archbuilder.diagnostics.errors import BlueprintError, Diagnostics
from archbuilder.files import blueprint_files
from archbuilder.files.sandbox import SandboxPath
from archbuilder.language.ast import Import
from archbuilder.language.modules import Program
from archbuilder.language.parser import decode_document
from archbuilder.limits import Limits
from archbuilder.yaml import reader


def load_program(
    file: Path | SandboxPath,
    limits: Limits,
    diagnostics: Diagnostics,
    *,
    allow_dirs: Sequence[Path] = (),
) -> Program | None:
    """Load a blueprint and its imports; return None if the file itself cannot be decoded.

    A `Path` comes from the user and may be a symbolic link; a `SandboxPath` may not be one.
    Imports that cannot be read are reported and left out. An imported file must be below the
    directory of the file that imports it, or below one of those in `allow_dirs`.

    Raises:
        BlueprintError: if `file` itself cannot be read.
    """
    return _ProgramLoader(limits, diagnostics, allow_dirs).load(file)


class _ProgramLoader:
    """Loads programs, each file once, no matter how often it is imported."""

    def __init__(
        self, limits: Limits, diagnostics: Diagnostics, allow_dirs: Sequence[Path]
    ) -> None:
        self._limits = limits
        self._diagnostics = diagnostics
        self._allow_dirs = allow_dirs
        # Finished files by path; None for a file with errors, so that they are reported once.
        self._programs: dict[Path, Program | None] = {}
        # Files whose imports are being loaded, the outermost first.
        self._import_stack: list[Path] = []

    def load(self, file: Path | SandboxPath) -> Program | None:
        """Load the file that the user named, and its imports."""
        if isinstance(file, SandboxPath):
            return self._load_program(
                file, str(file.path), blueprint_files.read_sandboxed_file(file, self._limits)
            )
        # The resolved path identifies the file, the one that the user gave is shown in messages.
        content = blueprint_files.read_file(file, self._limits)
        return self._load_program(SandboxPath.from_path(file.resolve()), str(file), content)

    def _load_program(self, file: SandboxPath, name: str, content: bytes) -> Program | None:
        """Decode `content` and load its imports; `name` is the path that messages show."""
        path = file.path
        try:
            tree = reader.parse_yaml(content, name, self._limits)
        except BlueprintError as error:
            # Collect instead of raising: other imports are loaded and checked as well.
            self._diagnostics.extend(error.diagnostics)
            document = None
        else:
            document = decode_document(tree, self._limits, self._diagnostics)
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
        self._programs[path] = Program(document, imports, file.parent, tuple(self._allow_dirs))
        return self._programs[path]

    def _load_import(
        self, imported: Import, folder: SandboxPath, display_folder: Path
    ) -> Program | None:
        """Load an imported file; report an error and return None if that is not possible."""
        try:
            file, content = blueprint_files.read_within(
                folder, imported.file, imported.span, self._limits, allow_dirs=self._allow_dirs
            )
        except BlueprintError as error:
            self._diagnostics.extend(error.diagnostics)
            return None
        path = file.path
        # Before the cache: a file of the stack has no entry there yet, and would be loaded again.
        if path in self._import_stack:
            cycle = [*self._import_stack[self._import_stack.index(path) :], path]
            self._diagnostics.error(
                "import-cycle",
                f"these files import each other: {' -> '.join(each.name for each in cycle)}",
                imported.span,
            )
            return None
        if path in self._programs:
            return self._programs[path]
        limits = self._limits
        # Files enter `_programs` when they are finished, so no file is counted twice.
        if len(self._programs) + len(self._import_stack) >= limits.files:
            message, name = f"a blueprint can import at most {limits.files} files", "files"
        elif len(self._import_stack) > limits.import_depth:
            message = f"imports can be nested at most {limits.import_depth} deep"
            name = "import_depth"
        else:
            return self._load_program(file, str(display_folder / imported.file), content)
        self._diagnostics.limit_error(name, message, imported.span)
        return None
