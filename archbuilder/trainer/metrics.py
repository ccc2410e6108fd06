"""Metrics of a recipe, with the same names in every process."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import keras

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.keras_backend.instantiate import build_object

_NAME_COUNTER: Final = re.compile(r"_\d+$")


def build_metrics(
    configs: Iterable[KerasObject], ignored_class: int | None = None
) -> list[keras.metrics.Metric | str]:
    """Return the metrics of one output, without the class that its loss ignores.

    `accuracy` stays a string: Keras chooses the kind of accuracy from the shapes.

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
    return metrics
