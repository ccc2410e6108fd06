"""A run of an objective on a small batch, before training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import keras
import tensorflow as tf

from archbuilder.compiler.ir import Node, Shape
from archbuilder.compiler.objective_ir import ObjectiveGraph, gradient_inputs
from archbuilder.data.pipeline import AdaptedDataset, eval_batches
from archbuilder.diagnostics.errors import UsageError
from archbuilder.language.objective_operations import AUGMENT, GRADIENT, RANDOM_OPERATIONS
from archbuilder.objectives.block_batches import draw, drawn_shape
from archbuilder.objectives.block_runner import BlockRunner, StepContext, Tensors, select

_ROWS = 2


@dataclass(slots=True, eq=False)
class TrialRun:
    """The values of all steps for a few rows of zeros, and the shapes of random numbers.

    The run creates the layers of the objective, and reports steps that do not take their inputs.
    """

    runner: BlockRunner
    values: dict[str, Tensors]
    shapes: dict[str, Shape] = field(default_factory=dict)
    """The shape of the numbers that a step draws for one example."""

    @classmethod
    def of(cls, runner: BlockRunner, dataset: AdaptedDataset) -> TrialRun:
        """Run an objective on rows like those of a dataset.

        Raises:
            BlueprintError: if a step does not take its inputs.
            UsageError: if a memory is of a step without rows.
        """
        spec = eval_batches(dataset, batch_size=_ROWS).element_spec[0]
        trial = cls(runner, {name: (_zeros(each),) for name, each in spec.items()})
        graph = runner.graph
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
                self.shapes[node.name] = shape
                self.values[node.name] = (draw(node, (_ROWS, *shape), tf.constant([0, 0])),)
            elif node.operation == AUGMENT:
                self.values[node.name] = select(node.input_refs()[0], self.values)
            elif node.operation == GRADIENT:
                # No tape records the steps of this run; a gradient has the shape of its tensor.
                by = [each for ref in gradient_inputs(node)[1] for each in select(ref, self.values)]
                self.values[node.name] = tuple(map(tf.zeros_like, by))
            else:
                self.values |= self.runner.run([node], self.values, context)


def _zeros(spec: tf.TensorSpec) -> tf.Tensor:
    sizes = [1 if size is None else size for size in spec.shape[1:]]
    return tf.zeros([_ROWS, *sizes], spec.dtype)


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
