"""What commands read of the folder of a run before they import TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from archbuilder.cli.options import Wanted
from archbuilder.errors import UsageError, shown
from archbuilder.graph import Graph
from archbuilder.recipe.record import BLUEPRINT, Recorded, read_record


@dataclass(frozen=True, slots=True)
class Run:
    """What a run was begun with."""

    name: str
    graphs: Mapping[str, Graph]
    recorded: Recorded
    text: str
    """The blueprint with everything resolved."""
    file: Path | None = None
    """The blueprint as a person wrote it."""


def read_run(folder: Path, wanted: Wanted) -> Run:
    """The blueprint and the recipe of a run.

    Raises:
        UsageError: if it is not the folder of a run.
        BlueprintError: with the mistakes in what it was begun with.
    """
    path = folder / BLUEPRINT
    if not path.is_file():
        raise UsageError(f"{shown(str(folder), 200)} is not the folder of a run")
    loaded = wanted.load(path)
    graphs = loaded.graphs()
    recorded = read_record(folder, graphs, wanted.limits)
    return Run(loaded.name, graphs, recorded, path.read_text(encoding="utf-8"))
