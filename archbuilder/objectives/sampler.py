"""Samples of the networks of an objective, by the steps under its `sample`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.compiler.objective_ir import ObjectiveGraph, SampleGraph
from archbuilder.data.columns import translate_read_errors
from archbuilder.language.objective_operations import RANDOM_OPERATIONS, ROWS
from archbuilder.objectives.interpreter import Interpreter
from archbuilder.objectives.random_draws import draw, draw_seed, drawn_shape
from archbuilder.objectives.step_checks import check_sample_rows
from archbuilder.objectives.step_context import Network, StepContext, Tensors, select
from archbuilder.trainer.datasets import AdaptedDatasets
from archbuilder.trainer.log_format import LogFn

_BATCH_SIZE: Final = 256


class Sampler:
    """Draws samples, which are a function of the seed, the weights and their positions.

    The steps run one by one, and each network is compiled once: to compile fifty calls of a network
    that removes noise would take longer than to run them.
    """

    def __init__(
        self,
        objective: ObjectiveGraph,
        sample: SampleGraph,
        networks: Mapping[str, Network],
        log: LogFn,
        datasets: AdaptedDatasets | None = None,
    ) -> None:
        compiled = {
            name: replace(each, function=tf.function(each.model, reduce_retracing=True))
            for name, each in networks.items()
        }
        self._sample = sample
        self._log = log
        self._has_warned = False
        self._dataset = None if datasets is None else datasets.validation or datasets.train
        self._interpreter = Interpreter(objective, compiled)
        uses = [(ref.node, node.name) for node in sample.nodes for ref in node.input_refs()]
        # The values of a long loop are removed after their last use.
        self._last_uses = dict(uses)

    def __call__(self, count: int, seed: int) -> NDArray[np.float32]:
        """Return samples: `(count, ...)`.

        Raises:
            BlueprintError: if a step does not take its inputs or has weights, or if the samples
                have no row for each.
        """
        batches = []
        for index in range(math.ceil(count / _BATCH_SIZE)):
            rows = np.arange(index * _BATCH_SIZE, min((index + 1) * _BATCH_SIZE, count))
            batches.append(self._draw_batch(index, rows, seed))
        samples = np.concatenate(batches)
        if not self._has_warned and not np.isfinite(samples).all():
            self._has_warned = True
            self._log(f"warning: samples have NaN or infinite values ({self._sample.span})")
        return samples

    def _read_columns(self, rows: NDArray[np.int64]) -> dict[str, Tensors]:
        """Return the examples that samples depend on; after the last, the first one follows."""
        if not self._sample.columns or self._dataset is None:
            return {}
        examples = tf.constant(self._dataset.rows[rows % len(self._dataset.rows)])
        with translate_read_errors():
            return {
                name: (self._dataset.inputs[name].gather(examples),)
                for name in self._sample.columns
            }

    def _draw_batch(self, index: int, rows: NDArray[np.int64], seed: int) -> NDArray[np.float32]:
        size, values = len(rows), self._read_columns(rows)
        context = StepContext(training=False, on_replica=False)
        for node in self._sample.nodes:
            inputs = {ref.node: values[ref.node] for ref in node.input_refs()}
            if node.operation in RANDOM_OPERATIONS:
                # Of a whole batch, so that further samples do not change those before them.
                shape = (_BATCH_SIZE, *drawn_shape(node, inputs))
                key = draw_seed(seed, tf.constant(index), f"sample/{node.name}")
                values[node.name] = (draw(node, shape, key)[:size],)
            elif node.operation == ROWS:
                values[node.name] = (tf.constant(rows, tf.int32),)
            else:
                values[node.name] = self._interpreter.run([node], inputs, context)[node.name]
            for name in inputs:
                if self._last_uses[name] == node.name and name != self._sample.output.node:
                    del values[name]
        samples = select(self._sample.output, values)
        check_sample_rows(self._sample, samples, size, self._interpreter.layers)
        return np.asarray(samples[0], np.float32)
