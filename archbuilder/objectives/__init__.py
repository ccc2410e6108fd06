"""The objectives of training: one module each, and the function of each that builds its task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from archbuilder.config.training import (
    AdversarialConfig,
    CausalLMConfig,
    MaskedLMConfig,
    MoCoConfig,
    RidgeConfig,
    SequenceToSequenceConfig,
    SimCLRConfig,
    SupervisedConfig,
)
from archbuilder.objectives.adversarial import make_adversarial_task
from archbuilder.objectives.causal_lm import make_causal_lm_task
from archbuilder.objectives.contrastive import make_moco_task, make_simclr_task
from archbuilder.objectives.masked_lm import make_masked_lm_task
from archbuilder.objectives.ridge import make_ridge_task
from archbuilder.objectives.sequence_to_sequence import make_sequence_to_sequence_task
from archbuilder.objectives.supervised import make_supervised_task
from archbuilder.trainer.context import ObjectiveFactory

__all__ = ["OBJECTIVES"]

OBJECTIVES: Final[Mapping[type, ObjectiveFactory]] = {
    SupervisedConfig: make_supervised_task,
    RidgeConfig: make_ridge_task,
    AdversarialConfig: make_adversarial_task,
    SimCLRConfig: make_simclr_task,
    MoCoConfig: make_moco_task,
    CausalLMConfig: make_causal_lm_task,
    MaskedLMConfig: make_masked_lm_task,
    SequenceToSequenceConfig: make_sequence_to_sequence_task,
}
