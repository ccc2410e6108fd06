"""How an objective is written in `training`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from archbuilder.config.objectives.reader import ObjectiveReader, TrainingSection
from archbuilder.config.training import ObjectiveConfig

GRADIENT_KEYS: Final = (
    *("epochs", "checkpoint_seconds", "xla", "steps_per_execution", "precision", "accumulate"),
    *("clip", "ema"),
)
"""What an objective that is trained step by step has."""


@dataclass(frozen=True, slots=True)
class ObjectiveSyntax:
    """What stands in `training` with an objective, and what reads it.

    The fields of an objective that are no `keys` of `training` stand behind its name, as options.
    """

    config_class: type[ObjectiveConfig]
    keys: tuple[str, ...]
    """What stands in `training` beside what stands there with all objectives."""
    parse: Callable[[ObjectiveReader, TrainingSection], ObjectiveConfig]
    networks: tuple[str, ...] = ()
    """The names of the networks that it trains; empty where it trains one, whatever its name."""
