"""Types of the `training` section: the objectives and the settings of the training loop.

Fields of type `Tree` name objects of Keras (optimizers, losses, metrics, layers). The parser has
checked them against the registry; they become Keras objects when training starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from archbuilder.config.sources import DataConfig
from archbuilder.yaml.nodes import Tree

StrategyName: TypeAlias = Literal["auto", "none", "mirrored", "multi_worker", "tpu"]
Auto: TypeAlias = Literal["auto"]
"""A setting that is chosen for the device."""


Metrics: TypeAlias = Mapping[str, tuple[Tree, ...]]
"""Metrics by output."""


@dataclass(frozen=True, slots=True)
class SupervisedConfig:
    """Supervised learning: each output with a loss is compared with its target.

    Losses, loss weights and metrics are mappings by output.
    """

    loss: Mapping[str, Tree]
    optimizer: Tree
    loss_weights: Mapping[str, float]
    metrics: Metrics
    feed_targets_to_inputs: Mapping[str, str] = field(default_factory=dict)
    """Inputs that are fed with the target of an output: input name to output name."""
    target_from_input: Mapping[str, str] = field(default_factory=dict)
    """Outputs whose target is an input, as in an autoencoder: output name to input name."""
    class_weight: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Class weights by output, then by class index or name; 1 for classes that are left out."""


@dataclass(frozen=True, slots=True)
class RidgeConfig:
    """Ridge regression of the last layer in closed form; all other weights stay as initialized.

    The error is the squared error plus `alpha` times the sum of squared weights, without the
    bias. The first `washout` steps of each sequence are ignored.
    """

    metrics: Metrics
    alpha: float = 1e-6
    washout: int = 0


AdversarialLoss: TypeAlias = Literal["non_saturating", "least_squares", "wasserstein"]
Noise: TypeAlias = Literal["normal", "uniform"]


@dataclass(frozen=True, slots=True)
class AdversarialConfig:
    """Generative adversarial networks: a `generator` against a `discriminator`.

    Sources: Goodfellow et al. 2014, arXiv:1406.2661 (non-saturating); Mao et al. 2016,
    arXiv:1611.04076 (least squares); Gulrajani et al. 2017, arXiv:1704.00028 (Wasserstein with a
    gradient penalty).
    """

    optimizer: Mapping[str, Tree]
    """Optimizers by network."""
    loss: AdversarialLoss = "non_saturating"
    discriminator_steps: int = 1
    """Steps of the discriminator per step of the generator."""
    gradient_penalty: float = 10.0
    """Weight of the gradient penalty; used with the Wasserstein loss only."""
    noise: Noise = "normal"
    """Distribution of the generator's input, with mean 0 and variance 1."""
    num_samples: int = 64
    """Number of samples in the image that is drawn after each epoch."""


@dataclass(frozen=True, slots=True)
class CausalLMConfig:
    """Causal language modeling: predict each token from the preceding ones."""

    optimizer: Tree


@dataclass(frozen=True, slots=True)
class MaskedLMConfig:
    """Masked language modeling as in BERT: predict hidden tokens from those around them.

    A fraction `mask_rate` of the tokens is selected: 80% of them become `[MASK]`, 10% become random
    tokens, and 10% stay unchanged. A network with an output `next_sentence` also predicts whether
    the second of two segments follows the first.

    Source: Devlin et al. 2018, arXiv:1810.04805, section 3.1.
    """

    optimizer: Tree
    mask_rate: float = 0.15


@dataclass(frozen=True, slots=True)
class SequenceToSequenceConfig:
    """Sequence-to-sequence learning: predict each target token from the source text and its prefix.

    Source: Vaswani et al. 2017, arXiv:1706.03762.
    """

    optimizer: Tree
    label_smoothing: float = 0.0


@dataclass(frozen=True, slots=True)
class SimCLRConfig:
    """SimCLR: contrast two views of an image against all other images in the batch.

    The first output of the network are its features, the second their projection, on which the
    loss is computed. A network with one output uses it as both.

    Source: Chen et al. 2020, arXiv:2002.05709.
    """

    optimizer: Tree
    temperature: float = 0.5


@dataclass(frozen=True, slots=True)
class MoCoConfig:
    """MoCo: contrast two views of an image against a queue of encoded views of earlier images.

    The key encoder is an exponential moving average of the network, with this `momentum`. The
    outputs of the network are those of `SimCLRConfig`.

    Source: He et al. 2019, arXiv:1911.05722.
    """

    optimizer: Tree
    temperature: float = 0.07
    momentum: float = 0.999
    queue_size: int = 65_536
    """Number of views in the queue."""


ContrastiveConfig: TypeAlias = SimCLRConfig | MoCoConfig
LanguageModelConfig: TypeAlias = CausalLMConfig | MaskedLMConfig | SequenceToSequenceConfig
ObjectiveConfig: TypeAlias = (
    SupervisedConfig | RidgeConfig | AdversarialConfig | ContrastiveConfig | LanguageModelConfig
)


DtypePolicy: TypeAlias = Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Settings of a training run."""

    objective: ObjectiveConfig
    epochs: int = 10
    batch_size: int = 32
    """Global batch size: examples per step on all devices together."""
    validation_split: float = 0.2
    """Fraction of the examples in the validation set, if the data has no validation set."""
    seed: int = 0
    distribute: StrategyName = "auto"
    augment: tuple[Tree, ...] = ()
    """Random layers that are applied in order to training images."""
    checkpoint_every_seconds: float = 30
    """Seconds between checkpoints; 0 saves one after every step."""
    jit_compile: bool | Auto = "auto"
    """Whether XLA compiles the train step."""
    steps_per_execution: int | Auto = "auto"
    """Steps per call of the train function. Callbacks run between calls."""
    dtype_policy: DtypePolicy = "auto"
    """Dtype policy of the layers; variables are float32 with each of them."""
    shuffle: bool = True
    """Whether each epoch has its own random order; otherwise that of the data."""
    gradient_accumulation_steps: int = 1
    """Number of parts of a batch whose gradients are accumulated before one optimizer step."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The `data` and `training` sections; None if a section is absent."""

    data: DataConfig | None = None
    training: TrainingConfig | None = None
