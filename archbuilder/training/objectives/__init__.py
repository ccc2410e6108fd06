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
from archbuilder.training.objectives.adversarial import prepare_adversarial
from archbuilder.training.objectives.causal_lm import prepare_causal_lm
from archbuilder.training.objectives.contrastive import prepare_moco, prepare_simclr
from archbuilder.training.objectives.masked_lm import prepare_masked_lm
from archbuilder.training.objectives.ridge import prepare_ridge
from archbuilder.training.objectives.sequence_to_sequence import prepare_sequence_to_sequence
from archbuilder.training.objectives.supervised import prepare_supervised
from archbuilder.training.session import Objective

__all__ = ["OBJECTIVES"]

OBJECTIVES: Final[Mapping[type, Objective]] = {
    Supervised: prepare_supervised,
    Ridge: prepare_ridge,
    Adversarial: prepare_adversarial,
    SimCLR: prepare_simclr,
    MoCo: prepare_moco,
    CausalLanguageModel: prepare_causal_lm,
    MaskedLanguageModel: prepare_masked_lm,
    SequenceToSequence: prepare_sequence_to_sequence,
}
