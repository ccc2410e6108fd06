"""Metrics of detections, computed from all held-out images together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.compiler.ir import Graph
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.metric_checks import CLASSES_ARGUMENT, SCORES_ARGUMENT, detection_outputs
from archbuilder.config.objectives import SupervisedConfig
from archbuilder.data.columns import translate_read_errors
from archbuilder.data.pipeline import eval_batches
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics
from archbuilder.distribution.strategy import DeviceSetup
from archbuilder.keras_backend.instantiate import build_object
from archbuilder.keras_ext.metrics import MeanAveragePrecision
from archbuilder.objectives.output_activation import Activation, output_activation
from archbuilder.runs.run_dir import EpochLogs
from archbuilder.trainer.context import EvalSet, TrainingContext
from archbuilder.trainer.datasets import AdaptedDatasets
from archbuilder.trainer.train_loop import AddedMetrics


@dataclass(frozen=True, slots=True, eq=False)
class _Detections:
    """The outputs that a metric compares with boxes and their classes."""

    name: str
    """The name of the metric in the logs."""
    metric: MeanAveragePrecision
    boxes: str
    probabilities: Activation
    """Returns the probabilities of classes, if the output of the classes has a value for each."""

    def of_batch(
        self, y: Mapping[str, tf.Tensor], outputs: Mapping[str, tf.Tensor]
    ) -> list[tf.Tensor]:
        """Return true boxes and classes, and those of the detections with their scores."""
        classes = outputs[self.metric.classes]
        if self.metric.scores is None:
            values = self.probabilities(classes)
            classes, scores = tf.argmax(values, -1), tf.reduce_max(values, -1)
        else:
            scores = outputs[self.metric.scores]
        true_classes = y[self.metric.classes]
        if len(true_classes.shape) == 3:
            # One-hot vectors, as some losses take them.
            true_classes = tf.argmax(true_classes, -1)
        tensors = (y[self.boxes], true_classes, outputs[self.boxes], classes, scores)
        return [tf.cast(each, tf.float32) for each in tensors]


def detection_metrics(
    context: TrainingContext,
    graph: Graph,
    network: keras.Model,
    objective: SupervisedConfig,
    datasets: AdaptedDatasets,
) -> AddedMetrics:
    """Return the metrics of an objective that need all detections of a set at once.

    Raises:
        BlueprintError: if their outputs are not those of a detector.
    """
    detections: list[_Detections] = []
    counts = Counter[str]()
    for output, config in objective.detection_metrics:
        _check_shapes(network, output, config)
        metric = cast(MeanAveragePrecision, build_object(config))
        loss = objective.loss.get(metric.classes)
        activation = output_activation(loss, graph, network, metric.classes)
        name = f"{output}_{metric.name}"
        # Numbered as Keras numbers equal names of an output.
        detections.append(
            _Detections(
                f"{name}_{counts[name]}" if counts[name] else name, metric, output, activation
            )
        )
        counts[name] += 1
    if not detections:
        return AddedMetrics()

    @tf.function(autograph=False, reduce_retracing=True)
    def detect(x: Any, y: Mapping[str, tf.Tensor]) -> list[list[tf.Tensor]]:
        outputs = network(x, training=False)
        return [each.of_batch(y, outputs) for each in detections]

    def compute(eval_set: EvalSet) -> EpochLogs:
        dataset = datasets.test if eval_set == "test" else datasets.validation
        if dataset is None:
            return {}
        for detection in detections:
            detection.metric.reset_state()
        size = context.config.batch_size
        batches = eval_batches(dataset, batch_size=size)
        workers = context.devices.workers
        with workers.worker_failure_scope(), translate_read_errors():
            shares = context.devices.share_batches(batches)
            for start, (x, y, *_) in zip(range(0, len(dataset.rows), size), shares, strict=True):
                count = min(size, len(dataset.rows) - start)
                for detection, tensors in zip(detections, detect(x, y), strict=True):
                    _update(detection.metric, tensors, context.devices, count)
        return {each.name: float(each.metric.result()) for each in detections}

    return AddedMetrics(tuple(each.name for each in detections), compute)


def _update(
    metric: MeanAveragePrecision, tensors: Iterable[tf.Tensor], devices: DeviceSetup, count: int
) -> None:
    """Add a batch, of which each worker has computed its share."""
    values: list[NDArray[np.float32]] = [
        devices.join_shares(each.numpy(), count) for each in tensors
    ]
    true_boxes, true_classes, boxes, classes, scores = values
    metric.update_state((true_boxes, true_classes), (boxes, classes, scores))


def _check_shapes(network: keras.Model, output: str, config: KerasObject) -> None:
    """Check that outputs are boxes, and their classes and scores.

    Raises:
        BlueprintError: if they are not.
    """
    shapes = {name: tuple(each.shape[1:]) for name, each in network.output.items()}
    names = detection_outputs(config)
    boxes, classes, scores = shapes[output], names[CLASSES_ARGUMENT], names.get(SCORES_ARGUMENT)
    diagnostics = Diagnostics()

    def check(name: str, is_right: bool, expected: str, span: Any) -> None:  # noqa: FBT001
        if not is_right:
            diagnostics.error(
                "shape-mismatch",
                f"the output '{name}' has the shape {[*shapes[name]]}, and the metric"
                f" '{config.class_name}' needs {expected}",
                span,
            )

    check(output, len(boxes) == 2 and boxes[1] == 4, "boxes: [boxes, 4]", config.span)
    if not diagnostics.error_count:
        span = config.argument_span(CLASSES_ARGUMENT)
        if scores is None:
            expected = "a value for each class of each box without 'scores'"
            is_right = len(shapes[classes]) == 2 and shapes[classes][0] == boxes[0]
        else:
            expected = f"with 'scores' the class of each box: {[boxes[0]]}"
            is_right = shapes[classes] == boxes[:1]
            name = str(scores)
            score_span = config.argument_span(SCORES_ARGUMENT)
            check(
                name, shapes[name] == boxes[:1], f"a score for each box: {[boxes[0]]}", score_span
            )
        check(classes, is_right, expected, span)
    if diagnostics.error_count:
        raise BlueprintError(diagnostics)
