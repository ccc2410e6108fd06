"""Layers that learn their state from the training set, with `adapt: true`.

What Keras's `adapt` learns becomes arguments of the layers. Everything that follows sees networks
like any others: checkpoints, saved models and `predict` need no state besides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from archbuilder import registry
from archbuilder.compiler.ir import ADAPT_ARGUMENT, Argument, Graph, Node
from archbuilder.compiler.unparse import unparse
from archbuilder.config.image_size import sized_graphs
from archbuilder.config.run_config import ADAPTED_FILE
from archbuilder.data.columns import translate_read_errors
from archbuilder.data.pipeline import AdaptedDataset, eval_batches
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.diagnostics.errors import (
    BlueprintError,
    Diagnostic,
    Diagnostics,
    InternalError,
    StepError,
)
from archbuilder.files.array_files import ArrayFile
from archbuilder.formatting import plural
from archbuilder.keras_backend import build
from archbuilder.keras_backend.instantiate import build_layer
from archbuilder.keras_backend.keras_errors import BuildError
from archbuilder.plain_data import PlainData
from archbuilder.trainer.context import TrainingContext
from archbuilder.trainer.datasets import adapt_inputs, adapt_sets
from archbuilder.trainer.step_errors import STEP_FAILED
from archbuilder.yaml.nodes import from_plain
from archbuilder.yaml.reader import parse_yaml

_State: TypeAlias = Mapping[str, PlainData]
"""What a layer learned, as arguments of its constructor."""
_REPLACED: Final = {"Discretization": "num_bins"}
"""Arguments that Keras does not take beside what was learned."""


def adapt_layers(context: TrainingContext) -> TrainingContext:
    """Return a run whose layers have learned their state from the rows of the training set.

    The chief learns it, and writes the networks to the run directory, from which a resumed run and
    other commands take them.

    Raises:
        BlueprintError: if a layer cannot learn, or what it learned exceeds the limits of a file.
        StepError: if the training set has nothing to learn from.
        RunError: if an example cannot be read, or does not fit the network.
    """
    learning = [
        name
        for name, graph in context.graphs.items()
        if any(node.is_unadapted for node in graph.nodes)
    ]
    if not learning:
        return context
    workers = context.devices.workers
    sized = sized_graphs(context.graphs, context.config.image_size)
    states = (
        {name: _learn_states(context, sized[name]) for name in learning} if workers.is_chief else {}
    )
    # The others may compute the last bit differently.
    states = json.loads(workers.broadcast(json.dumps(states).encode()))
    adapted = {
        name: replace(
            graph, nodes=tuple(_with_state(node, states.get(name, {})) for node in graph.nodes)
        )
        for name, graph in context.graphs.items()
    }
    text = unparse(adapted, name=next(iter(adapted)), array_path=ArrayFile.recorded_path)
    # A resumed run reads it within these limits.
    parse_yaml(text, ADAPTED_FILE, context.limits)
    context.run_dir.write_text(ADAPTED_FILE, text)
    return replace(context, graphs=adapted)


@translate_read_errors()
def _learn_states(context: TrainingContext, graph: Graph) -> dict[str, _State]:
    """Return what each layer learns, in the order of the network, by the name of its node."""
    target_spec = context.config.objective.target_spec()

    def adapt(dataset: SourceDataset) -> AdaptedDataset:
        inputs, rows = adapt_inputs(dataset, graph, target_spec), np.arange(dataset.count)
        return AdaptedDataset(inputs, {}, rows, named_inputs=True, named_outputs=True)

    train = adapt_sets(context, adapt).train
    batches = eval_batches(train, batch_size=context.config.batch_size).dataset()
    states: dict[str, _State] = {}
    for node in graph.nodes:
        if not node.is_unadapted:
            continue
        signature, diagnostics = registry.load().layers[node.operation], Diagnostics()
        with diagnostics.within(node.frame):
            try:
                layer = build_layer(signature, node.arguments, node.name, node.span)
            except BuildError as error:
                error.report(diagnostics)
                raise BlueprintError(diagnostics) from error.__cause__
        adapted = replace(graph, nodes=tuple(_with_state(each, states) for each in graph.nodes))
        layer.adapt(_layer_inputs(context, adapted, node, batches))
        states[node.name] = _state_of(layer, node)
        count = plural(len(train.rows), "training example")
        context.log(f"Adapted: '{node.name}' ({node.operation}) to {count}")
    return states


def _layer_inputs(
    context: TrainingContext, graph: Graph, node: Node, batches: tf.data.Dataset
) -> Iterator[tf.Tensor]:
    """Yield batches of the input of a node.

    Raises:
        BlueprintError: if it depends on weights, which are not trained yet.
    """
    (ref,) = node.input_refs()
    subgraph = graph.subgraph_for([(ref.node, ref)])
    if not subgraph.nodes:
        for inputs, _ in batches:
            yield inputs[ref.node]
        return
    model = build(subgraph, context.limits)
    if model.trainable_weights:
        diagnostics = Diagnostics()
        layer = next(each.name for each in model.layers if each.trainable_weights)
        with diagnostics.within(node.frame):
            diagnostics.error(
                "invalid-choice",
                f"'{node.name}' ({node.operation}) would learn from the random weights of"
                f" '{layer}'",
                node.span,
                label="'adapt: true' is for layers before those that are trained",
            )
        diagnostics.raise_errors()
    for inputs, _ in batches:
        model_inputs = {each.name: inputs[each.name] for each in subgraph.inputs}
        is_single = len(model_inputs) == 1
        yield model(next(iter(model_inputs.values())) if is_single else model_inputs)


def _state_of(layer: keras.layers.Layer, node: Node) -> _State:
    """Return what a layer has learned.

    Raises:
        StepError: if it is not finite, or empty.
    """
    state: dict[str, PlainData]
    if isinstance(layer, keras.layers.Normalization):
        statistics = {"mean": layer.adapt_mean, "variance": layer.adapt_variance}
        state = {name: each.numpy().tolist() for name, each in statistics.items()}
    elif isinstance(layer, keras.layers.Discretization):
        state = {"bin_boundaries": [float(each) for each in layer.bin_boundaries]}
    elif isinstance(layer, keras.layers.IntegerLookup):
        vocabulary = layer.get_vocabulary(include_special_tokens=False)
        state = {"vocabulary": [int(each) for each in vocabulary]}
        if layer.output_mode == "tf_idf":
            # Those of other values come first, and follow from the rest.
            idf_weights = layer.idf_weights_const.numpy().tolist()
            first = layer.vocabulary_size() - len(vocabulary)
            state["idf_weights"] = idf_weights[first : first + len(vocabulary)]
    else:
        raise InternalError(f"{node.operation} has no state to learn")
    values = [np.asarray(each, np.float64) for each in state.values()]
    if not all(each.size and np.isfinite(each).all() for each in values):
        message = (
            f"'{node.name}' ({node.operation}) cannot learn from the training set: its input has"
            f" {'NaN or infinite values' if values[0].size else 'too few different values'}"
        )
        raise StepError(Diagnostic(STEP_FAILED, message, node.span, frame=node.frame))
    return state


def _with_state(node: Node, states: Mapping[str, _State]) -> Node:
    """Return a node with what its layer has learned, if it has."""
    if node.name not in states:
        return node
    replaced = (ADAPT_ARGUMENT, _REPLACED.get(node.operation))
    learned = (
        Argument(name, from_plain(value, node.span), node.span)
        for name, value in states[node.name].items()
    )
    others = (each for each in node.arguments if each.name not in replaced)
    return replace(node, arguments=(*others, *learned))
