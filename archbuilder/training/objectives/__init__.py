"""What a network is trained for: one file an objective, and a table of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from archbuilder.recipe.spec import (
    Adversarial,
    CausalLanguageModel,
    MaskedLanguageModel,
    MoCo,
    Ridge,
    SequenceToSequence,
    SimCLR,
    Supervised,
)
from archbuilder.training.objectives.adversarial import train_adversarial
from archbuilder.training.objectives.causal_lm import train_causal_lm
from archbuilder.training.objectives.contrastive import train_moco, train_simclr
from archbuilder.training.objectives.masked_lm import train_masked_lm
from archbuilder.training.objectives.ridge import train_ridge
from archbuilder.training.objectives.sequence_to_sequence import train_sequence_to_sequence
from archbuilder.training.objectives.supervised import train_supervised
from archbuilder.training.session import Objective

__all__ = ["OBJECTIVES"]

OBJECTIVES: Final[Mapping[type, Objective]] = {
    Supervised: train_supervised,
    Ridge: train_ridge,
    Adversarial: train_adversarial,
    SimCLR: train_simclr,
    MoCo: train_moco,
    CausalLanguageModel: train_causal_lm,
    MaskedLanguageModel: train_masked_lm,
    SequenceToSequence: train_sequence_to_sequence,
}
