"""The columns of the batches of an objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import tensorflow as tf

from archbuilder.compiler.ir import Graph, GraphInput, Node
from archbuilder.compiler.objective_ir import NetworkInput, ObjectiveColumn
from archbuilder.data.errors import locate_data_errors
from archbuilder.data.input_adapter import InputAdapter
from archbuilder.data.input_checks import adapt_input, with_dtype_check
from archbuilder.data.lookup_tables import lookup_tables_by_input
from archbuilder.data.pipeline import AdaptedColumn, AdaptedDataset
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.data.source_dataset import UNNAMED, Feature, SourceDataset
from archbuilder.diagnostics.errors import RunError, quote_list
from archbuilder.objectives.step_checks import report, report_at
from archbuilder.objectives.token_masking import (
    PAIR_SPECIAL_TOKENS,
    SEGMENT_SPECIAL_TOKENS,
    has_pairs,
)


def adapt_columns(
    dataset: SourceDataset,
    used_columns: Sequence[tuple[int, ObjectiveColumn]],
    graphs: Mapping[str, Graph],
    text_columns: Mapping[str, Node],
) -> AdaptedDataset:
    """Return columns of an objective, adapted to the networks that read them.

    Args:
        dataset: The examples.
        used_columns: The columns, each with its position among all of the objective.
        graphs: The networks by the names that the objective has for them.
        text_columns: The columns of which steps make segments.

    Raises:
        BlueprintError: if a column of images has no network whose input decides its size and scale,
            or a step on text has no text.
        RunError: if a column is missing, or does not fit a network.
    """
    columns = {}
    for position, column in used_columns:
        # The record of a run has no lines to show.
        with locate_data_errors(column.span if column.span.source.text else None):
            feature = _select_column(dataset, column, position)
            if column.name in text_columns:
                feature = _text_windows(dataset, text_columns[column.name])
            columns[column.name] = _adapt_column(feature, column, graphs, dataset)
    # Pieces of a text have lengths of their own, and thus another number.
    count = min((each.column.count for each in columns.values()), default=dataset.count)
    return replace(_adapted_dataset(dataset, columns), rows=np.arange(count, dtype=np.int64))


def adapt_network_inputs(
    dataset: SourceDataset, columns: Sequence[tuple[int, ObjectiveColumn]], graph: Graph
) -> AdaptedDataset:
    """Return the inputs of a network, each of which reads a column of an objective.

    Raises:
        RunError: if a column is missing, or does not fit the network.
    """
    inputs = {
        each.name: adapt_input(_select_column(dataset, column, position), each)
        for each, (position, column) in zip(graph.inputs, columns, strict=True)
    }
    return _adapted_dataset(dataset, inputs)


def _adapted_dataset(
    dataset: SourceDataset, columns: Mapping[str, AdaptedColumn]
) -> AdaptedDataset:
    notes = [note for each in columns.values() for note in each.adapter.notes]
    return AdaptedDataset(
        columns,
        {},
        np.arange(dataset.count, dtype=np.int64),
        named_inputs=True,
        named_outputs=True,
        notes=(*dataset.notes, *notes),
    )


def find_column(dataset: SourceDataset, column: ObjectiveColumn, position: int) -> Feature | None:
    """Return the feature of a column; None if there is none.

    A source without names, such as a directory of images, has its input in the first column and its
    target in the second.
    """
    targets = {name: Feature(each) for name, each in dataset.targets.items()}
    named = dataset.inputs.get(column.name) or targets.get(column.name)
    if named is not None:
        return named
    unnamed = [each[UNNAMED] for each in (dataset.inputs, targets) if UNNAMED in each]
    return unnamed[position] if position < len(unnamed) else None


def _select_column(dataset: SourceDataset, column: ObjectiveColumn, position: int) -> Feature:
    """Return the feature of a column.

    Raises:
        RunError: if there is none.
    """
    feature = find_column(dataset, column, position)
    if feature is not None:
        return feature
    columns = [*dataset.inputs, *dataset.targets]
    names = [name for name in columns if name]
    available = f": {quote_list(names)}" if names else f" {len(columns)} without names"
    raise RunError(
        f"{dataset.source_name} has no column '{column.name}' for the objective; it has{available}"
    )


def _text_windows(dataset: SourceDataset, node: Node) -> Feature:
    """Return windows of a text that have the configured length with the special tokens added.

    Raises:
        BlueprintError: if the data is no text, or its sequences are too short.
    """
    texts = dataset.token_array
    if texts is None:
        report(
            "invalid-choice",
            node,
            f"'{node.operation}' needs the source 'text', and the data is {dataset.source_name}",
            "write 'data: {text: ...}'",
        )
    count = PAIR_SPECIAL_TOKENS if has_pairs(node) else SEGMENT_SPECIAL_TOKENS
    length = dataset.inputs[UNNAMED].shape[0] - count
    # A pair of segments has at least one token in each.
    if length < 2:
        report(
            "invalid-choice",
            node,
            f"'{node.operation}' needs sequences of at least {count + 2} tokens",
            "increase 'sequence_length'",
        )
    return Feature(texts.windows(length))


def _adapt_column(
    feature: Feature,
    column: ObjectiveColumn,
    graphs: Mapping[str, Graph],
    dataset: SourceDataset,
) -> AdaptedColumn:
    tokenizer = dataset.preprocessing.tokenizer
    if tokenizer is not None:
        limit = "'vocabulary_size'"
        feature = replace(feature, num_categories=tokenizer.vocab_size, vocabulary_limit=limit)
    # Tokens have neither a size nor a scale: they are read as they are, if no input is named.
    is_token = tokenizer is not None and column.network_input is None
    reader = None if is_token else network_input_of(column, graphs)
    if reader is not None:
        graph, network_input = reader
        tables = lookup_tables_by_input(graph).get(network_input.name, ())
        return adapt_input(feature, replace(network_input, name=column.name), tables)
    # Unscaled pixels would be mistaken for those that the networks take.
    if feature.image or feature.divide_by is not None:
        name, graph = next(iter(graphs.items()))
        report_at(
            "invalid-inputs",
            column.span,
            f"the column '{column.name}' has images, and no network has an input of this name",
            "write the one whose size and scale they get, as in 'inputs:"
            f" {{{column.name}: {name}.{graph.inputs[0].name}}}'",
        )
    is_integer = feature.column.dtype.kind in "iub"
    convert = _to_labels if is_integer and feature.column.shape == (1,) else _to_numbers
    dtype = tf.int32 if is_integer else tf.float32
    origin = feature.origin or ColumnOrigin.for_array(feature.column.name or "the data")
    consumer = f"the column '{column.name}' of the objective ({column.span}) has {dtype.name}"
    return AdaptedColumn(
        with_dtype_check(
            feature.column,
            np.dtype(dtype.as_numpy_dtype),
            feature.integer_mask,
            origin,
            consumer,
        ),
        InputAdapter((partial(convert, dtype=dtype),), ()),
        num_categories=feature.num_categories,
    )


def _to_numbers(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    return tf.cast(values, dtype)


def _to_labels(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Return one label for each example: formulas would pair labels `[n, 1]` with all examples."""
    return tf.cast(values[:, 0], dtype)


def network_input_of(
    column: ObjectiveColumn, graphs: Mapping[str, Graph]
) -> tuple[Graph, GraphInput] | None:
    """Return the input that a column is adapted to: as declared, or the one of its name."""
    declared = column.network_input
    for name, graph in graphs.items():
        for graph_input in graph.inputs:
            if declared == NetworkInput(name, graph_input.name) or (
                declared is None and graph_input.name == column.name
            ):
                return graph, graph_input
    return None
