"""What the steps of an objective need besides the columns of a batch: random numbers and views.

They are computed when a batch is read, as functions of the seed, the step and the position in the
batch. A resumed run therefore draws the same numbers, and so do any number of replicas.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

import tensorflow as tf

from archbuilder.compiler.ir import Node, Shape
from archbuilder.compiler.objective_ir import ObjectiveGraph
from archbuilder.data.augmentation import Augmentation
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.pipeline import BatchPipeline
from archbuilder.diagnostics.errors import InternalError
from archbuilder.language.objective_operations import (
    AUGMENT,
    LENGTH,
    RANDOM_OPERATIONS,
    SEGMENT_TEXT,
    TOKEN_OPERATIONS,
)
from archbuilder.objectives.model import COLUMNS, DRAWS, EVALUATION, Batch
from archbuilder.objectives.step_context import Tensors, Values, select
from archbuilder.objectives.token_masking import draw_tokens, has_pairs

FIRST_EVALUATION_STEP: Final = 2**30
"""First step of the evaluation: no run reaches it, so its numbers are not those of training."""


@dataclass(frozen=True, slots=True, eq=False)
class BatchDraws:
    """Computes what the steps of an objective draw for a batch."""

    graph: ObjectiveGraph
    shapes: Mapping[str, Shape]
    """The shape of the random numbers of each step, for one example."""
    augmentation: Augmentation
    seed: int
    vocabulary_size: int = 0
    """Number of tokens, if a column has some."""

    def train(self, pipeline: BatchPipeline) -> BatchPipeline:
        """Return batches with what every update draws, each on its own."""

        def add(share: BatchShare, batch: tuple[dict[str, tf.Tensor], object]) -> Batch:
            draws = {
                DRAWS + each.name: self._draw(share, batch[0], each.name)
                for each in self.graph.updates
            }
            return {COLUMNS: batch[0], **draws}

        return pipeline.map(add, lambda: self._needs_batch(pipeline))

    def evaluate(self, pipeline: BatchPipeline) -> BatchPipeline:
        """Return batches for an evaluation."""

        def add(share: BatchShare, batch: tuple[dict[str, tf.Tensor], object]) -> Batch:
            shifted = replace(share, step=share.step + FIRST_EVALUATION_STEP)
            return {COLUMNS: batch[0], EVALUATION: self._draw(shifted, batch[0], EVALUATION)}

        return pipeline.map(add, lambda: self._needs_batch(pipeline))

    def _needs_batch(self, pipeline: BatchPipeline) -> bool:
        # The second segment may be from another example.
        if any(each.operation == SEGMENT_TEXT and has_pairs(each) for each in self.graph.nodes):
            return True
        columns = pipeline.element_spec[0]
        return any(
            self.augmentation.needs_batch(columns[node.input_refs()[0].node])
            for node in self.graph.nodes
            if node.operation == AUGMENT
        )

    def _draw(
        self, share: BatchShare, columns: Mapping[str, tf.Tensor], purpose: str
    ) -> dict[str, Tensors]:
        draws: dict[str, Tensors] = {}
        views = [each.name for each in self.graph.nodes if each.operation == AUGMENT]
        # Every update has views of its own.
        names = [each.name for each in self.graph.updates]
        first_view = len(views) * names.index(purpose) if purpose in names else 0
        for node in self.graph.nodes:
            if node.operation == AUGMENT:
                images = columns[node.input_refs()[0].node]
                view = first_view + views.index(node.name)
                draws[node.name] = (self.augmentation(images, share, view),)
            elif node.operation in TOKEN_OPERATIONS:
                ref = node.input_refs()[0]
                (tokens,) = (columns[ref.node],) if ref.node in columns else select(ref, draws)
                seed = draw_seed(self.seed, share.step, f"{purpose}/{node.name}")
                draws[node.name] = draw_tokens(node, tokens, seed, share, self.vocabulary_size)
            elif node.operation in RANDOM_OPERATIONS:
                seed = draw_seed(self.seed, share.step, f"{purpose}/{node.name}")
                shape = (share.batch_size, *self.shapes[node.name])
                draws[node.name] = (share.select(draw(node, shape, seed)),)
        return draws


def draw_seed(seed: int, step: tf.Tensor, name: str) -> tf.Tensor:
    """Return the seed of what is drawn under a name in a step of a run."""
    key = tf.stack([tf.constant(seed, tf.int64), tf.cast(step, tf.int64)])
    return tf.random.experimental.stateless_fold_in(key, zlib.crc32(name.encode()) & 0x7FFFFFFF)


def drawn_shape(node: Node, values: Values) -> Shape:
    """Return the shape of the random numbers of a step, for one example."""
    inputs = [each for ref in node.input_refs() for each in select(ref, values)]
    length = node.argument(LENGTH)
    declared = [length] if length else node.argument("shape") or ()
    return tuple(inputs[0].shape[1:]) if inputs else tuple(cast("Sequence[int]", declared))


def draw(node: Node, shape: tuple[object, ...], seed: tf.Tensor) -> tf.Tensor:
    """Return the random numbers of a step, a function of the seed only."""
    if node.operation == "Normal":
        return tf.random.stateless_normal(
            shape, seed, _number(node, "mean"), _number(node, "stddev")
        )
    if node.operation == "Uniform":
        return tf.random.stateless_uniform(
            shape, seed, _number(node, "minval"), _number(node, "maxval")
        )
    if node.operation == "Bernoulli":
        uniform = tf.random.stateless_uniform(shape, seed)
        return tf.cast(uniform < _number(node, "probability"), tf.float32)
    if node.operation == "Categorical":
        return tf.random.stateless_uniform(shape, seed, 0, int(_number(node, "classes")), tf.int32)
    if node.operation == "Permutation":
        return tf.argsort(tf.random.stateless_uniform(shape, seed), axis=-1)
    raise InternalError(f"'{node.operation}' does not draw numbers")


def _number(node: Node, name: str) -> float:
    value = node.argument(name)
    if value is None:
        value = RANDOM_OPERATIONS[node.operation].arguments[name].default
    if not isinstance(value, int | float):
        raise InternalError(f"'{name}' of '{node.name}' is not a number")
    return float(value)
