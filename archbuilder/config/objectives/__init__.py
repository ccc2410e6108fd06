"""The objectives of training: their settings, what they need, and what uses the trained networks.

An objective has a declaration here and an implementation in `archbuilder.objectives`, which builds
the networks and trains them. Nothing in this package imports Keras, so that `archbuilder validate`
checks recipes without it; `make_task` imports the implementation.

To add an objective, write its class in a module of this package, name it in `OBJECTIVES`, and write
the module that its `make_task` imports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from archbuilder.config.objectives.base import ObjectiveConfig, TargetSpec
from archbuilder.config.objectives.block import (
    DEFAULT_NUM_BEAMS,
    BlockObjective,
    StatefulBlockObjective,
)
from archbuilder.config.objectives.supervised import RidgeConfig, SupervisedConfig

__all__ = [
    "DEFAULT_NUM_BEAMS",
    "OBJECTIVES",
    "BlockObjective",
    "ObjectiveConfig",
    "RidgeConfig",
    "StatefulBlockObjective",
    "SupervisedConfig",
    "TargetSpec",
]

OBJECTIVES: Final[Mapping[str, type[ObjectiveConfig]]] = {
    objective.name: objective
    for objective in (
        SupervisedConfig,
        RidgeConfig,
    )
}
"""The objectives by name. The first is the default."""
