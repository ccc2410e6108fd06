"""A run of an objective on a small batch, before training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

import keras
import tensorflow as tf

from archbuilder.compiler.ir import Node, Shape, TensorRef
from archbuilder.compiler.objective_ir import (
    ObjectiveGraph,
    gradient_inputs,
    labels_of,
    predictions_of,
)
from archbuilder.config.loss_traits import LOSS_TRAITS
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.lookup_tables import lookup_tables_by_input
from archbuilder.data.pipeline import AdaptedDataset, eval_batches
from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics, UsageError
from archbuilder.formatting import format_bytes
from archbuilder.keras_backend.memory_check import memory_limit
from archbuilder.keras_backend.shape_format import format_shape
from archbuilder.language.objective_operations import (
    AUGMENT,
    GRADIENT,
    LOSS_PREFIX,
    PIPELINE_OPERATIONS,
    RANDOM_OPERATIONS,
    TOKEN_OPERATIONS,
)
from archbuilder.limits import Limits
from archbuilder.objectives.interpreter import Interpreter
from archbuilder.objectives.random_draws import draw, drawn_shape
from archbuilder.objectives.step_context import StepContext, Tensors, select
from archbuilder.objectives.token_masking import draw_tokens

TRIAL_ROWS: Final = 3
"""Number of examples of a trial run; few, and seldom the length of another axis."""
_NUMBER_BYTES = 4


@dataclass(slots=True, eq=False)
class TrialRun:
    """The values of all steps for a few rows, and the shapes of random numbers.

    The rows are zeros, and the last category in columns of categories, such as tokens.

    The run creates the layers of the objective, and reports steps that do not take their inputs.
    """

    interpreter: Interpreter
    limits: Limits
    batch_size: int
    """Number of examples that random numbers are drawn for at once in training."""
    values: dict[str, Tensors]
    vocabulary: int = 0
    """Number of tokens, if a column has some."""
    shapes: dict[str, Shape] = field(default_factory=dict)
    """The shape of the numbers that a step draws for one example."""

    @classmethod
    def of(
        cls, interpreter: Interpreter, dataset: AdaptedDataset, limits: Limits, batch_size: int
    ) -> TrialRun:
        """Run an objective on rows like those of a dataset.

        Raises:
            BlueprintError: if a step does not take its inputs, or does not fit into memory.
            UsageError: if a memory is of a step without rows.
        """
        spec = eval_batches(dataset, batch_size=TRIAL_ROWS).element_spec[0]
        largest = {name: (each.num_categories or 1) - 1 for name, each in dataset.inputs.items()}
        columns = {name: (_filled(each, largest[name]),) for name, each in spec.items()}
        trial = cls(interpreter, limits, batch_size, columns, max(largest.values(), default=0) + 1)
        graph = interpreter.graph
        for memory in graph.memories:
            # Its width is that of the step, which does not depend on a memory.
            trial._run(graph.nodes_for([memory.value]))
            (rows,) = select(memory.value, trial.values)
            if not rows.shape.rank:
                raise UsageError(
                    f"the memory '{memory.name}' ({memory.span}) needs a step with a row for each"
                    " example, and its step has one number for the batch"
                )
            trial.values[memory.name] = (tf.zeros([memory.length, *rows.shape[1:]]),)
        trial._run(graph.nodes)
        return trial

    def _run(self, nodes: Sequence[Node]) -> None:
        context = StepContext(training=False, on_replica=False)
        for node in nodes:
            if node.operation in RANDOM_OPERATIONS:
                shape = drawn_shape(node, self.values)
                self._check_memory(node, shape)
                self.shapes[node.name] = shape
                self.values[node.name] = (draw(node, (TRIAL_ROWS, *shape), tf.constant([0, 0])),)
            elif node.operation in TOKEN_OPERATIONS:
                (tokens,) = select(node.input_refs()[0], self.values)
                share = BatchShare(tf.constant(0, tf.int64), tf.range(TRIAL_ROWS, dtype=tf.int64))
                seed = tf.constant([0, 0])
                self.values[node.name] = draw_tokens(node, tokens, seed, share, self.vocabulary)
            elif node.operation == AUGMENT:
                self.values[node.name] = select(node.input_refs()[0], self.values)
            elif node.operation == GRADIENT:
                # No tape records the steps of this run; a gradient has the shape of its tensor.
                by = [each for ref in gradient_inputs(node)[1] for each in select(ref, self.values)]
                self.values[node.name] = tuple(map(tf.zeros_like, by))
            else:
                _check_classes(node, self.values)
                _check_shapes(node, self.values)
                self._check_tables(node)
                # Its inputs alone: `run` copies what it gets, which grows with every step.
                inputs = {ref.node: self.values[ref.node] for ref in node.input_refs()}
                self.values |= self.interpreter.run([node], inputs, context)

    def _check_tables(self, node: Node) -> None:
        """Check that a network has the categories it is called with: a GPU has 0 for others.

        Raises:
            BlueprintError: if it has not.
        """
        network = self.interpreter.networks.get(node.operation)
        if network is None:
            return
        refs = dict(zip(network.inputs, node.inputs, strict=False)) | dict(node.keywords)
        for name, tables in lookup_tables_by_input(network.graph).items():
            ref = refs.get(name)
            (values,) = select(ref, self.values) if isinstance(ref, TensorRef) else (None,)
            # Other values are those of a column, which is checked when it is read.
            if values is None or not values.dtype.is_integer:
                continue
            largest = int(tf.reduce_max(values))
            for table in tables:
                if largest >= table.size and table.positions is None:
                    _report(
                        "shape-mismatch",
                        node,
                        f"'{node.name}' ({node.operation}) has values from 0 to {largest:,} in the"
                        f" input '{name}', which feeds {table.description}",
                        "the table of a language model is as large as the vocabulary",
                    )

    def _check_memory(self, node: Node, shape: Shape) -> None:
        """Raise an error if the random numbers of a batch do not fit into memory."""
        needed = _NUMBER_BYTES * math.prod(each or 1 for each in (self.batch_size, *shape))
        limit = memory_limit(self.limits)
        if needed > limit.num_bytes:
            message = (
                f"'{node.name}' ({node.operation}) draws {format_shape(shape)} for each example,"
                f" which needs {format_bytes(needed)} for a batch, but {limit}"
            )
            _report("memory-limit", node, message)

    @property
    def inputs(self) -> dict[str, Tensors]:
        """The values that the steps of a training step start from."""
        computed = {
            each.name
            for each in self.interpreter.graph.nodes
            if each.operation not in PIPELINE_OPERATIONS
        }
        return {name: each for name, each in self.values.items() if name not in computed}


def compares_classes(node: Node) -> bool:
    """Return whether a node is a loss whose labels are class indices."""
    traits = LOSS_TRAITS.get(node.operation.removeprefix(LOSS_PREFIX))
    return traits is not None and traits.targets == "class_indices"


def _report(code: Code, node: Node, message: str, *notes: str) -> NoReturn:
    diagnostics = Diagnostics()
    with diagnostics.within(node.frame):
        diagnostics.error(code, message, node.span, notes=notes)
    raise BlueprintError(diagnostics)


def _check_classes(node: Node, values: Mapping[str, Tensors]) -> None:
    """Check that a loss of classes has a prediction for each: a GPU has NaN for those beyond.

    Raises:
        BlueprintError: if it has not.
    """
    if not compares_classes(node):
        return
    (labels,) = select(labels_of(node), values)
    (predictions,) = select(predictions_of(node), values)
    largest, count = int(tf.reduce_max(labels)), predictions.shape[-1]
    if largest >= count:
        _report(
            "shape-mismatch",
            node,
            f"'{node.name}' ({node.operation}) compares values from 0 to {largest:,} with"
            f" predictions of {count:,} classes",
            "the output of a language model is as large as the vocabulary",
        )


def _check_shapes(node: Node, values: Mapping[str, Tensors]) -> None:
    """Check that a loss of values has a target for each: Keras would repeat those of axes of 1.

    Raises:
        BlueprintError: if it has not.
    """
    traits = LOSS_TRAITS.get(node.operation.removeprefix(LOSS_PREFIX))
    if traits is None or traits.targets not in ("values", "probabilities"):
        return
    (targets,) = select(labels_of(node), values)
    (predictions,) = select(predictions_of(node), values)
    # Keras itself removes or adds a last axis of length 1.
    shapes = [[*each.shape] for each in (targets, predictions)]
    compared = {tuple(each[:-1] if each[-1:] == [1] else each) for each in shapes}
    # One number for all examples is meant for all of them.
    if len(compared - {()}) > 1:
        _report(
            "shape-mismatch",
            node,
            f"'{node.name}' ({node.operation}) compares {shapes[0][1:]} with {shapes[1][1:]} for"
            " each example",
        )


def _filled(spec: tf.TensorSpec, value: int) -> tf.Tensor:
    sizes = [1 if size is None else size for size in spec.shape[1:]]
    return tf.fill([TRIAL_ROWS, *sizes], tf.cast(value, spec.dtype))


def make_memories(
    objective: ObjectiveGraph, trial: TrialRun, seed: int
) -> Mapping[str, keras.Variable]:
    """Return the memories, which begin with random unit vectors as in MoCo."""
    memories = {}
    for number, memory in enumerate(objective.memories):
        shape = (memory.length, *select(memory.value, trial.values)[0].shape[1:])
        initial = tf.random.stateless_normal(shape, [seed, number])
        if len(shape) > 1:
            initial = tf.math.l2_normalize(initial, axis=-1)
        memories[memory.name] = keras.Variable(initial, trainable=False, name=memory.name)
    return memories
