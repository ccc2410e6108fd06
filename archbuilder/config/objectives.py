"""The objectives of training: their settings, what they need, and what uses the trained networks.

An objective has a declaration here and an implementation in `archbuilder.objectives`, which builds
the networks and trains them. Nothing in this module imports Keras, so that `archbuilder validate`
checks recipes without it; `make_task` imports the implementation.

To add an objective, write its class here, name it in `OBJECTIVES`, and write the module that its
`make_task` imports.
"""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.metric_checks import check_metrics
from archbuilder.config.optimizers import DEFAULT_OPTIMIZER, optimizer, optimizer_by_network
from archbuilder.config.output_types import (
    class_weights,
    loss_weights,
    losses,
    metrics,
    names_by_name,
)
from archbuilder.config.settings import ObjectiveFeature, option, setting
from archbuilder.config.value_types import SectionContext, choice, integer, number
from archbuilder.diagnostics.errors import UsageError

if TYPE_CHECKING:
    from archbuilder.trainer.context import TrainableTask, TrainingContext

Command: TypeAlias = Literal["predict", "generate", "sample"]
Noise: TypeAlias = Literal["normal", "uniform"]


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """What outputs are compared with: losses, metrics and weights by output."""

    outputs: Collection[str] = ()
    losses: Mapping[str, KerasObject] = field(default_factory=dict)
    metrics: Mapping[str, Sequence[KerasObject]] = field(default_factory=dict)
    feed_targets_to_inputs: Mapping[str, str] = field(default_factory=dict)
    """Inputs that receive the target of an output."""
    target_from_input: Mapping[str, str] = field(default_factory=dict)
    """Outputs whose target is an input."""
    class_weight: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObjectiveConfig(abc.ABC):
    """An objective with its settings.

    A field that is declared by `setting` is a key of `training`, and one that is declared by
    `option` is a key under the name of the objective: `objective: {ridge: {alpha: 0.1}}`.
    """

    name: ClassVar[str]
    """The name in a recipe."""
    networks: ClassVar[tuple[str, ...]] = ()
    """Names of the networks that it trains; empty if it trains one network of any name."""
    takes_steps: ClassVar[bool] = True
    """Whether it trains by gradient descent, in steps."""
    accumulates_gradients: ClassVar[bool] = True
    """Whether a batch can be computed in parts."""
    augment: ClassVar[Literal["unsupported", "optional", "required"]] = "unsupported"
    """Whether training images are transformed at random, by the layers of the key `augment`."""
    used_by: ClassVar[Command | None] = None
    """The command that uses the trained networks; None if only `evaluate` does."""
    default_num_beams: ClassVar[int | None] = None
    """Number of beams of `generate`, if it searches beams by default; None if it samples."""
    evaluation_needs_training_data: ClassVar[bool] = False
    """Whether another dataset cannot be evaluated without the training set."""

    @property
    def optimizers(self) -> tuple[KerasObject, ...]:
        """The optimizers of its networks; empty if it takes no steps."""
        optimizer: KerasObject | Mapping[str, KerasObject] = getattr(self, "optimizer", {})
        return (optimizer,) if isinstance(optimizer, KerasObject) else tuple(optimizer.values())

    @classmethod
    def features(cls) -> Iterator[ObjectiveFeature]:
        """Yield what the objective supports; settings of `training` may require it."""
        if cls.takes_steps:
            yield "steps"
            if cls.accumulates_gradients:
                yield "accumulation"
        if cls.augment != "unsupported":
            yield "augmentation"

    def target_spec(self) -> TargetSpec:
        """Return what the outputs are compared with; nothing if there are no targets."""
        return TargetSpec()

    def require_command(self, command: Command) -> None:
        """Check that a command can use the trained networks.

        Raises:
            UsageError: if it cannot, with the command that can.
        """
        if self.used_by != command:
            raise UsageError(
                f"'archbuilder {command}' cannot use a run with the objective '{self.name}'; use"
                f" 'archbuilder {self.used_by or 'evaluate'}'"
            )

    @abc.abstractmethod
    def make_task(self, context: TrainingContext) -> TrainableTask:
        """Build the networks, and return the task that trains them.

        Raises:
            UsageError: if the blueprint has other networks than the objective trains.
            BlueprintError: if a network does not fit the machine.
            RunError: if the examples do not fit the networks.
        """

    def check(self, context: SectionContext) -> None:  # noqa: B027 - few objectives need it
        """Report settings that do not fit each other."""


