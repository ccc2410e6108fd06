"""The whole of a run: read the examples, choose the devices, train, save, and keep a record."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast

import keras
import numpy as np
import tensorflow as tf

from archbuilder.backend.saving import save_model
from archbuilder.errors import ArchbuilderError, RunError, StoppedError
from archbuilder.graph import Graph
from archbuilder.limits import Limits
from archbuilder.recipe.legend import encode_legend
from archbuilder.recipe.record import BLUEPRINT, RECORD, encode_recipe
from archbuilder.recipe.spec import DataSpec, Ridge, TrainingSpec
from archbuilder.training.checkpoints import Checkpoints
from archbuilder.training.curves import draw_curves
from archbuilder.training.distribution import Placement, place
from archbuilder.training.examples import Examples
from archbuilder.training.identity import digest
from archbuilder.training.objectives import OBJECTIVES
from archbuilder.training.opening import Opener
from archbuilder.training.pace import choose_pace
from archbuilder.training.peers import Peers
from archbuilder.training.progress import Show
from archbuilder.training.repository import repository_state
from archbuilder.training.run import Row, RunFolder
from archbuilder.training.session import Outcome, Session
from archbuilder.training.sources import load_source
from archbuilder.training.watching import Report, told
from archbuilder.tree import Plain
from archbuilder.version import __version__

_MAY_CHANGE: Final = ("epochs", "distribute", "checkpoint_seconds", "xla", "steps_per_execution")


def common_folder(choose: Callable[[], RunFolder], peers: Peers) -> RunFolder:
    """The folder of a run, which the chief of its workers chooses for all.

    Raises:
        UsageError: if the chief cannot have the folder that the user wants.
        RunError: if it cannot be made.
    """
    with peers.together():
        if peers.chief:
            chosen = choose()
            peers.told(str(chosen.path.absolute()).encode())
            return chosen
        return RunFolder(Path(peers.told(b"").decode()), writes=False)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the networks of a run come from, for the run's folder to tell."""

    blueprint: str = ""
    """The blueprint with everything resolved, as text."""
    command: tuple[str, ...] = ()
    """The command line."""
    allow: Sequence[Path] = ()
    """Folders that its data files may lie in, beside its own."""
    file: Path | None = None
    """The blueprint as a person wrote it."""


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


def train(  # noqa: PLR0913 - all but the first four have defaults
    graphs: Mapping[str, Graph],
    data: DataSpec,
    training: TrainingSpec,
    run: RunFolder,
    *,
    origin: Origin | None = None,
    limits: Limits | None = None,
    report: Report = print,
    placement: Placement | None = None,
    show: Show | None = None,
) -> RunResult:
    """Train the networks of a blueprint, and save them in the folder of the run.

    `report` is given each line that the user should see while it goes on, and `show` those that
    the next one takes the place of. The seed decides the
    first weights, the order of the examples and which of them are held out. In the folder of a run
    that was broken off, training goes on from its newest checkpoint, and on a CPU comes to the same
    weights as if nothing had happened.

    Raises:
        BlueprintError: if a network does not fit the machine, or names a file that it may not.
        UsageError: if the objective cannot train these networks, or another run has the folder.
        RunError: if the data is missing, damaged or does not fit, or the training fails.
        StoppedError: if the process was told to stop (SIGTERM); the run can go on.
    """
    origin = origin or Origin()
    placement = placement or place(training.distribute, training.batch_size)
    with placement.peers.together(), run.locked():
        report(f"devices: {placement.remark}")
        begun_as = run.before()
        record = {**_record(data, training, origin, begun_as), "devices": placement.remark}
        if origin.blueprint:
            run.write_text(BLUEPRINT, origin.blueprint)
        run.write_json(RECORD, record)
        begun = time.monotonic()
        with _failure_told(run, record):
            examples, validation = _examples(data, run, origin, placement.peers)
            if placement.peers.chief:
                record["data"] = _same_data(digest(examples, validation), begun_as.get("data"))
                record["legend"] = encode_legend(examples.known.legend)
                run.write_json(RECORD, record)
            pace = choose_pace(training, placement.replicas, graphs.values())
            if not isinstance(training.objective, Ridge):
                report(f"speed: {pace.remark}")
            keras.utils.set_random_seed(training.seed)
            key = fingerprint(origin.blueprint, record["recipe"])
            session = Session(
                graphs=graphs,
                examples=examples,
                validation=validation,
                spec=training,
                placement=placement,
                pace=pace,
                limits=limits or Limits(),
                run=run,
                checkpoints=Checkpoints(run.path, key, placement.peers),
                report=report,
                show=show,
            )
            prepared = OBJECTIVES[type(training.objective)](session)
            outcome = prepared.train()
            files = _save(prepared.models, run)
            draw_curves(run, outcome.history)
            # A worker that goes too early is missed.
            placement.peers.agree(any_says=False, chief_says=False)
        record["seconds"] = round(time.monotonic() - begun, 1)
        record["held_out"] = dict(outcome.held_out)
        run.write_json(RECORD, {**record, "status": "finished"})
    _tell(outcome, files, report)
    return RunResult(run.path, prepared.models, files, outcome.history, outcome.held_out)


