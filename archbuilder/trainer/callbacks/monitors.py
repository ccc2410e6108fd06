"""Checks, before training, that a run logs the metrics that its callbacks monitor."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias

import keras

from archbuilder.diagnostics.errors import BlueprintError, Diagnostics, closest_match, quote
from archbuilder.diagnostics.span import Span
from archbuilder.trainer.log_format import VAL_PREFIX

Mode: TypeAlias = Literal["min", "max"]
"""Whether a smaller or a larger value of a metric is better."""
_AUTO: Final = "auto"
_NAME_COUNTER: Final = re.compile(r"_\d+$")
_MINIMIZED: Final = ("loss", "perplexity")
"""Ends of the names of metrics that are not objects of Keras, and are better if smaller."""
_MAXIMIZED: Final = ("accuracy", "mean_average_precision")
_MODE_BY_DIRECTION: Final[dict[str, Mode]] = {"down": "min", "up": "max"}


def resolve_mode(
    name: str,
    callback: keras.callbacks.Callback,
    span: Span,
    model: keras.Model,
    metric_names: Sequence[str],
) -> Mode:
    """Check the metric that a callback monitors, and return whether smaller or larger is better.

    Keras checks the metric only at the end of the first epoch. It then warns at every epoch and
    does nothing, or fails if it does not find out the mode.

    Args:
        name: What the recipe calls the callback.
        callback: The callback of Keras.
        span: Where the recipe names the metric.
        model: The compiled model, whose metrics have been built.
        metric_names: Names of the metrics that the run logs for an epoch.

    Raises:
        BlueprintError: if the run does not log the metric, or the mode is not known.
    """
    diagnostics, monitor = Diagnostics(), callback.monitor
    mode = callback.mode if callback.mode != _AUTO else _automatic_mode(monitor, model)
    if monitor not in metric_names:
        notes = [f"the run logs: {', '.join(metric_names)}"]
        if not any(name.startswith(VAL_PREFIX) for name in metric_names):
            notes.append("it has no validation set; add one with 'validation_split'")
        diagnostics.error(
            "invalid-choice",
            f"{name} monitors {quote(monitor)}, which the run does not log",
            span,
            suggestion=closest_match(monitor, metric_names),
            notes=tuple(notes),
        )
    elif mode is None:
        diagnostics.error(
            "missing-argument",
            f"{name} cannot know whether {quote(monitor)} should rise or fall",
            span,
            label="add 'mode: min' or 'mode: max'",
        )
    if mode is None or diagnostics.error_count:
        raise BlueprintError(diagnostics)
    return mode


def _automatic_mode(monitor: str, model: keras.Model) -> Mode | None:
    """Return the mode for a metric, from its object or its name; None if neither tells."""
    # A second metric of a class ends in a number, and metrics of several outputs begin with the
    # output. Keras 3.15 looks for the exact name of an object, and finds neither of these.
    name = _NAME_COUNTER.sub("", monitor.removeprefix(VAL_PREFIX))
    # Keras has no public name for the direction.
    directions = {
        metric.name: direction
        for metric in _metric_objects(model.metrics)
        if (direction := getattr(metric, "_direction", None)) is not None
    }
    matches = [metric_name for metric_name in directions if name.endswith(metric_name)]
    if matches:
        # Of `accuracy` and `sparse_categorical_accuracy`, the longer name is meant.
        return _MODE_BY_DIRECTION[directions[max(matches, key=len)]]
    if name.endswith(_MINIMIZED):
        return "min"
    return "max" if name.endswith(_MAXIMIZED) else None


def _metric_objects(metrics: Sequence[keras.metrics.Metric]) -> Iterator[keras.metrics.Metric]:
    """Yield metrics and those that they consist of, as the metrics of `compile` do."""
    for metric in metrics:
        yield metric
        yield from _metric_objects(getattr(metric, "metrics", ()))