@dataclass(frozen=True, slots=True)
class SupervisedConfig(ObjectiveConfig):
    """Supervised learning: each output with a loss is compared with its target."""

    name = "supervised"
    augment = "optional"
    used_by = "predict"

    loss: Mapping[str, KerasObject] = setting(
        losses(),
        "Loss to minimize.",
        example="'loss: SparseCategoricalCrossentropy' for class indices",
    )
    loss_weights: Mapping[str, float] = setting(
        loss_weights(), "Weights of the losses in their sum.", default_factory=dict
    )
    class_weight: Mapping[str, Mapping[str, float]] = setting(
        class_weights(),
        "Weights of examples by their class, by index or name; 1 for classes that are left out.",
        default_factory=dict,
    )
    optimizer: KerasObject = setting(optimizer(), "Optimizer.", default=DEFAULT_OPTIMIZER)
    metrics: Mapping[str, tuple[KerasObject, ...]] = setting(
        metrics(), "Metrics to report after each epoch.", default_factory=dict
    )
    feed_targets_to_inputs: Mapping[str, str] = setting(
        names_by_name("input", "output"),
        "Inputs that receive the target of an output.",
        default_factory=dict,
    )
    target_from_input: Mapping[str, str] = setting(
        names_by_name("output", "input"),
        "Outputs whose target is an input, as in an autoencoder.",
        default_factory=dict,
    )

    def make_task(self, context: TrainingContext) -> TrainableTask:
        """Build the network, and return the task that trains it."""
        from archbuilder.objectives.supervised import make_supervised_task

        return make_supervised_task(context, self)

    def target_spec(self) -> TargetSpec:
        """Return the losses, metrics and weights of the outputs."""
        return TargetSpec(
            {*self.loss, *self.metrics},
            self.loss,
            self.metrics,
            self.feed_targets_to_inputs,
            self.target_from_input,
            self.class_weight,
        )

    def check(self, context: SectionContext) -> None:
        """Report metrics that do not fit the loss of their output."""
        check_metrics(self.loss, self.metrics, context.diagnostics)


@dataclass(frozen=True, slots=True)
class RidgeConfig(ObjectiveConfig):
    """Ridge regression of the last layer in closed form; all other weights stay as initialized.

    It minimizes the squared error plus `alpha` times the sum of squared weights, without the bias.
    """

    name = "ridge"
    takes_steps = False
    used_by = "predict"

    metrics: Mapping[str, tuple[KerasObject, ...]] = setting(
        metrics(), "Metrics to report after training.", default_factory=dict
    )
    alpha: float = option(number(minimum=0), "Weight of the L2 penalty.", default=1e-6)
    washout: int = option(
        integer(0, 1_000_000), "Number of first steps of each sequence to ignore.", default=0
    )

    def make_task(self, context: TrainingContext) -> TrainableTask:
        """Build the network, and return the task that computes its last layer."""
        from archbuilder.objectives.ridge import make_ridge_task

        return make_ridge_task(context, self)

    def check(self, context: SectionContext) -> None:
        """Report metrics of class indices: they do not fit the squared error."""
        squared_error = KerasObject.from_name("loss", "MeanSquaredError")
        errors = dict.fromkeys(context.outputs, squared_error)
        check_metrics(errors, self.metrics, context.diagnostics)


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

    optimizer: Mapping[str, KerasObject] = setting(
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


@dataclass(frozen=True, slots=True)
class ContrastiveConfig(ObjectiveConfig):
    """Base of the objectives that compare two random views of each image.

    The first output of the network are its features, the second their projection, on which the
    loss is computed. A network with one output uses it as both.
    """

    augment = "required"
    used_by = "predict"
    # A linear probe is trained on the features of the training set.
    evaluation_needs_training_data = True

    optimizer: KerasObject = setting(optimizer(), "Optimizer.", default=DEFAULT_OPTIMIZER)


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


@dataclass(frozen=True, slots=True)
class LanguageModelConfig(ObjectiveConfig):
    """Base of the objectives that predict tokens."""

    optimizer: KerasObject = setting(optimizer(), "Optimizer.", default=DEFAULT_OPTIMIZER)


@dataclass(frozen=True, slots=True)
class CausalLMConfig(LanguageModelConfig):
    """Causal language modeling: predict each token from the preceding ones."""

    name = "causal_lm"
    used_by = "generate"

    def make_task(self, context: TrainingContext) -> TrainableTask:
        """Build the network, and return the task that trains it."""
        from archbuilder.objectives.causal_lm import make_causal_lm_task

        return make_causal_lm_task(context, self)


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


@dataclass(frozen=True, slots=True)
class SequenceToSequenceConfig(LanguageModelConfig):
    """Sequence-to-sequence learning: predict each target token from the source text and its prefix.

    Source: Vaswani et al. 2017, arXiv:1706.03762.
    """

    name = "sequence_to_sequence"
    used_by = "generate"
    default_num_beams = 4

    label_smoothing: float = option(
        number(minimum=0, below=1), "Label smoothing of the loss.", default=0.0
    )

    def make_task(self, context: TrainingContext) -> TrainableTask:
        """Build the network, and return the task that trains it."""
        from archbuilder.objectives.sequence_to_sequence import make_sequence_to_sequence_task

        return make_sequence_to_sequence_task(context, self)


OBJECTIVES: Final[Mapping[str, type[ObjectiveConfig]]] = {
    objective.name: objective
    for objective in (
        SupervisedConfig,
        RidgeConfig,
        AdversarialConfig,
        SimCLRConfig,
        MoCoConfig,
        CausalLMConfig,
        MaskedLMConfig,
        SequenceToSequenceConfig,
    )
}
"""The objectives by name. The first is the default."""