@contextmanager
def _failure_told(run: RunFolder, record: Mapping[str, Plain]) -> Iterator[None]:
    """Where a run is carried out: what ends it stands in its record."""
    try:
        yield
    except ArchbuilderError as error:
        status = "stopped" if isinstance(error, StoppedError) else "failed"
        run.write_json(RECORD, {**record, "status": status, "reason": str(error)})
        run.discard()
        raise
    except KeyboardInterrupt:
        run.write_json(RECORD, {**record, "status": "interrupted"})
        raise


def _examples(
    data: DataSpec, run: RunFolder, origin: Origin, peers: Peers
) -> tuple[Examples, Examples | None]:
    """The examples to train on and to validate with; the chief reads first, and keeps tokens."""
    scratch = run.path / "text"
    if not peers.chief:
        peers.agree(any_says=False, chief_says=False)
    kept = scratch if peers.chief or scratch.is_dir() else None
    # A machine that does not share the disk of the chief has no such folder.
    room = run.path if run.path.is_dir() else None
    opener = Opener(data.folder or Path(), origin.allow, kept, room)
    examples = load_source(data.train, opener)
    validation = load_source(data.validation, opener, examples.known) if data.validation else None
    if peers.chief:
        peers.agree(any_says=False, chief_says=True)
    return examples, validation


def _same_data(now: str, before: Plain) -> str:
    """What is recorded of the data, which stays the same while a run goes on."""
    if before not in (None, now):
        raise RunError(
            "the data is no longer that which the run began with: other examples would be held out"
            " now; bring it back, or begin a new run"
        )
    return now


def _save(models: Mapping[str, keras.Model], run: RunFolder) -> dict[str, Path]:
    files = {name: run.model_file(name) for name in models}
    if run.writes:
        for name, model in models.items():
            save_model(model, files[name])
    return files


def _tell(outcome: Outcome, files: Mapping[str, Path], report: Report) -> None:
    if outcome.held_out:
        report(f"held out: {told(outcome.held_out)}")
    for path in files.values():
        report(f"saved: {path}")


def _record(
    data: DataSpec, training: TrainingSpec, origin: Origin, before: Mapping[str, Plain]
) -> dict[str, Plain]:
    """What `run.json` says from the start. A run that goes on keeps what it said of its start."""
    now: dict[str, Plain] = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(origin.command),
    }
    begun = {key: before.get(key, value) for key, value in now.items()}
    earlier = before.get("resumed")
    resumed = [*(earlier if isinstance(earlier, list) else ()), now] if before else []
    git = before.get("git") if before else repository_state(origin.file) if origin.file else None
    return {
        "status": "running",
        **begun,
        "resumed": resumed,
        "git": git,
        "data": before.get("data"),
        "seed": training.seed,
        "recipe": encode_recipe(data, training, origin.allow),
        "versions": {
            "archbuilder": __version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def fingerprint(blueprint: str, recipe: Plain) -> str:
    """A text that is another one where a checkpoint cannot be gone on from.

    A run may go on for more epochs, on other devices, and be kept more or less often.
    """
    fields = cast(dict[str, Plain], recipe)
    training = cast(dict[str, Plain], fields["training"])
    kept = {key: value for key, value in training.items() if key not in _MAY_CHANGE}
    text = json.dumps([blueprint, {**fields, "training": kept}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
