"""Syntax of an objective in `training`: its keys, its parser and its networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from archbuilder.config.objectives.reader import ObjectiveReader, TrainingSection
from archbuilder.config.training import ObjectiveConfig

GRADIENT_KEYS: Final = (
    *(
        "epochs",
        "checkpoint_every_seconds",
        "jit_compile",
        "steps_per_execution",
        "dtype_policy",
        "gradient_accumulation_steps",
    ),
)
"""Keys of `training` for objectives that train by gradient descent."""


@dataclass(frozen=True, slots=True)
class ObjectiveSyntax:
    """Syntax of one objective.

    Fields of `config_class` that are in `keys` are keys of `training`. The others are options of
    the objective, as in `objective: {ridge: {alpha: 0.1}}`.
    """

    config_class: type[ObjectiveConfig]
    keys: tuple[str, ...]
    """Keys of `training` besides those that all objectives share."""
    parse: Callable[[ObjectiveReader, TrainingSection], ObjectiveConfig]
    networks: tuple[str, ...] = ()
    """Names of the networks that it trains; empty if it trains one network of any name."""
