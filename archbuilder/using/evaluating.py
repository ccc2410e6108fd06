"""How well trained networks do on examples that they were not trained on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import keras

from archbuilder.errors import RunError, UsageError
from archbuilder.graph import Graph
from archbuilder.limits import Limits
from archbuilder.places import Place
from archbuilder.recipe.record import Recorded, encode_recipe
from archbuilder.recipe.sources import DataSource, Pairs, Text
from archbuilder.recipe.spec import (
    Adversarial,
    CausalLanguageModel,
    MoCo,
    SequenceToSequence,
    SimCLR,
)
from archbuilder.training.checkpoints import Checkpoints
from archbuilder.training.distribution import Placement
from archbuilder.training.examples import Examples, Known, known_of
from archbuilder.training.identity import digest, fingerprint
from archbuilder.training.objectives import OBJECTIVES
from archbuilder.training.opening import Opener
from archbuilder.training.pace import choose_pace
from archbuilder.training.run import Row, RunFolder
from archbuilder.training.session import Prepared, Session
from archbuilder.training.sources import load_source
from archbuilder.training.step_errors import explained_failures
from archbuilder.using.trained import TEXT, load_network, open_vocabulary
from archbuilder.weights import restore_weights

_ENDINGS: Final[Mapping[type[DataSource], str]] = {Text: ".txt", Pairs: ".tsv"}
"""How files of text end, which nothing else stands for."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Networks with what they were trained by."""

    graphs: Mapping[str, Graph]
    recorded: Recorded
    blueprint: str
    """As the folder of the run tells it."""
    folder: Path | None = None
    """The folder of the run; None where there is none."""
    files: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    """Files of weights by network that are used in place of those of the run."""


def evaluate(
    subject: Subject,
    limits: Limits,
    placement: Placement,
    report: Callable[[str], None],
    *,
    other: DataSource | None = None,
    batch_size: int | None = None,
) -> Row:
    """The losses and metrics of the recipe, on the examples that training held out or on others.

    It is what training does after every epoch, and its numbers are the same ones; language models
    have their perplexity beside them.

    Raises:
        UsageError: if nothing is held out, the run is not over, or the others are of another kind.
        RunError: if examples or weights are missing, damaged or do not fit.
        BlueprintError: if a network does not fit the machine, or a data file may not be read.
    """
    session = open_session(subject, limits, placement, report, other, batch_size)
    prepared = OBJECTIVES[type(session.spec.objective)](session)
    _load(prepared, subject, session)
    with explained_failures("the evaluation", subject.graphs.values()):
        numbers = prepared.judge()
    placement.peers.leave()
    if not numbers:
        raise UsageError("the recipe holds nothing out: give examples with --data")
    return {**numbers, **_perplexity(subject.recorded, numbers)}


def open_session(
    subject: Subject,
    limits: Limits,
    placement: Placement,
    report: Callable[[str], None],
    other: DataSource | None = None,
    batch_size: int | None = None,
) -> Session:
    """The session that trained networks, with other examples to judge them by if there are some.

    Raises:
        UsageError: if the other examples are of another kind, or own ones may not be read.
        RunError: if examples are missing or damaged.
        BlueprintError: if a data file may not be read.
    """
    spec = subject.recorded.training
    size = batch_size or spec.batch_size
    plain = dataclasses.replace(
        spec, batch_size=size, steps_per_execution=1, xla=False, accumulate=1
    )
    examples, validation = _examples(subject, other)
    begun = subject.recorded.digest if other is None else None
    if begun is not None and begun != digest(examples, validation):
        report(
            "the data is no longer that which the run began with: what is held out now may have"
            " been trained on"
        )
    keras.utils.set_random_seed(spec.seed)
    return Session(
        graphs=subject.graphs,
        examples=examples,
        validation=validation,
        spec=plain,
        placement=placement,
        pace=choose_pace(plain, placement.replicas, ()),
        limits=limits,
        run=RunFolder(subject.folder or Path(), writes=False),
        checkpoints=_checkpoints(subject, placement),
        report=report,
        judged=validation if other is not None else None,
    )


