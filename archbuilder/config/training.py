"""The types of training in a recipe: the objectives, and how a network comes to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from archbuilder.config.sources import DataConfig
from archbuilder.yaml.nodes import Tree

StrategyName: TypeAlias = Literal["auto", "none", "mirrored", "multi_worker", "tpu"]
Auto: TypeAlias = Literal["auto"]
"""What the device decides."""


Metrics: TypeAlias = Mapping[str, tuple[Tree, ...]]
"""Metrics by output; the objects are trees that were checked against the catalogue."""


@dataclass(frozen=True, slots=True)
class SupervisedConfig:
    """Every output that has a loss is compared with its target.

    Losses, their weights and metrics stand under the name of their output. The objects are trees
    that were checked against the catalogue.
    """

    loss: Mapping[str, Tree]
    optimizer: Tree
    loss_weights: Mapping[str, float]
    metrics: Metrics
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Inputs that are given the target of an output."""
    targets: Mapping[str, str] = field(default_factory=dict)
    """Outputs that are compared with an input."""
    class_weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By output, what a class counts, by its number or name; 1 for those that are left out."""


@dataclass(frozen=True, slots=True)
class RidgeConfig:
    """The weights of the last layer alone, as those of the least squared error.

    `penalty` times the sum of their squares is added to the error, without the bias. `washout`
    steps at the beginning of each sequence do not count.
    """

    metrics: Metrics
    penalty: float = 1e-6
    washout: int = 0


AdversarialLoss: TypeAlias = Literal["non_saturating", "least_squares", "wasserstein"]
Noise: TypeAlias = Literal["normal", "uniform"]


@dataclass(frozen=True, slots=True)
class AdversarialConfig:
    """A `generator` learns to make what a `discriminator` takes for an example of the data.

    The optimizers stand under the names of the networks, as trees that were checked against the
    catalogue. The discriminator takes `discriminator_steps` for each of the generator's. A
    `gradient_penalty` is of the Wasserstein loss alone. The `noise` that a sample is made of has a
    variance of one.
    """

    optimizer: Mapping[str, Tree]
    loss: AdversarialLoss = "non_saturating"
    discriminator_steps: int = 1
    gradient_penalty: float = 10.0
    noise: Noise = "normal"
    samples: int = 64
    """The samples of a picture that is drawn after every epoch."""


@dataclass(frozen=True, slots=True)
class CausalLMConfig:
    """Every token is told from those in front of it."""

    optimizer: Tree


@dataclass(frozen=True, slots=True)
class MaskedLMConfig:
    """Tokens that were hidden are told from those around them, as in BERT.

    Of the `masked` share, four fifths are hidden, a tenth become other tokens, and a tenth stay. A
    network with an output `next_sentence` also tells whether two pieces follow each other.
    """

    optimizer: Tree
    masked: float = 0.15


@dataclass(frozen=True, slots=True)
class SequenceToSequenceConfig:
    """Every token of a text is told from those in front of it and a whole other text."""

    optimizer: Tree
    label_smoothing: float = 0.0


@dataclass(frozen=True, slots=True)
class SimCLRConfig:
    """Two views of an image are told from the views of all others in the batch.

    A network with two outputs gives features and, from them, what is compared; one output is both.
    """

    optimizer: Tree
    temperature: float = 0.5


@dataclass(frozen=True, slots=True)
class MoCoConfig:
    """A view of an image is told from a `queue` of views of images before.

    Those are encoded by a network whose weights follow with a `momentum`. Of the outputs see
    `SimCLR`.
    """

    optimizer: Tree
    temperature: float = 0.07
    momentum: float = 0.999
    queue: int = 65_536


ContrastiveConfig: TypeAlias = SimCLRConfig | MoCoConfig
LanguageModelConfig: TypeAlias = CausalLMConfig | MaskedLMConfig | SequenceToSequenceConfig
ObjectiveConfig: TypeAlias = (
    SupervisedConfig | RidgeConfig | AdversarialConfig | ContrastiveConfig | LanguageModelConfig
)


Precision: TypeAlias = Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]


@dataclass(frozen=True, slots=True)
class GradientClipping:
    """Gradients are made smaller where they are larger than this, in one of three ways.

    By the `norm` of each weight's gradient, by the `global_norm` of all gradients together, or
    number by number to a `value`.
    """

    norm: float | None = None
    global_norm: float | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True)
class EMAConfig:
    """Weights are averaged over the steps, each step counting `momentum` times the one behind it.

    The average takes the place of the weights at the end, and `every` so many steps.
    """

    momentum: float = 0.999
    every: int | None = None


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How a network is trained."""

    objective: ObjectiveConfig
    epochs: int = 10
    batch_size: int = 32
    """Examples of one step, on all devices together."""
    validation: float = 0.2
    """The share of the examples that is held out where the data has no validation set."""
    seed: int = 0
    distribute: StrategyName = "auto"
    augment: tuple[Tree, ...] = ()
    """Layers that change the images that are trained on by chance, one behind the other."""
    checkpoint_seconds: float = 30
    """How often the run is kept; 0 after every step."""
    xla: bool | Auto = "auto"
    """Whether steps are compiled by XLA."""
    steps_per_execution: int | Auto = "auto"
    """The steps that are taken between two looks at the run."""
    precision: Precision = "auto"
    """What layers compute in; weights are float32."""
    shuffle: bool = True
    """Whether every epoch has an order of its own, or that of the data."""
    accumulate: int = 1
    """The parts of a batch that are gone through one behind the other."""
    clip: GradientClipping | None = None
    ema: EMAConfig | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to train on and how; None where the blueprint does not say."""

    data: DataConfig | None = None
    training: TrainingConfig | None = None
