"""Objectives that predict tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archbuilder.config.objectives.base import ObjectiveConfig
from archbuilder.config.optimizers import DEFAULT_OPTIMIZER, OptimizerConfig, optimizer
from archbuilder.config.settings import option, setting
from archbuilder.config.value_types import number

if TYPE_CHECKING:
    from archbuilder.trainer.context import TrainableTask, TrainingContext


@dataclass(frozen=True, slots=True)
class LanguageModelConfig(ObjectiveConfig):
    """Base of the objectives that predict tokens."""

    optimizer: OptimizerConfig = setting(
        optimizer(),
        "Optimizer, or one for each part of the network.",
        default=DEFAULT_OPTIMIZER,
    )


@dataclass(frozen=True, slots=True)
class MaskedLMConfig(LanguageModelConfig):
    """Masked language modeling as in BERT: predict hidden tokens from those around them.

    Of the selected tokens, 80% become `[MASK]`, 10% become random tokens, and 10% stay unchanged.
    A network with an output `next_sentence` also predicts whether the second of two segments
    follows the first.

    Source: Devlin et al. 2018, arXiv:1810.04805, section 3.1.
    """

    name = "masked_lm"

    mask_rate: float = option(
        number(above=0, maximum=1), "Fraction of the tokens to predict.", default=0.15
    )

    def make_task(self, context: TrainingContext) -> TrainableTask:
        """Build the network, and return the task that trains it."""
        from archbuilder.objectives.masked_lm import make_masked_lm_task

        return make_masked_lm_task(context, self)
