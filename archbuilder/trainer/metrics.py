"""Metrics of the outputs of a network, with the same names in every process."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import keras

from archbuilder.keras_backend.instantiate import build_object
from archbuilder.yaml.nodes import Tree

_NAME_COUNTER: Final = re.compile(r"_\d+$")


def build_metrics(
    trees: Iterable[Tree], ignored_class: int | None = None
) -> list[keras.metrics.Metric | str]:
    """Return the metrics of one output, which leave out the class that its loss ignores.

    `accuracy` stays a word: Keras chooses the kind of accuracy by the shapes.

    Raises:
        BlueprintError: if the installed Keras lacks a metric, or refuses its arguments.
    """
    defaults = {} if ignored_class is None else {"ignore_class": ignored_class}
    metrics = [build_object("metric", tree, defaults) for tree in trees]
    for metric in metrics:
        if isinstance(metric, keras.metrics.Metric):
            # Keras 3.15 counts the metrics of a class that the process has made (`mean_io_u_4`).
            # Within a model it numbers equal names itself, in the order of the metrics.
            metric.name = _NAME_COUNTER.sub("", metric.name)
    return metrics
