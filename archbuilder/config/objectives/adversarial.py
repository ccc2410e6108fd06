"""The objective of generative adversarial networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from archbuilder.config.objectives.base import ObjectiveConfig
from archbuilder.config.optimizers import DEFAULT_OPTIMIZER, OptimizerConfig, optimizer_by_network
from archbuilder.config.settings import option, setting
from archbuilder.config.value_types import choice, integer, number

if TYPE_CHECKING:
    from archbuilder.trainer.context import TrainableTask, TrainingContext


Noise: TypeAlias = Literal["normal", "uniform"]
GAN_NETWORKS: Final = ("generator", "discriminator")
"""Names of the networks that a blueprint needs for the objective `adversarial`."""
AdversarialLoss: TypeAlias = Literal["non_saturating", "least_squares", "wasserstein"]


@dataclass(frozen=True, slots=True)
class AdversarialConfig(ObjectiveConfig):
    """Generative adversarial networks: a `generator` against a `discriminator`.

    Sources: Goodfellow et al. 2014, arXiv:1406.2661 (non-saturating); Mao et al. 2016,
    arXiv:1611.04076 (least squares); Gulrajani et al. 2017, arXiv:1704.00028 (Wasserstein with a
    gradient penalty).
    """

    name = "adversarial"
    networks = GAN_NETWORKS
    used_by = "sample"
    # The discriminator is evaluated on batches of the size that it was trained on.
    evaluation_needs_training_data = True

    optimizer: Mapping[str, OptimizerConfig] = setting(
        optimizer_by_network(GAN_NETWORKS),
        "Optimizer of both networks, or one for each.",
        default_factory=lambda: dict.fromkeys(GAN_NETWORKS, DEFAULT_OPTIMIZER),
    )
    loss: AdversarialLoss = option(
        choice("non_saturating", "least_squares", "wasserstein"),
        "Loss of both networks.",
        default="non_saturating",
    )
    discriminator_steps: int = option(
        integer(1, 100), "Steps of the discriminator per step of the generator.", default=1
    )
    gradient_penalty: float = option(
        number(minimum=0),
        "Weight of the gradient penalty; used with the Wasserstein loss only.",
        default=10.0,
    )
    noise: Noise = option(
        choice("normal", "uniform"),
        "Distribution of the generator's input, with mean 0 and variance 1.",
        default="normal",
    )
    num_samples: int = option(
        integer(1, 1024), "Number of samples in the image of each epoch.", default=64
    )

    def make_task(self, context: TrainingContext) -> TrainableTask:
        """Build both networks, and return the task that trains them."""
        from archbuilder.objectives.adversarial import make_adversarial_task

        return make_adversarial_task(context, self)
