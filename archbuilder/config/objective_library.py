"""Objectives in files, and those of the library, as commands list and show them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from archbuilder import zoo
from archbuilder.compiler.semantic_check import check_program
from archbuilder.diagnostics.errors import Diagnostics, UsageError, did_you_mean, quote
from archbuilder.files import path_status
from archbuilder.files.blueprint_files import YAML_SUFFIXES
from archbuilder.files.sandbox import SandboxPath
from archbuilder.language.import_loader import load_program
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import to_plain

DIRECTORY: Final = "objectives/"
"""Prefix of an objective whose name a blueprint of the library has too."""


@dataclass(frozen=True, slots=True)
class ObjectiveParameter:
    """A parameter of an objective; `default` is None, and `is_required` true, without a default."""

    name: str
    default: PlainData
    is_required: bool
    description: str


@dataclass(frozen=True, slots=True)
class ObjectiveFile:
    """An objective in a file, which is `text`, with the names of its networks and columns.

    It has no networks or columns where it takes those of a blueprint.
    """

    name: str
    title: str
    description: str
    references: tuple[str, ...]
    networks: tuple[str, ...]
    columns: tuple[str, ...]
    parameters: tuple[ObjectiveParameter, ...]
    path: str
    text: str

    def to_dict(self) -> dict[str, PlainData]:
        """Return the fields for JSON."""
        return asdict(self)


def library_objectives() -> tuple[ObjectiveFile, ...]:
    """Return the objectives of the library in alphabetical order."""
    files = [find_objective(DIRECTORY + name, Limits()) for name in zoo.objective_names()]
    return tuple(each for each in files if each is not None)


def find_objective(argument: str, limits: Limits) -> ObjectiveFile | None:
    """Return the objective of `objectives/gan`, `byol` or `mine.yaml`.

    The result is None for a blueprint, and for a file in which no objective was found.

    Raises:
        BlueprintError: if the file cannot be read, or has an objective and errors.
        UsageError: if the library has no objective of this name in `objectives/`.
    """
    if argument.endswith(YAML_SUFFIXES):
        path: Path | None = Path(argument) if path_status.exists(argument) else None
    elif argument in zoo.names() or path_status.exists(argument):
        path = None
    else:
        name = argument.removeprefix(DIRECTORY)
        path = zoo.find_objective(name)
        if path is None and name != argument:
            otherwise = "'archbuilder list --objectives' lists them"
            hint = did_you_mean(name, zoo.objective_names(), otherwise)
            raise UsageError(f"the library has no objective {quote(name)}; {hint}")
    if path is None:
        return None
    diagnostics = Diagnostics()
    program = load_program(SandboxPath.from_path(path), limits, diagnostics)
    if program is None or program.document.objective is None or program.document.networks:
        return None
    check_program(program, limits, diagnostics)
    diagnostics.raise_errors()
    document, objective = program.document, program.document.objective
    return ObjectiveFile(
        path.stem,
        document.title,
        document.description,
        document.references,
        tuple(each.name for each in objective.networks),
        tuple(each.name for each in objective.columns or ()),
        tuple(
            ObjectiveParameter(
                each.name,
                None if each.default is None else to_plain(each.default.tree),
                each.required,
                each.description,
            )
            for each in document.params.values()
        ),
        str(path),
        document.span.source.text,
    )
