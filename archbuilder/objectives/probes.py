"""Probes of an objective: how well the values of a step predict the labels of held-out examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import tensorflow as tf

from archbuilder.compiler.objective_ir import ObjectiveGraph, Probe
from archbuilder.data.columns import Column, translate_read_errors
from archbuilder.data.pipeline import AdaptedDataset, eval_batches
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.diagnostics.errors import RunError
from archbuilder.objectives.columns import find_column
from archbuilder.objectives.interpreter import Interpreter
from archbuilder.objectives.probe_classifiers import (
    Classes,
    Classifier,
    Features,
    LinearClassifier,
    NearestNeighbors,
)
from archbuilder.objectives.step_context import StepContext, select
from archbuilder.runs.run_dir import EpochLogs
from archbuilder.trainer.context import EvalSet, TrainingContext
from archbuilder.trainer.datasets import AdaptedDatasets

_CHUNK_SIZE: Final = 512
"""Number of examples whose features are computed at a time."""


def with_possible_probes(context: TrainingContext, objective: ObjectiveGraph) -> ObjectiveGraph:
    """Return an objective without probes if the data of a run has no labels for them; say so."""
    for probe in objective.probes:
        for source in (context.dataset, context.validation_dataset, context.test_dataset):
            if source is not None and _label_column(source, objective, probe) is None:
                context.log(
                    f"Probes: not reported, as {source.source_name} has no class indices in the"
                    f" column '{probe.label}'"
                )
                return objective.without_probes()
    return objective


@dataclass(frozen=True, slots=True, eq=False)
class _LabeledSet:
    """Examples, and the labels of each probe."""

    examples: AdaptedDataset
    labels: tuple[Classes, ...]


class Probes:
    """The probes of a run, whose classifiers are trained anew by each evaluation."""

    def __init__(
        self,
        context: TrainingContext,
        objective: ObjectiveGraph,
        datasets: AdaptedDatasets,
        interpreter: Interpreter,
    ) -> None:
        self._objective = objective
        self._interpreter = interpreter
        self._devices = context.devices
        self._train = self._labeled_set(context.dataset, datasets.train)
        self._held_out: dict[EvalSet, _LabeledSet | None] = {
            "validation": self._labeled_set(
                context.validation_dataset or context.dataset, datasets.validation
            ),
            "test": self._labeled_set(context.test_dataset or context.dataset, datasets.test),
        }
        train_labels = () if self._train is None else self._train.labels
        self._classes = [np.unique(each) for each in train_labels]
        self._classifiers = [
            _make_classifier(probe, len(classes), context.config.seed)
            for probe, classes in zip(objective.probes, self._classes, strict=True)
        ]
        self._extract_on_device = tf.function(self._extract, autograph=False, reduce_retracing=True)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the accuracies in the logs."""
        return tuple(each.log_name for each in self._objective.probes)

    def accuracies(self, eval_set: EvalSet) -> EpochLogs:
        """Train the classifiers, and return their accuracies on a set; none without this set."""
        held_out, train = self._held_out[eval_set], self._train
        if held_out is None or train is None or not self._classifiers:
            return {}
        queries = [*zip(*self._chunks(held_out.examples), strict=True)]
        for classifier, chunks in zip(self._classifiers, queries, strict=True):
            classifier.start(np.concatenate(chunks))
        start = 0
        for features in self._chunks(train.examples):
            rows = slice(start, start + len(features[0]))
            for number, classifier in enumerate(self._classifiers):
                # A class that only the held-out set has cannot be predicted, and counts as wrong.
                labels = np.searchsorted(self._classes[number], train.labels[number][rows])
                classifier.add(features[number], labels)
            start = rows.stop
        predicted = [each.predict() for each in self._classifiers]
        return {
            name: float(np.mean(classes[indices] == labels))
            for name, classes, indices, labels in zip(
                self.names, self._classes, predicted, held_out.labels, strict=True
            )
        }

    def _labeled_set(
        self, source: SourceDataset, examples: AdaptedDataset | None
    ) -> _LabeledSet | None:
        if examples is None:
            return None
        columns = [_label_column(source, self._objective, each) for each in self._objective.probes]
        labels = [each.numpy(examples.rows) for each in columns if each is not None]
        return _LabeledSet(
            examples, tuple(np.asarray(each, np.int64).reshape(-1) for each in labels)
        )

    def _chunks(self, examples: AdaptedDataset) -> Iterator[list[Features]]:
        """Yield the features of each probe in parts, of which each worker computes its share."""
        batches = eval_batches(examples, batch_size=_CHUNK_SIZE)
        starts = range(0, len(examples.rows), _CHUNK_SIZE)
        with self._devices.workers.worker_failure_scope(), translate_read_errors():
            for start, (columns, _) in zip(
                starts, self._devices.share_batches(batches), strict=True
            ):
                count = min(_CHUNK_SIZE, len(examples.rows) - start)
                shares = [np.asarray(each) for each in self._extract_on_device(columns)]
                chunk = [self._devices.join_shares(each, count) for each in shares]
                for probe, features in zip(self._objective.probes, chunk, strict=True):
                    _check_finite(probe, features)
                yield [each.reshape(count, -1) for each in chunk]

    def _extract(self, columns: Mapping[str, tf.Tensor]) -> list[tf.Tensor]:
        """Return the features of each probe for the columns of a batch."""
        refs = [each.features for each in self._objective.probes]
        values = self._interpreter.run(
            self._objective.nodes_for(refs),
            {name: (each,) for name, each in columns.items()},
            StepContext(training=False, on_replica=False),
        )
        return [tf.cast(select(each, values)[0], tf.float32) for each in refs]


def _check_finite(probe: Probe, features: Features) -> None:
    """Check features, of which a classifier would predict any class without a word.

    Raises:
        RunError: if some are NaN or infinite.
    """
    if not np.isfinite(features).all():
        raise RunError(
            f"the features '{probe.features}' of the probe '{probe.log_name}' ({probe.span}) have"
            " NaN or infinite values"
        )


def _make_classifier(probe: Probe, num_classes: int, seed: int) -> Classifier:
    if probe.method == "linear":
        return LinearClassifier(num_classes, seed)
    return NearestNeighbors(num_classes, probe.neighbors, probe.temperature)


def _label_column(dataset: SourceDataset, objective: ObjectiveGraph, probe: Probe) -> Column | None:
    """Return the class indices that a probe predicts; None if the data has no such column."""
    names = [each.name for each in objective.columns]
    position = names.index(probe.label)
    feature = find_column(dataset, objective.columns[position], position)
    # Floats are targets of a regression, and integers with axes are masks or sequences.
    if feature is None or feature.column.dtype.kind not in "ui":
        return None
    return feature.column if feature.column.shape in ((), (1,)) else None
