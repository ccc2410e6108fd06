"""Tracker of the first step of an objective with a NaN or infinite value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

from archbuilder.compiler.ir import TensorRef
from archbuilder.compiler.objective_ir import needed_names
from archbuilder.diagnostics.errors import quote
from archbuilder.objectives.interpreter import Interpreter
from archbuilder.objectives.step_context import Values


class NaNSourceTracker:
    """Remembers where the first loss that is not finite comes from, on every replica.

    It looks at the values of a step while they exist: once the loss is NaN, so are the weights, and
    a later run of the same batch would find NaN everywhere. Only a bad loss has a cost.

    Create it within the scope of the strategy.
    """

    def __init__(self, interpreter: Interpreter) -> None:
        graph = interpreter.graph
        self._interpreter = interpreter
        self._weights = {
            name: f"the weights of '{name}', as after a gradient that is NaN or infinite"
            for name in interpreter.networks
        }
        self._descriptions = {
            **{each.name: f"the column '{each.name}'" for each in graph.columns},
            **{each.name: f"the memory '{each.name}'" for each in graph.memories},
            **{
                each.name: f"{quote(each.name)} ({each.operation}, {each.span})"
                for each in graph.nodes
            },
        }
        self._sources = (*self._descriptions.values(), *self._weights.values())
        # Each replica has its own, as it has for metrics. 0 is no source.
        self._code = tf.Variable(
            0,
            trainable=False,
            dtype=tf.int64,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.SUM,
        )

    def update(
        self, time: tf.Tensor, loss: tf.Tensor, refs: Iterable[TensorRef], values: Values
    ) -> None:
        """Check a loss of some steps, and look for its source among their values.

        `time` grows from one loss to the next, and is the same on all replicas.
        """
        tensors = self._inspected(refs, values)
        code = tf.convert_to_tensor(self._code)
        is_first = tf.logical_and(tf.logical_not(tf.math.is_finite(loss)), tf.equal(code, 0))
        numbers = tf.constant([*map(self._sources.index, tensors), len(self._sources)], tf.int64)

        def find_source() -> tf.Tensor:
            flags = [tf.reduce_all([*map(_is_finite, each)]) for each in tensors.values()]
            source = numbers[tf.argmin(tf.cast(tf.stack([*flags, False]), tf.int32))]
            return tf.cast(time, tf.int64) * (len(self._sources) + 1) + source + 1

        self._code.assign(tf.cond(is_first, find_source, lambda: code))

    def _inspected(
        self, refs: Iterable[TensorRef], values: Values
    ) -> Mapping[str, Sequence[tf.Tensor]]:
        """Return the tensors that some steps depend on, in the order of their computation."""
        graph = self._interpreter.graph
        needed = needed_names(graph.nodes, {ref.node for ref in refs})
        nodes = [each for each in graph.nodes if each.name in needed]
        operations = {each.operation for each in nodes}
        names = [*(each.name for each in graph.columns), *(each.name for each in graph.memories)]
        return {
            **{self._descriptions[name]: values[name] for name in names if name in needed},
            **{
                source: [each.value for each in self._interpreter.networks[name].model.variables]
                for name, source in self._weights.items()
                if name in operations
            },
            **{self._descriptions[each.name]: values[each.name] for each in nodes},
        }

    def first(self, strategy: tf.distribute.Strategy) -> str:
        """Return what the source is; empty if it is not known, as that of another process."""
        codes = [int(each.numpy()) for each in strategy.experimental_local_results(self._code)]
        codes = [each for each in codes if each]
        number = (min(codes) - 1) % (len(self._sources) + 1) if codes else len(self._sources)
        return self._sources[number] if number < len(self._sources) else ""


def _is_finite(tensor: tf.Tensor) -> tf.Tensor:
    # A gradient may be IndexedSlices.
    values = tf.convert_to_tensor(tensor)
    is_number = values.dtype.is_floating
    return tf.reduce_all(tf.math.is_finite(values)) if is_number else tf.constant(value=True)
