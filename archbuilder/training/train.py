"""The whole of a run: read the examples, choose the devices, train, save, and keep a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras

from archbuilder.backend.saving import write_model
from archbuilder.errors import StoppedError
from archbuilder.graph import Graph
from archbuilder.limits import Limits
from archbuilder.recipe.record import BLUEPRINT
from archbuilder.recipe.sources import DataSpec
from archbuilder.recipe.spec import Ridge, TrainingSpec
from archbuilder.training.checkpoints import Checkpoints
from archbuilder.training.curves import draw_curves
from archbuilder.training.distribution import Placement, place
from archbuilder.training.examples import Examples, Known
from archbuilder.training.identity import fingerprint
from archbuilder.training.objectives import OBJECTIVES
from archbuilder.training.opening import Opener
from archbuilder.training.pace import choose_pace
from archbuilder.training.peers import Peers
from archbuilder.training.progress import Show
from archbuilder.training.recording import Origin, Recording
from archbuilder.training.run import Row, RunFolder, writing
from archbuilder.training.session import Outcome, Prepared, Session
from archbuilder.training.sources import load_source
from archbuilder.training.step_errors import explained_failures
from archbuilder.training.watching import Report, told


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


@contextmanager
def _leaving_together(peers: Peers) -> Iterator[None]:
    """Keep every worker until the chief has written the last file of a run that was told to stop.

    A scheduler may end the remaining tasks as soon as the first of them has ended.

    Raises:
        ClusterError: if a worker is lost.
    """
    with peers.together():
        try:
            yield
        except StoppedError:
            peers.leave()
            raise


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
    the next one takes the place of. The seed decides the first weights, the order of the examples
    and which of them are held out. In the folder of a run that was broken off, training goes on
    from its newest checkpoint, and on a CPU comes to the same weights as if nothing had happened.

    Raises:
        BlueprintError: if a network does not fit the machine, or names a file that it may not.
        UsageError: if the objective cannot train these networks, or another run has the folder.
        RunError: if the data is missing, damaged or does not fit, or the training fails.
        StoppedError: if the process was told to stop (SIGTERM); the run can go on.
    """
    origin = origin or Origin()
    placement = placement or place(training.distribute, training.batch_size)
    with _leaving_together(placement.peers), run.locked(), run.discarded_unless_begun():
        report(f"devices: {placement.remark}")
        if origin.blueprint:
            # Before the record, which says that there is a run to go on with.
            run.write_text(BLUEPRINT, origin.blueprint)
        recording = Recording(run, data, training, origin, placement.remark)
        with recording.carried_out():
            examples, validation = _examples(data, run, origin, placement.peers, recording.known)
            recording.keep_data(examples, validation)
            session = Session(
                graphs=graphs,
                examples=examples,
                validation=validation,
                spec=training,
                placement=placement,
                pace=choose_pace(training, placement.replicas, graphs.values()),
                limits=limits or Limits(),
                run=run,
                checkpoints=Checkpoints(
                    run.place, fingerprint(origin.blueprint, recording.recipe), placement.peers
                ),
                report=report,
                show=show,
            )
            prepared, outcome = _run_objective(session)
            files = _save(prepared.models, run)
            draw_curves(run, outcome.history)
            placement.peers.leave()
        recording.finish(outcome.held_out)
    _tell(outcome, files, report)
    return RunResult(run.path, prepared.models, files, outcome.history, outcome.held_out)


def _examples(
    data: DataSpec, run: RunFolder, origin: Origin, peers: Peers, known: Known | None
) -> tuple[Examples, Examples | None]:
    """The examples to train on and to validate with; the chief reads first, and keeps tokens."""
    scratch = run.place.inside("text")
    if not peers.chief:
        peers.agree(any_says=False, chief_says=False)
    kept = scratch if peers.chief or scratch.is_directory() else None
    # A machine that does not share the disk of the chief has no such folder.
    room = run.path if run.path.is_dir() else None
    opener = Opener(data.folder or Path(), origin.allow, kept, room)
    examples = load_source(data.train, opener, known)
    validation = load_source(data.validation, opener, examples.known) if data.validation else None
    if peers.chief:
        peers.agree(any_says=False, chief_says=True)
    return examples, validation


def _run_objective(session: Session) -> tuple[Prepared, Outcome]:
    """Prepare and train the networks of a session, from the seed of its recipe."""
    objective = session.spec.objective
    if not isinstance(objective, Ridge):
        session.report(f"speed: {session.pace.remark}")
    keras.utils.set_random_seed(session.spec.seed)
    with explained_failures("the training", session.graphs.values()):
        prepared = OBJECTIVES[type(objective)](session)
        return prepared, prepared.train()


def _save(models: Mapping[str, keras.Model], run: RunFolder) -> dict[str, Path]:
    files = {name: run.model(name) for name in models}
    for name, each in files.items() if run.writes else ():
        with writing(each), each.replacing() as file:
            write_model(models[name], file)
    return {name: each.path for name, each in files.items()}


def _tell(outcome: Outcome, files: Mapping[str, Path], report: Report) -> None:
    if outcome.held_out:
        report(f"held out: {told(outcome.held_out)}")
    for path in files.values():
        report(f"saved: {path}")