def _examples(subject: Subject, other: DataSource | None) -> tuple[Examples, Examples | None]:
    """The examples that were trained on, and those to judge by where they are no part of them.

    Where a run knows enough of those that it was trained on, others stand for them.
    """
    data = subject.recorded.data
    elsewhere = Opener(data.folder or Path(), subject.recorded.allow)
    if other is not None:
        _check_kind(data.train, other)
        known = _known(subject)
        if known is not None:
            judged = load_source(other, elsewhere, known)
            return judged, judged
    subject.recorded.check_data()
    scratch = None if subject.folder is None else Place(subject.folder).inside(TEXT)
    kept = scratch if scratch is not None and scratch.is_directory() else None
    own = Opener(data.folder or Path(), subject.recorded.allow, kept)
    examples = load_source(data.train, own, known_of(subject.recorded.legend))
    if other is not None:
        # What the run keeps are the tokens of its own texts.
        return examples, load_source(other, elsewhere, examples.known)
    validation = data.validation
    return examples, load_source(validation, own, examples.known) if validation else None


def _known(subject: Subject) -> Known | None:
    """What a run knows of the examples that it was trained on; None where it needs them itself."""
    recorded, run = subject.recorded, subject.folder
    # A probe learns from them, and adversaries have whole batches of them.
    if run is None or isinstance(recorded.training.objective, SimCLR | MoCo | Adversarial):
        return None
    is_text = isinstance(recorded.data.train, Text | Pairs)
    return Known(recorded.legend, open_vocabulary(run) if is_text else None)


def _check_kind(own: DataSource, other: DataSource) -> None:
    """Refuse to judge a network of text by anything else, and any other one by text."""
    kinds = type(own), type(other)
    if kinds[0] is kinds[1] or not {*kinds} & {*_ENDINGS}:
        return
    trained, judged = (kind.__name__.lower() for kind in kinds)
    ending = ".jsonl" if isinstance(own, Text) and own.field else _ENDINGS.get(kinds[0])
    raise UsageError(
        f"the run was trained on {trained}, and the other examples are {judged}"
        + (f"; give a {ending} file" if ending else "")
    )


def _checkpoints(subject: Subject, placement: Placement) -> Checkpoints:
    recorded = subject.recorded
    recipe = encode_recipe(recorded.data, recorded.training, recorded.allow)
    run = Place(subject.folder or Path())
    return Checkpoints(run, fingerprint(subject.blueprint, recipe), placement.peers)


def load_trained(subject: Subject, model: keras.Model, name: str) -> None:
    """Give a network the weights that it has learned.

    Raises:
        UsageError: if the run is not over, or there are no weights of it.
        RunError: if they are damaged or do not fit.
    """
    if name in subject.files:
        restore_weights(model, subject.files[name])
    elif subject.folder is not None:
        load_network(subject.folder, model, name)
    else:
        raise UsageError(f"there are no weights of the network '{name}'")


def _load(prepared: Prepared, subject: Subject, session: Session) -> None:
    """Give the networks what they have learned."""
    if prepared.restore is not None:
        checkpoint = None
        if subject.folder is not None and not subject.files:
            checkpoint = session.checkpoints.newest(session.report)
        if checkpoint is None:
            raise UsageError(
                "this objective is judged by more than the network: give the folder of its run,"
                " with its checkpoints"
            )
        prepared.restore(checkpoint.arrays)
    for name in subject.graphs:
        load_trained(subject, prepared.models[name], name)


def _perplexity(recorded: Recorded, numbers: Row) -> Row:
    objective = recorded.training.objective
    plain = isinstance(objective, CausalLanguageModel) or (
        isinstance(objective, SequenceToSequence) and not objective.label_smoothing
    )
    if not plain:
        return {}
    try:
        return {"perplexity": math.exp(numbers["loss"])}
    except OverflowError:
        raise RunError("the loss is too large to have a perplexity") from None
