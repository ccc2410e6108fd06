"""What a trained network says of examples, on any number of devices, in their order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.backend import build
from archbuilder.backend.objects import build_object
from archbuilder.errors import RunError, UsageError
from archbuilder.graph import Graph
from archbuilder.limits import Limits
from archbuilder.recipe.objectives import class_name
from archbuilder.recipe.sources import Csv, Parquet
from archbuilder.recipe.spec import MoCo, Ridge, SimCLR, Supervised
from archbuilder.training.activations import ends_in
from archbuilder.training.batches import Input
from archbuilder.training.columns import reading
from archbuilder.training.distribution import Placement
from archbuilder.training.examples import ONLY
from archbuilder.training.indices import indices_of
from archbuilder.training.inputs import fit_input
from archbuilder.training.sources.table import has_names
from archbuilder.training.step_errors import explained_failures
from archbuilder.training.tables import Wanted, make_tables, only_network
from archbuilder.tree import Tree
from archbuilder.using.evaluating import Subject, load_trained, open_session
from archbuilder.using.inputs import read_inputs

Values = NDArray[np.float32]
_Part: TypeAlias = tuple[object, tf.Tensor]
"""A replica's part of a batch, and whether it counts."""
_Activation: TypeAlias = Callable[[tf.Tensor], tf.Tensor]
_CLASSES = ("CategoricalCrossentropy", "SparseCategoricalCrossentropy")
_BATCH = 32
_TABLES = (".csv", ".parquet")
_VARYING: Final = re.compile(r"'[^']*'|\d+")
"""What differs between messages of one kind: names of files, and numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What the network says of one example: an array by output."""

    key: str
    outputs: Mapping[str, Values]
    classes: Mapping[str, tuple[str, ...]]
    """By output that is a vector of classes, their names; none where they are numbers alone."""


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """Examples as the network takes them."""

    keys: Sequence[str]
    inputs: Mapping[str, Input]
    rows: NDArray[np.int64]


def predict(
    subject: Subject,
    paths: Sequence[Path],
    limits: Limits,
    placement: Placement,
    report: Callable[[str], None],
    batch_size: int | None = None,
) -> Iterator[Said]:
    """What a network says of the inputs in files or, where there are none, of what is held out.

    Inputs are fitted to the network as in training. Logits become probabilities where the loss of
    the recipe takes them for logits, and the network does not end in that activation already.

    Raises:
        UsageError: if the objective trains nothing that predicts, or there is no such file.
        RunError: if an input cannot be read or does not fit, or weights are damaged.
        BlueprintError: if the network does not fit the machine.
    """
    objective = subject.recorded.training.objective
    if not isinstance(objective, Supervised | Ridge | SimCLR | MoCo):
        raise UsageError(
            "the run trained a model of text or a generator; 'archbuilder generate' and"
            " 'archbuilder sample' use those"
        )
    if len(subject.graphs) != 1:
        raise UsageError(f"there are several networks: {', '.join(subject.graphs)}")
    ((name, graph),) = subject.graphs.items()
    with placement.scope():
        model = build(graph, limits)
    load_trained(subject, model, name)
    losses = objective.loss if isinstance(objective, Supervised) else {}
    parts = (
        _given(subject, paths, graph, report)
        if paths
        else _held_out(subject, model, limits, placement, report)
    )
    activations = {
        output: _activation(losses.get(output), partial(ends_in, graph, model, output))
        for output, _ in graph.outputs
    }
    call = _Call(model, graph, activations, placement)
    size = batch_size or max(_BATCH, placement.replicas)
    known = subject.recorded.legend.classes
    classes = {
        each: known.get(each, known.get(ONLY, ()))
        for each in call.names
        if _is_vector_of_classes(model, each, losses.get(each))
    }
    for part in parts:
        said = call.each(part, size)
        for key, outputs in zip(part.keys, said, strict=True):
            yield Said(key, outputs, classes)


def _given(
    subject: Subject, paths: Sequence[Path], graph: Graph, report: Callable[[str], None]
) -> Iterator[_Fitted]:
    names = tuple(each.name for each in graph.inputs)
    indices = indices_of(graph)
    recorded = subject.recorded
    _warn_of_order(subject, paths, report)
    told = _once_a_kind(report)
    for part in read_inputs(paths, recorded.data.train, graph, recorded.legend, told):
        features = part.examples.for_network(names, ()).inputs
        try:
            inputs = {
                each.name: fit_input(features[each.name], each, indices.get(each.name, ()))
                for each in graph.inputs
            }
        except RunError as error:
            if part.examples.origin in str(error):
                raise
            raise RunError(f"{part.examples.origin}: {error}") from None
        for each in inputs.values():
            for remark in each.adaptation.remarks:
                told(remark)
        yield _Fitted(part.keys, inputs, np.arange(part.examples.count, dtype=np.int64))


def _once_a_kind(report: Callable[[str], None]) -> Callable[[str], None]:
    """Report the first of the messages that differ in names of files and numbers alone."""
    kinds: set[str] = set()

    def told(message: str) -> None:
        kind = _VARYING.sub("", message)
        if kind not in kinds:
            kinds.add(kind)
            report(message)

    return told


