"""Trains a model with Keras's `fit`, from the beginning or from where a run was stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import keras
import tensorflow as tf

from archbuilder.errors import RunError, shown
from archbuilder.tables import plural
from archbuilder.training.bad_batch import FILE, keep_bad_batch
from archbuilder.training.checkpoints import Checkpoint, Position
from archbuilder.training.columns import reading
from archbuilder.training.curves import BoardWriter
from archbuilder.training.distribution import Placement
from archbuilder.training.keeping import Keeper
from archbuilder.training.learner import Learner
from archbuilder.training.progress import Progress
from archbuilder.training.run import Row
from archbuilder.training.session import Outcome, Prepared, Session
from archbuilder.training.state import restore
from archbuilder.training.step_errors import not_finite_error
from archbuilder.training.watching import (
    HELD_OUT,
    Averaged,
    Callbacks,
    EpochWriter,
    Executions,
    FiniteLoss,
)


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A compiled model, and what it is fed with.

    `batches` gives those from a position to the end of the run, in an order that follows from the
    seed alone.
    """

    learner: Learner
    batches: Callable[[Position], tf.data.Dataset]
    steps: int
    """The batches of an epoch."""
    validation: tf.data.Dataset | None = None
    callbacks: tuple[keras.callbacks.Callback, ...] = ()


def fit(task: Task, session: Session) -> tuple[Row, ...]:
    """Train the model of a task, and give the numbers of every epoch.

    Raises:
        StoppedError: if the run was told to stop; its checkpoint is kept.
        RunError: if training fails.
    """
    with session.placement.scope():
        task.learner.make_ready()
    start = _resume(task, session)
    writer = EpochWriter(session.run, session.spec.epochs, session.report, start.rows)
    keeper = Keeper(
        session.checkpoints,
        writer,
        session.report,
        session.spec.checkpoint_seconds,
        partial(not_finite_error, task.learner, tuple(session.graphs.values()), task.steps),
    )
    board = BoardWriter(session.run, start.rows)
    with keeper.watching(), closing(board):
        for position, until, steps in _legs(start.position, task.steps, session.spec.epochs):
            finite = FiniteLoss(position, task.steps, partial(_keep_batch, task, session))
            keeper.begin(position, start, finite)
            # The writer comes before what can end the run at a step: it notes that there was one.
            watching = [writer, finite, board, *task.callbacks, keeper]
            if session.show is not None:
                watching.insert(
                    0, Progress(session.show, position, task.steps, session.spec.epochs)
                )
            _run(task, session.placement, position, until, steps, watching)
    if task.learner.averages:
        task.learner.exchange()
    return tuple(writer.rows)


def prepared(
    task: Task,
    session: Session,
    models: Mapping[str, keras.Model],
    *,
    behind: Callable[[], None] = lambda: None,
    more: Callable[[], Row] = dict,
) -> Prepared:
    """Networks that a task trains and judges.

    `behind` is called when they are trained; `more` gives numbers that the task has not.
    """

    def train() -> Outcome:
        history = fit(task, session)
        behind()
        return Outcome(history, {**held_out(history), **more()})

    def judge() -> Row:
        return {**evaluate(task, session.placement), **more()}

    return Prepared(models, train, judge)


def evaluate(task: Task, placement: Placement) -> Row:
    """The numbers of the held-out examples by the weights of now; none where none are held out.

    Raises:
        RunError: if an example cannot be read, or the network cannot take it.
    """
    if task.validation is None:
        return {}
    steps = int(task.validation.cardinality())
    with placement.peers.together(), reading():
        found = task.learner.evaluate(
            placement.share(task.validation),
            steps=steps,
            callbacks=Callbacks([Executions(steps)], model=task.learner),
            verbose=0,
            return_dict=True,
        )
    return {name: float(value) for name, value in sorted(found.items())}


def held_out(history: tuple[Row, ...]) -> Row:
    """The numbers of the held-out examples after the last epoch, under their plain names."""
    last: Mapping[str, float] = history[-1] if history else {}
    return {
        key.removeprefix(HELD_OUT): value for key, value in last.items() if key.startswith(HELD_OUT)
    }


@reading()
def _resume(task: Task, session: Session) -> Checkpoint:
    """Bring a model to where the run was stopped; a new run begins at the beginning."""
    checkpoint = session.checkpoints.newest(session.report)
    if checkpoint is None:
        if not session.run.fresh:
            session.report("there is no checkpoint to go on from: the run begins anew")
        return Checkpoint(Position(), (), {})
    learner, position = task.learner, checkpoint.position
    if position.batch >= task.steps:
        raise RunError(
            f"the checkpoint is of batch {position.batch:,}, and an epoch of this run has"
            f" {task.steps:,}: it is damaged, or of other data"
        )
    if position.batch:
        # Keras makes the variables of metrics when it sees the first batch.
        first = session.placement.share(task.batches(position))
        learner.evaluate(first, steps=1, verbose=0)
    with session.placement.scope():
        restore(learner, checkpoint.arrays)
    if position.epoch >= session.spec.epochs:
        session.report(
            f"the run is over after {plural(position.epoch, 'epoch')}; --epochs with more of them"
            " goes on with it"
        )
        return checkpoint
    batches = f" and {plural(position.batch, 'batch', 'batches')}" if position.batch else ""
    session.report(f"goes on after {plural(position.epoch, 'epoch')}{batches}")
    return checkpoint


def _keep_batch(task: Task, session: Session, position: Position) -> str:
    """Keep the batch behind a position in the run's folder; tells it."""
    for batch in task.batches(position).take(1):
        keep_bad_batch(session.run, batch)
    path = shown(str(session.run.path / FILE), 200)
    return f"the batch is kept as {path}; what was saved is from before it"


def _legs(start: Position, steps: int, epochs: int) -> list[tuple[Position, int, int]]:
    """Where each call of `fit` begins, the epoch that it ends with, and its steps an epoch.

    `fit` knows whole epochs only: the rest of one that was broken off is a call of its own.
    """
    legs = []
    if start.batch:
        legs.append((start, start.epoch + 1, steps - start.batch))
        start = Position(start.epoch + 1)
    if start.epoch < epochs:
        legs.append((start, epochs, steps))
    return legs


def _run(
    task: Task,
    placement: Placement,
    position: Position,
    until: int,
    steps: int,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    validation, held_out_steps = None, None
    if task.validation is not None:
        # Keras goes on where it stopped, and takes as many steps each time.
        validation = placement.share(task.validation.repeat())
        held_out_steps = int(task.validation.cardinality())
    told = Callbacks(
        [Executions(held_out_steps), Averaged(), *callbacks],
        add_history=True,
        model=task.learner,
        epochs=until,
        steps=steps,
        verbose=0,
    )
    with placement.peers.together(), reading():
        task.learner.fit(
            placement.share(task.batches(position)),
            initial_epoch=position.epoch,
            epochs=until,
            steps_per_epoch=steps,
            validation_data=validation,
            validation_steps=held_out_steps,
            callbacks=told,
            shuffle=False,  # the batches come in our own order
            verbose=0,
        )
