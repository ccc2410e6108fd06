"""Opens what a run trained: its networks with their weights, and its vocabulary.

The networks are built from the run's blueprint, and nothing but numbers is read from the files of
models, which could otherwise have a layer with code in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras

from archbuilder.backend import build
from archbuilder.errors import UsageError, shown
from archbuilder.graph import Graph
from archbuilder.limits import Limits
from archbuilder.places import Place
from archbuilder.training.run import RunFolder
from archbuilder.training.sources.text import TOKENIZER
from archbuilder.training.text.vocabulary import Vocabulary
from archbuilder.weights import restore_weights

TEXT = "text"
"""The folder of a run that has its vocabulary."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A network of a run, with its weights."""

    graph: Graph
    model: keras.Model


def open_network(
    run: Path, graphs: Mapping[str, Graph], limits: Limits, name: str | None = None
) -> Trained:
    """A network of a run, which has to have a name where there are several.

    Raises:
        UsageError: if the run has no such network, or did not come to its end.
        RunError: if the file of its weights is damaged.
        BlueprintError: if the network does not fit the machine.
    """
    if name is None and len(graphs) > 1:
        raise UsageError(f"the run has several networks: {', '.join(graphs)}")
    chosen = next(iter(graphs)) if name is None else name
    if chosen not in graphs:
        raise UsageError(f"the run has no network {shown(chosen)}; it has {', '.join(graphs)}")
    model = build(graphs[chosen], limits)
    load_network(run, model, chosen)
    return Trained(graphs[chosen], model)


def load_network(run: Path, model: keras.Model, name: str) -> None:
    """Give a network its weights of a run.

    Raises:
        UsageError: if the run did not come to its end.
        RunError: if the file of its weights is damaged.
    """
    place = RunFolder(run).model(name)
    if place.status() is None:
        raise UsageError(
            f"the run has no {shown(place.path.name)}: it is not over; archbuilder train --resume"
            " goes on with it"
        )
    restore_weights(model, place)


def open_vocabulary(run: Path) -> Vocabulary:
    """The vocabulary of a run.

    Raises:
        UsageError: if it was not trained on text.
        RunError: if the file is damaged.
    """
    place = Place(run).inside(TEXT, TOKENIZER)
    if place.parent.status() is None:
        raise UsageError(f"the run {shown(str(run), 200)} has no vocabulary: it has no text")
    return Vocabulary.load(place)
