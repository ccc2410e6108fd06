"""The whole of a run: read the examples, choose the devices, train, save, and keep a record."""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import keras
import numpy as np
import tensorflow as tf

from archbuilder.backend.saving import save_model
from archbuilder.errors import ArchbuilderError
from archbuilder.graph import Graph
from archbuilder.limits import Limits
from archbuilder.recipe.spec import (
    Csv,
    DataFile,
    DataSpec,
    Digits,
    Idx,
    Npz,
    Ridge,
    Supervised,
    TrainingSpec,
)
from archbuilder.training.distribution import place
from archbuilder.training.objectives import OBJECTIVES
from archbuilder.training.opening import Opener
from archbuilder.training.run import Row, RunFolder
from archbuilder.training.session import Outcome, Session
from archbuilder.training.sources import load_source
from archbuilder.training.watching import Report, told
from archbuilder.tree import Mapping as MappingTree
from archbuilder.tree import Plain, Scalar, plain
from archbuilder.tree import Sequence as SequenceTree
from archbuilder.version import __version__


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the networks of a run come from, for the run's folder to tell."""

    blueprint: str = ""
    """The blueprint with everything resolved, as text."""
    command: tuple[str, ...] = ()
    """The command line."""
    allow: Sequence[Path] = ()
    """Folders that its data files may lie in, beside its own."""


@dataclass(frozen=True, slots=True, eq=False)
class RunResult:
    """What came of a run."""

    folder: Path
    models: Mapping[str, keras.Model]
    """The trained networks by name."""
    files: Mapping[str, Path]
    """Where they were saved."""
    history: tuple[Row, ...]
    """The numbers of every epoch."""
    held_out: Row
    """The numbers of the held-out examples after the last epoch; empty where none were."""


def train(
    graphs: Mapping[str, Graph],
    data: DataSpec,
    training: TrainingSpec,
    run: RunFolder,
    *,
    origin: Origin | None = None,
    limits: Limits | None = None,
    report: Report = print,
) -> RunResult:
    """Train the networks of a blueprint, and save them in the folder of the run.

    `report` is given each line that the user should see while it goes on. The seed decides the
    first weights, the order of the examples and which of them are held out.

    Raises:
        BlueprintError: if a network does not fit the machine, or names a file that it may not.
        UsageError: if the objective cannot train these networks.
        RunError: if the data is missing, damaged or does not fit, or the training fails.
    """
    origin = origin or Origin()
    record = _record(data, training, origin)
    if origin.blueprint:
        run.write_text("blueprint.yaml", origin.blueprint)
    run.write_json("run.json", record)
    begun = time.monotonic()
    try:
        placement = place(training.distribute, training.batch_size)
        report(f"devices: {placement.remark}")
        record["devices"] = placement.remark
        opener = Opener(data.folder or Path(), origin.allow)
        examples = load_source(data.train, opener)
        validation = load_source(data.validation, opener) if data.validation else None
        keras.utils.set_random_seed(training.seed)
        objective = OBJECTIVES[type(training.objective)]
        outcome = objective(
            Session(
                graphs,
                examples,
                validation,
                training,
                placement,
                limits or Limits(),
                run,
                report,
            )
        )
        files = _save(outcome, run)
    except ArchbuilderError as error:
        run.write_json("run.json", {**record, "status": "failed", "reason": str(error)})
        raise
    except KeyboardInterrupt:
        run.write_json("run.json", {**record, "status": "interrupted"})
        raise
    record["seconds"] = round(time.monotonic() - begun, 1)
    record["held_out"] = dict(outcome.held_out)
    run.write_json("run.json", {**record, "status": "finished"})
    _tell(outcome, files, report)
    return RunResult(run.path, outcome.models, files, outcome.history, outcome.held_out)


def _save(outcome: Outcome, run: RunFolder) -> dict[str, Path]:
    files = {name: run.model_file(name) for name in outcome.models}
    for name, model in outcome.models.items():
        save_model(model, files[name])
    return files


def _tell(outcome: Outcome, files: Mapping[str, Path], report: Report) -> None:
    if outcome.held_out:
        report(f"held out: {told(outcome.held_out)}")
    for path in files.values():
        report(f"saved: {path}")


def _record(data: DataSpec, training: TrainingSpec, origin: Origin) -> dict[str, Plain]:
    """What `run.json` says from the start."""
    return {
        "status": "running",
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(origin.command),
        "seed": training.seed,
        "data": _plain(data),
        "training": _plain(training),
        "versions": {
            "archbuilder": __version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def _plain(value: object) -> Plain:
    """Part of a recipe as plain data; places in files are left out."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Scalar | SequenceTree | MappingTree):
        return plain(value)
    if isinstance(value, DataFile):
        return value.path
    if isinstance(value, Digits | Npz | Idx | Csv | Supervised | Ridge):
        return {type(value).__name__.lower(): _fields(value)}
    if isinstance(value, Path):
        return str(value)
    return _fields(value) if dataclasses.is_dataclass(value) else cast(Plain, value)


def _fields(value: object) -> dict[str, Plain]:
    named = dataclasses.fields(cast(DataSpec, value))
    return {each.name: _plain(getattr(value, each.name)) for each in named}
