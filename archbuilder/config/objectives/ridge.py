"""Parser of `objective: ridge`: the last layer in closed form."""

from __future__ import annotations

from typing import Final, cast

from archbuilder.config.objectives.reader import ObjectiveReader, TrainingSection
from archbuilder.config.objectives.syntax import ObjectiveSyntax
from archbuilder.config.training import RidgeConfig
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import ScalarNode

_OPTIONS: Final[dict[str, dict[str, PlainData]]] = {
    "alpha": {"type": "number", "minimum": 0},
    "washout": {"type": "integer", "minimum": 0, "maximum": 1_000_000},
}
_SQUARED_ERROR: Final = "MeanSquaredError"


def _parse(reader: ObjectiveReader, section: TrainingSection) -> RidgeConfig:
    options = reader.options("ridge", _OPTIONS, section.options)
    metrics = reader.metrics(section.trees.get("metrics"))
    # Ridge has no 'loss' key, but it minimizes the squared error: metrics of class indices do not
    # fit.
    squared_error = ScalarNode(_SQUARED_ERROR, section.span)
    reader.check_metrics_match_loss(dict.fromkeys(reader.outputs, squared_error), metrics)
    defaults = RidgeConfig(metrics)
    return RidgeConfig(
        metrics,
        alpha=float(cast(float, options.get("alpha", defaults.alpha))),
        washout=cast(int, options.get("washout", defaults.washout)),
    )


RIDGE: Final = ObjectiveSyntax(RidgeConfig, ("metrics",), _parse)
