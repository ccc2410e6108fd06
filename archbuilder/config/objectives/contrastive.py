"""Objectives that compare views of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archbuilder.config.objectives.base import ObjectiveConfig
from archbuilder.config.optimizers import DEFAULT_OPTIMIZER, OptimizerConfig, optimizer
from archbuilder.config.settings import option, setting
from archbuilder.config.value_types import integer, number

if TYPE_CHECKING:
    from archbuilder.trainer.context import TrainableTask, TrainingContext


@dataclass(frozen=True, slots=True)
class ContrastiveConfig(ObjectiveConfig):
    """Base of the objectives that compare two random views of each image.

    The first output of the network are its features, the second their projection, on which the
    loss is computed. A network with one output uses it as both.
    """

    augment = "required"
    # MoCo has a queue of keys, and both evaluate the network before its training.
    trains_in_stages = False
    adapts_layers = True
    used_by = "predict"
    # A linear probe is trained on the features of the training set.
    evaluation_needs_training_data = True

    optimizer: OptimizerConfig = setting(
        optimizer(),
        "Optimizer, or one for each part of the network.",
        default=DEFAULT_OPTIMIZER,
    )


@dataclass(frozen=True, slots=True)
class SimCLRConfig(ContrastiveConfig):
    """SimCLR: contrast two views of an image against all other images in the batch.

    Source: Chen et al. 2020, arXiv:2002.05709.
    """

    name = "simclr"
    # Each image is contrasted with all others of the batch.
    accumulates_gradients = False

    temperature: float = option(number(above=0), "Temperature of the softmax.", default=0.5)

    def make_task(self, context: TrainingContext) -> TrainableTask:
        """Build the network, and return the task that trains it."""
        from archbuilder.objectives.contrastive import make_simclr_task

        return make_simclr_task(context, self)


@dataclass(frozen=True, slots=True)
class MoCoConfig(ContrastiveConfig):
    """MoCo: contrast two views of an image against a queue of encoded views of earlier images.

    The key encoder is an exponential moving average of the network.

    Source: He et al. 2019, arXiv:1911.05722.
    """

    name = "moco"

    temperature: float = option(number(above=0), "Temperature of the softmax.", default=0.07)
    momentum: float = option(
        number(minimum=0, below=1), "Momentum of the key encoder.", default=0.999
    )
    queue_size: int = option(integer(1, 10_000_000), "Number of keys in the queue.", default=65_536)

    def make_task(self, context: TrainingContext) -> TrainableTask:
        """Build the network and its key encoder, and return the task that trains them."""
        from archbuilder.objectives.contrastive import make_moco_task

        return make_moco_task(context, self)
