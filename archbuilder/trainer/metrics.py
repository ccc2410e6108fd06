"""Metrics of a recipe, with the same names in every process."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import keras
import tensorflow as tf

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.keras_backend.instantiate import build_object
from archbuilder.trainer.loss_reduction import get_keras_mask

_NAME_COUNTER: Final = re.compile(r"_\d+$")


def build_metrics(
    configs: Iterable[KerasObject],
    ignored_class: int | None = None,
    *,
    has_padding: bool = False,
) -> list[keras.metrics.Metric | str]:
    """Return the metrics of one output, without the class that its loss ignores.

    `accuracy` stays a string: Keras chooses the kind of accuracy from the shapes.

    Args:
        configs: The metrics as they are written.
        ignored_class: The class that the loss of the output ignores.
        has_padding: Whether the targets have padding, which is masked in the predictions.

    Raises:
        BlueprintError: if the installed Keras lacks a metric, or rejects its arguments.
    """
    defaults = {} if ignored_class is None else {"ignore_class": ignored_class}
    metrics = [build_object(config, defaults) for config in configs]
    for metric in metrics:
        if isinstance(metric, keras.metrics.Metric):
            # Keras 3.15 numbers the metrics of a class by all that the process has created
            # (`mean_io_u_4`), so a resumed run would have other names. Within a model, Keras
            # numbers equal names itself, in the order of the metrics.
            metric.name = _NAME_COUNTER.sub("", metric.name)
            if has_padding and not isinstance(metric, keras.metrics.MeanMetricWrapper):
                _weight_by_mask(metric)
    return metrics


def _weight_by_mask(metric: keras.metrics.Metric) -> None:
    """Let a metric leave out what the mask of the predictions leaves out.

    In Keras 3.15, only metrics that are means of a function use the mask. The others, such as
    `RootMeanSquaredError` and `AUC`, count padding, but take weights.
    """
    update_state = metric.update_state

    def update_by_mask(
        y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None
    ) -> object:
        mask = get_keras_mask(y_pred)
        if mask is not None:
            weight = 1 if sample_weight is None else sample_weight
            sample_weight = tf.cast(mask, metric.dtype) * tf.cast(weight, metric.dtype)
        return update_state(y_true, y_pred, sample_weight=sample_weight)

    metric.update_state = update_by_mask
