"""A run of an objective on a small batch, before training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import keras
import tensorflow as tf

from archbuilder.compiler.ir import Node, Shape, TensorRef
from archbuilder.compiler.objective_ir import ObjectiveGraph, gradient_inputs
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.lookup_tables import lookup_tables_by_input
from archbuilder.data.pipeline import AdaptedDataset, eval_batches
from archbuilder.formatting import format_bytes
from archbuilder.keras_backend.memory_check import memory_limit
from archbuilder.keras_backend.shape_format import format_shape
from archbuilder.language.objective_operations import (
    AUGMENT,
    GRADIENT,
    PIPELINE_OPERATIONS,
    RANDOM_OPERATIONS,
    TOKEN_OPERATIONS,
)
from archbuilder.limits import Limits
from archbuilder.objectives.interpreter import Interpreter
from archbuilder.objectives.random_draws import draw, drawn_shape
from archbuilder.objectives.step_checks import StepChecks, check_memory_rows, report
from archbuilder.objectives.step_context import StepContext, Tensors, select
from archbuilder.objectives.token_masking import draw_tokens
from archbuilder.trainer.log_format import LogFn
from archbuilder.yaml.nodes import to_plain

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
    rows: int
    """Number of examples of the run; few, and not the length of another axis."""
    values: dict[str, Tensors]
    checks: StepChecks
    vocabulary: int = 0
    """Number of tokens, if a column has some."""
    shapes: dict[str, Shape] = field(default_factory=dict)
    """The shape of the numbers that a step draws for one example."""

    @classmethod
    def of(
        cls,
        interpreter: Interpreter,
        dataset: AdaptedDataset,
        limits: Limits,
        batch_size: int,
        log: LogFn,
    ) -> TrialRun:
        """Run an objective on rows like those of a dataset.

        Raises:
            BlueprintError: if a step does not take its inputs, or does not fit into memory.
        """
        spec = eval_batches(dataset, batch_size=1).element_spec[0]
        rows = _row_count(spec, interpreter)
        largest = {name: (each.num_categories or 1) - 1 for name, each in dataset.inputs.items()}
        columns = {name: (_filled(each, largest[name], rows),) for name, each in spec.items()}
        vocabulary = max(largest.values(), default=0) + 1
        checks = StepChecks.of(columns, log)
        trial = cls(interpreter, limits, batch_size, rows, columns, checks, vocabulary)
        graph = interpreter.graph
        for memory in graph.memories:
            # Its width is that of the step, which does not depend on a memory.
            trial._run(graph.nodes_for([memory.value]))
            (value,) = select(memory.value, trial.values)
            check_memory_rows(memory, value)
            trial.values[memory.name] = (tf.zeros([memory.length, *value.shape[1:]]),)
        trial._run(graph.nodes)
        return trial

    def _run(self, nodes: Sequence[Node]) -> None:
        context = StepContext(training=False, on_replica=False)
        for node in nodes:
            if node.operation in RANDOM_OPERATIONS:
                shape = drawn_shape(node, self.values)
                self._check_memory(node, shape)
                self.shapes[node.name] = shape
                self.values[node.name] = (draw(node, (self.rows, *shape), tf.constant([0, 0])),)
            elif node.operation in TOKEN_OPERATIONS:
                (tokens,) = select(node.input_refs()[0], self.values)
                share = BatchShare(tf.constant(0, tf.int64), tf.range(self.rows, dtype=tf.int64))
                seed = tf.constant([0, 0])
                self.values[node.name] = draw_tokens(node, tokens, seed, share, self.vocabulary)
            elif node.operation == AUGMENT:
                self.values[node.name] = select(node.input_refs()[0], self.values)
            elif node.operation == GRADIENT:
                # No tape records the steps of this run; a gradient has the shape of its tensor.
                by = [each for ref in gradient_inputs(node)[1] for each in select(ref, self.values)]
                self.values[node.name] = tuple(map(tf.zeros_like, by))
            else:
                self._check_tables(node)
                self.checks.check(node, self.values)
                # Its inputs alone: `run` copies what it gets, which grows with every step.
                inputs = {ref.node: self.values[ref.node] for ref in node.input_refs()}
                self.values |= self.interpreter.run([node], inputs, context)
                is_network = node.operation in self.interpreter.networks
                self.checks.add(node, self.values, is_network=is_network)

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
                    report(
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
            report("memory-limit", node, message)

    @property
    def inputs(self) -> dict[str, Tensors]:
        """The values that the steps of a training step start from."""
        computed = {
            each.name
            for each in self.interpreter.graph.nodes
            if each.operation not in PIPELINE_OPERATIONS
        }
        return {name: each for name, each in self.values.items() if name not in computed}


def _row_count(columns: Mapping[str, tf.TensorSpec], interpreter: Interpreter) -> int:
    """Return a number of examples that no other axis has, which would hide a wrong axis."""
    models = [each.model for each in interpreter.networks.values()]
    tensors = [*columns.values(), *keras.tree.flatten([(m.inputs, m.outputs) for m in models])]
    sizes = {size for each in tensors for size in each.shape[1:]}
    graph = interpreter.graph
    sizes |= {each.length for each in graph.memories}
    for node in graph.nodes:
        arguments = [to_plain(each.value) for each in (*node.arguments, *node.call_constants)]
        sizes |= {each for each in keras.tree.flatten(arguments) if isinstance(each, int)}
    return next(number for number in itertools.count(3, 2) if number not in sizes)


def _filled(spec: tf.TensorSpec, value: int, rows: int) -> tf.Tensor:
    sizes = [1 if size is None else size for size in spec.shape[1:]]
    return tf.fill([rows, *sizes], tf.cast(value, spec.dtype))


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
