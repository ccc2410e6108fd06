"""What a network is trained for: one file an objective, and a table of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from archbuilder.recipe.spec import Adversarial, Ridge, Supervised
from archbuilder.training.objectives.adversarial import train_adversarial
from archbuilder.training.objectives.ridge import train_ridge
from archbuilder.training.objectives.supervised import train_supervised
from archbuilder.training.session import Objective

__all__ = ["OBJECTIVES"]

OBJECTIVES: Final[Mapping[type, Objective]] = {
    Supervised: train_supervised,
    Ridge: train_ridge,
    Adversarial: train_adversarial,
}
