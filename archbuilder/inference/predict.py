"""Predict with a trained network on any number of devices, in the order of the examples."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.compiler.ir import Graph
from archbuilder.data.columns import translate_read_errors
from archbuilder.data.input_checks import adapt_input
from archbuilder.data.lookup_tables import lookup_tables_by_input
from archbuilder.data.pipeline import AdaptedColumn, AdaptedDataset, eval_batches
from archbuilder.diagnostics.errors import RunError, UsageError
from archbuilder.distribution.strategy import DeviceSetup
from archbuilder.inference.evaluate import TrainedRun, load_trained_weights, make_eval_context
from archbuilder.inference.input_files import read_inputs
from archbuilder.inference.predicted_outputs import (
    PredictedOutput,
    Values,
    find_predicted_outputs,
    raw_outputs,
    unit_notes,
)
from archbuilder.inference.result_network import (
    choose_network,
    input_columns,
    predicting_graphs,
    select_outputs,
)
from archbuilder.keras_backend import build
from archbuilder.objectives.columns import adapt_network_inputs
from archbuilder.trainer.datasets import adapt_datasets, adapt_sets
from archbuilder.trainer.random_state import preserve_random_state
from archbuilder.trainer.step_errors import translate_tf_errors

_ReplicaSlice: TypeAlias = tuple[object, tf.Tensor]
"""A replica's slice of a batch, and whether it is a duplicate."""
_DEFAULT_BATCH_SIZE = 32
# Input names are kept, so that each input's notes are logged once, and so are divisors (1/255).
_NAME_OR_NUMBER: Final = re.compile(r"(?<!Input )'[^']*'|(?<![\d/])\d+(?![\d/])")
"""Parts that differ between messages of one kind: file names and numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The outputs of a network for one example."""

    key: str
    outputs: Mapping[str, Values]
    class_names: Mapping[str, tuple[str, ...]]
    """Class names by output, for outputs with a value per class; empty if the names are unknown.

    If the classes are those of positions, such as the words of a text, the names are known.
    """
    index_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Class names by output, for outputs whose values are numbers of classes; others have none."""


@dataclass(frozen=True, slots=True, eq=False)
class _PredictionInputs:
    """Examples with the preprocessing that fits them to a network."""

    keys: Sequence[str]
    inputs: Mapping[str, AdaptedColumn]
    rows: NDArray[np.int64]


def predict(
    trained_run: TrainedRun,
    paths: Sequence[Path],
    batch_size: int | None = None,
    *,
    raw: bool = False,
) -> Iterator[Prediction]:
    """Yield predictions for files, or for the validation set if none are given.

    Inputs are preprocessed as in training. Logits become probabilities if the loss of the recipe
    has `from_logits` and the network does not end in that activation, and numbers that were
    compared with a transformed or normalized column get its units. With `raw`, predictions are the
    outputs of the network.

    Raises:
        UsageError: if the objective trains no network that predicts, or a file does not exist.
        RunError: if an input cannot be read or does not fit, or weights are damaged.
        BlueprintError: if the network does not fit the machine.
    """
    objective = trained_run.config.training.objective
    objective.require_command("predict")
    graphs = predicting_graphs(trained_run.graphs, objective)
    result = choose_network(graphs, objective, trained_run.network)
    name = result.network
    # Variables have to be created within the scope, to be mirrored on all replicas.
    devices = trained_run.devices
    with devices.scope(), preserve_random_state():
        model = build(graphs[name], trained_run.limits)
    load_trained_weights(trained_run, model, name)
    model, graph = select_outputs(model, graphs[name], result, objective.target_spec())
    outputs = (
        raw_outputs(graph) if raw else find_predicted_outputs(trained_run.config, graph, model)
    )
    for note in unit_notes(outputs):
        trained_run.log(note)
    sources = (
        _from_files(trained_run, paths, name, graph)
        if paths
        else _from_validation_set(trained_run, model, name, graph)
    )
    predictor = _Predictor(model, graph, outputs, devices)
    # At least one example for each replica.
    size = batch_size or max(_DEFAULT_BATCH_SIZE, devices.num_replicas)
    class_names = {
        name: each.class_names for name, each in outputs.items() if each.class_names is not None
    }
    index_names = {name: each.index_names for name, each in outputs.items() if each.index_names}
    for source in sources:
        predictions = predictor.predict(source, size)
        for key, values in zip(source.keys, predictions, strict=True):
            yield Prediction(key, values, class_names, index_names)


def _from_files(
    trained_run: TrainedRun, paths: Sequence[Path], network: str, graph: Graph
) -> Iterator[_PredictionInputs]:
    objective = trained_run.config.training.objective
    columns = input_columns(objective, trained_run.graphs, network, graph)
    names = tuple(each.name for each in graph.inputs)
    if columns is not None:
        names = tuple(each.name for _, each in columns)
    # Files have the columns of the training data.
    column_inputs = tuple(
        replace(each, name=name) for each, name in zip(graph.inputs, names, strict=True)
    )
    column_graph = replace(graph, inputs=column_inputs)
    indices = lookup_tables_by_input(graph)
    config = trained_run.config
    kinds: set[str] = set()

    def log_once(message: str) -> None:
        """Log only the first of messages that differ in names and numbers."""
        kind = _NAME_OR_NUMBER.sub("", message)
        if kind not in kinds:
            kinds.add(kind)
            trained_run.log(message)

    for group in read_inputs(paths, config.data.train, column_graph, config.schema, log_once):
        features = group.dataset.select_for(names, ()).inputs
        try:
            inputs = {
                each.name: adapt_input(features[name], each, indices.get(each.name, ()))
                for each, name in zip(graph.inputs, names, strict=True)
            }
        except RunError as error:
            # With several files, the message has to say which one does not fit.
            if group.dataset.source_name in str(error):
                raise
            raise RunError(f"{group.dataset.source_name}: {error}") from None
        for adapted_input in inputs.values():
            for note in adapted_input.adapter.notes:
                log_once(note)
        yield _PredictionInputs(group.keys, inputs, np.arange(group.dataset.count, dtype=np.int64))


def _from_validation_set(
    trained_run: TrainedRun, model: keras.Model, network: str, graph: Graph
) -> Iterator[_PredictionInputs]:
    # The keys of the examples are their rows in the data, as the validation set may be any of them.
    with preserve_random_state():
        context = make_eval_context(trained_run)
        objective = context.config.objective
        columns = input_columns(objective, trained_run.graphs, network, graph)
        if columns is None:
            dataset = adapt_datasets(context, graph, model, objective.target_spec()).validation
        else:
            adapt = partial(adapt_network_inputs, columns=columns, graph=graph)
            dataset = adapt_sets(context, adapt).validation
    if dataset is None:
        raise UsageError("the run has no validation set; give files to predict on")
    rows = (context.validation_dataset or context.dataset).rows_of(dataset.rows)
    yield _PredictionInputs([str(row) for row in rows], dataset.inputs, dataset.rows)


class _Predictor:
    """A network that predicts on the devices of a setup."""

    def __init__(
        self,
        model: keras.Model,
        graph: Graph,
        outputs: Mapping[str, PredictedOutput],
        devices: DeviceSetup,
    ) -> None:
        self._outputs = outputs
        output_names = [*outputs]
        self._devices = devices
        self._translate_errors = partial(translate_tf_errors, "the prediction", (graph,))

        def call(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            model_inputs = inputs if isinstance(model.input, dict) else next(iter(inputs.values()))
            model_outputs = model(model_inputs, training=False)
            values = (
                model_outputs
                if isinstance(model_outputs, dict)
                else {output_names[0]: model_outputs}
            )
            return {name: each.activation(values[name]) for name, each in outputs.items()}

        self._call = tf.function(call, autograph=False, reduce_retracing=True)
        strategy = devices.strategy
        if strategy is not None:

            def call_on_replicas(replica_slice: _ReplicaSlice) -> dict[str, tuple[tf.Tensor, ...]]:
                batch, _ = replica_slice
                replica_outputs = strategy.run(call, args=(batch,))
                return {
                    name: strategy.experimental_local_results(each)
                    for name, each in replica_outputs.items()
                }

            self._call_on_replicas = tf.function(
                call_on_replicas, autograph=False, reduce_retracing=True
            )

    def predict(self, source: _PredictionInputs, batch_size: int) -> Iterator[Mapping[str, Values]]:
        """Yield the outputs for each example, in order."""
        dataset = AdaptedDataset(
            source.inputs, {}, source.rows, named_inputs=True, named_outputs=True
        )
        batches = eval_batches(dataset, batch_size=batch_size).map(lambda _, batch: batch[0])
        distributed = iter(self._devices.distribute_batches(batches))
        # Counted here: distributed batches have no end (see `DeviceSetup.distribute_batches`).
        for start in range(0, len(source.rows), batch_size):
            count = min(batch_size, len(source.rows) - start)
            with (
                self._translate_errors(),
                self._devices.workers.worker_failure_scope(),
                translate_read_errors(),
            ):
                outputs = self._gather(next(distributed), count)
            predictions = {
                name: self._outputs[name].convert(values) for name, values in outputs.items()
            }
            for number in range(count):
                yield {name: values[number] for name, values in predictions.items()}

    def _gather(self, batch: object, count: int) -> dict[str, Values]:
        """Return the outputs of a batch of `count` examples, from all replicas of all workers."""
        if self._devices.strategy is None:
            return {name: np.asarray(each) for name, each in self._call(batch).items()}
        # A batch with fewer examples than replicas goes to each of them whole (see `slices.py`).
        is_uncut = count < self._devices.num_replicas
        outputs: dict[str, Values] = {}
        for name, parts in self._call_on_replicas(batch).items():
            slices = [np.asarray(each) for each in parts]
            share = slices[0] if is_uncut else np.concatenate(slices)
            outputs[name] = self._devices.join_shares(share, count)
        return outputs
