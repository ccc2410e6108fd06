"""How an objective is written in `training`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from archbuilder.recipe.objectives.reader import ObjectiveReader, Written
from archbuilder.recipe.spec import Objective

STEPWISE: Final = (
    *("epochs", "checkpoint_seconds", "xla", "steps_per_execution", "precision", "accumulate"),
    *("clip", "ema"),
)
"""What an objective that is trained step by step has."""


@dataclass(frozen=True, slots=True)
class ObjectiveForm:
    """What stands in `training` with an objective, and what reads it.

    The fields of an objective that are no `keys` of `training` stand behind its name, as options.
    """

    kind: type[Objective]
    keys: tuple[str, ...]
    """What stands in `training` beside what stands there with all objectives."""
    read: Callable[[ObjectiveReader, Written], Objective]
    networks: tuple[str, ...] = ()
    """The names of the networks that it trains; empty where it trains one, whatever its name."""
