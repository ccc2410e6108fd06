"""What the steps of an objective are called with: networks, inputs, and the context of a batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from archbuilder.compiler.ir import Graph, TensorRef
from archbuilder.distribution.slices import all_reduce_sum
from archbuilder.trainer.loss_reduction import SumAndCount

Tensors: TypeAlias = tuple[tf.Tensor, ...]
"""The outputs of a step, in order."""
Values: TypeAlias = Mapping[str, Tensors]
"""The outputs of steps, columns and memories by their names."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A network with its graph."""

    model: keras.Model
    graph: Graph
    function: Callable[..., Any] | None = None
    """The model as a compiled function; None to call it as it is."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of its inputs in the order of the blueprint."""
        return tuple(each.name for each in self.graph.inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of its outputs in the order of the blueprint."""
        return tuple(name for name, _ in self.graph.outputs)

    def __call__(self, tensors: Mapping[str, tf.Tensor], *, training: bool) -> Tensors:
        """Return the outputs for tensors by the names of the inputs."""
        single = tensors[self.inputs[0]] if len(self.inputs) == 1 else None
        function = self.function or self.model
        outputs = function(tensors if single is None else single, training=training)
        if isinstance(outputs, Mapping):
            return tuple(outputs[name] for name in self.outputs)
        return (outputs,)


@dataclass(frozen=True, slots=True, eq=False)
class StepContext:
    """What the steps of an objective depend on besides their inputs."""

    training: bool
    on_replica: bool = True
    """Whether the steps run on a replica, which can read the rows of others."""
    is_duplicate: tf.Tensor | None = None
    """Whether the rows repeat those of another replica; None if none do."""
    shuffle_seed: tf.Tensor | None = None
    """The same on all replicas, and another one at every step."""
    added_losses: dict[str, list[tf.Tensor]] = field(default_factory=lambda: defaultdict(list))
    """What activity regularizers and `add_loss` add, by network; steps append to it."""
    tape: tf.GradientTape | None = None
    """What records the steps, if one of them is a gradient."""
    weighted_sums: dict[str, SumAndCount] = field(default_factory=dict)
    """The weighted values and the weights of steps that have weights; the steps add theirs."""
    divisors: Mapping[str, tf.Tensor] | None = None
    """For each of these steps, what its rows are divided by; None to compute it from the rows of
    all replicas, which are then the batch."""
    own_divisors: dict[str, tf.Tensor] = field(default_factory=dict)
    """Those that were computed."""

    def weighted(self, name: str, values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Return a value for each row, of which the mean over the batch is the weighted mean."""
        axes = [*range(1, values.shape.rank)]
        weights = tf.stop_gradient(weights)
        sums, counts = tf.reduce_sum(values * weights, axes), tf.reduce_sum(weights, axes)
        self.weighted_sums[name] = SumAndCount(tf.reduce_sum(sums), tf.reduce_sum(counts))
        if self.divisors is not None:
            return tf.math.divide_no_nan(sums, self.divisors[name])
        total = tf.stack([tf.reduce_sum(counts), tf.cast(tf.shape(counts)[0], counts.dtype)])
        if self.is_duplicate is not None:
            total *= tf.cast(tf.logical_not(self.is_duplicate), total.dtype)
        if self.on_replica:
            total = all_reduce_sum(total)
        # The mean weight of a row: the mean of the rows then is the sum divided by all weights.
        self.own_divisors[name] = total[0] / total[1]
        return tf.math.divide_no_nan(sums, self.own_divisors[name])


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call of a step: its inputs in order and by name, and the context."""

    positional: list[Any]
    keywords: dict[str, Any]
    context: StepContext

    @property
    def first(self) -> tf.Tensor:
        """The only input."""
        return [*self.positional, *self.keywords.values()][0]


def select(ref: TensorRef, values: Values) -> Tensors:
    """Return the tensors of a reference: one output of a step, or all of them."""
    tensors = values[ref.node]
    return tensors if ref.output is None else (tensors[ref.output],)