def _warn_of_order(subject: Subject, paths: Sequence[Path], report: Callable[[str], None]) -> None:
    """Warn where columns are taken in their order, as their names are unknown."""
    recorded = subject.recorded
    source = recorded.data.train
    named = isinstance(source, Csv | Parquet) and has_names(source) and source.inputs is None
    unknown = recorded.legend.heading is None
    if unknown and named and any(path.suffix in _TABLES for path in paths):
        report(
            "columns are taken in their order, since the folder of a run tells the names of those"
            " that were trained on, and a model alone does not"
        )


def _held_out(
    subject: Subject,
    model: keras.Model,
    limits: Limits,
    placement: Placement,
    report: Callable[[str], None],
) -> Iterator[_Fitted]:
    session = open_session(subject, limits, placement, report)
    objective = session.spec.objective
    wanted = Wanted.of(objective) if isinstance(objective, Supervised) else Wanted()
    _, graph = only_network(session, "supervised")
    table = make_tables(session, graph, model, wanted).held_out
    if table is None:
        raise UsageError("the recipe holds nothing out: name files to predict")
    yield _Fitted([str(row) for row in table.rows], table.inputs, table.rows)


class _Call:
    """The network on the devices of a placement."""

    def __init__(
        self,
        model: keras.Model,
        graph: Graph,
        activations: Mapping[str, _Activation],
        placement: Placement,
    ) -> None:
        self.names = [name for name, _ in graph.outputs]
        self._single = len(model.inputs) == 1
        self._placement = placement
        self._explained = partial(explained_failures, "the prediction", (graph,))

        def call(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            given = inputs if isinstance(model.input, dict) else next(iter(inputs.values()))
            made = model(given, training=False)
            outputs = made if isinstance(made, dict) else {self.names[0]: made}
            return {
                name: activations[name](tf.cast(outputs[name], tf.float32)) for name in self.names
            }

        self._call = tf.function(call, reduce_retracing=True)
        strategy = placement.strategy
        if strategy is not None:

            def everywhere(part: _Part) -> dict[str, tuple[tf.Tensor, ...]]:
                batch, _ = part
                given = strategy.run(call, args=(batch,))
                return {
                    name: strategy.experimental_local_results(each) for name, each in given.items()
                }

            self._everywhere = tf.function(everywhere, reduce_retracing=True)

    def each(self, part: _Fitted, size: int) -> Iterator[Mapping[str, Values]]:
        """What the network says of each example of a part."""
        rows = tf.data.Dataset.from_tensor_slices(part.rows).batch(size)
        batches = rows.map(
            lambda chosen: {name: each.take(chosen) for name, each in part.inputs.items()}
        )
        shared = iter(self._placement.share(batches))
        for begin in range(0, len(part.rows), size):
            count = min(size, len(part.rows) - begin)
            with self._explained(), self._placement.peers.together(), reading():
                outputs = self._whole(next(shared), count)
            for number in range(count):
                yield {name: each[number] for name, each in outputs.items()}

    def _whole(self, batch: object, count: int) -> dict[str, Values]:
        if self._placement.strategy is None:
            return {name: np.asarray(each) for name, each in self._call(batch).items()}
        peers, replicas = self._placement.peers, self._placement.replicas
        local = replicas // peers.count
        # See `Placement.share`: too few examples are given to all replicas.
        few = count < replicas
        begin = 0 if few else count * (peers.index * local) // replicas
        found = {}
        for name, parts in self._everywhere(batch).items():
            mine = np.asarray(parts[0]) if few else np.concatenate([np.asarray(p) for p in parts])
            whole = np.zeros((count, *mine.shape[1:]), np.float32)
            if peers.chief or not few:
                whole[begin : begin + len(mine)] = mine
            found[name] = peers.total(whole)
        return found


def _activation(loss: Tree | None, ends: Callable[[str], bool]) -> _Activation:
    """Return the function that turns an output into probabilities, as its loss does.

    `ends` says whether the network already ends in an activation in front of this output.
    """
    found: _Activation = tf.identity
    if loss is None or not getattr(build_object("loss", loss), "from_logits", False):
        return found
    name = class_name("loss", loss)
    # With from_logits, Keras 3.15 computes crossentropies from the logits in front of a last
    # softmax or sigmoid, but BinaryFocalCrossentropy applies a second sigmoid.
    if name in _CLASSES and not ends("softmax"):
        found = tf.nn.softmax
    elif name.startswith("Binary") and not (name == "BinaryCrossentropy" and ends("sigmoid")):
        found = tf.sigmoid
    return found


def _is_vector_of_classes(model: keras.Model, output: str, loss: Tree | None) -> bool:
    """Whether an output is one vector of classes per example, and not one per position."""
    if class_name("loss", loss) not in _CLASSES:
        return False
    values = model.output[output] if isinstance(model.output, dict) else model.output
    return len(values.shape) == 2
