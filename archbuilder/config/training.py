"""The `training` section of a recipe: an objective, and the settings of the training loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.augment_layers import augmentation
from archbuilder.config.callbacks import callbacks
from archbuilder.config.image_size import ImageSize, image_size
from archbuilder.config.initial_weights import InitialWeightsConfig, initial_weights
from archbuilder.config.layer_patterns import layer_patterns
from archbuilder.config.lora import LoraConfig, lora
from archbuilder.config.objectives import ObjectiveConfig
from archbuilder.config.save_best import SaveBest, save_best
from archbuilder.config.settings import setting, settings_of
from archbuilder.config.sources import DataConfig
from archbuilder.config.split import SplitPlan, SplitSetting, split, to_split_config
from archbuilder.config.stages import StageConfig, stages
from archbuilder.config.value_types import boolean, choice, either, integer, number
from archbuilder.diagnostics.errors import Diagnostic

StrategyName: TypeAlias = Literal["auto", "none", "mirrored", "multi_worker", "tpu"]
Auto: TypeAlias = Literal["auto"]
"""A setting that is chosen for the device."""
DtypePolicy: TypeAlias = Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]
_BOOLEANS: Final = (True, False)


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Settings of a training run."""

    objective: ObjectiveConfig
    epochs: int = setting(
        integer(1, 1_000_000),
        "Number of passes over the training set.",
        default=10,
        requires="steps",
        is_resumable=True,
    )
    # `epochs` is their sum, unless another value lengthens or shortens the last one.
    stages: tuple[StageConfig, ...] | None = setting(
        stages(),
        "Stages that follow each other, each with its epochs and what it changes.",
        default=None,
        requires="stages",
    )
    batch_size: int = setting(
        integer(1, 1_000_000),
        "Global batch size: examples per step on all devices together.",
        default=32,
    )
    image_size: ImageSize | None = setting(
        image_size(),
        "Height and width of images, as one number or a list of two, for inputs of any size.",
        default=None,
    )
    validation_split: SplitSetting = setting(
        split(),
        "Fraction of the examples in the validation set, or which ones, if the data has no source"
        " for it.",
        default=0.2,
    )
    test_split: SplitSetting = setting(
        split(),
        "Fraction of the examples in the test set, or which ones, if the data has no source for"
        " it. The network is evaluated on it once, at the end.",
        default=0.0,
    )
    train_split: SplitSetting | None = setting(
        split(),
        "Fraction of the examples that are trained on, or which ones, of those that no other set"
        " has; by default all of these.",
        default=None,
    )
    # keras.utils.set_random_seed passes it to numpy.random.seed, which takes 32 bits.
    seed: int = setting(
        integer(0, 2**32 - 1),
        "Seed of the initial weights, the order of the examples and the validation split.",
        default=0,
    )
    shuffle: bool = setting(
        boolean(),
        "Whether each epoch has its own random order. Without it, the validation set is the last"
        " part of the data.",
        default=True,
    )
    weights: tuple[InitialWeightsConfig, ...] = setting(
        initial_weights(),
        "Weight files or runs whose weights the networks start from.",
        default=(),
    )
    # None rather than an empty tuple, which a record would show as "no layer".
    trainable: tuple[str, ...] | None = setting(
        layer_patterns(),
        "The layers that are trained; by default all of them.",
        default=None,
        requires="steps",
    )
    frozen: tuple[str, ...] | None = setting(
        layer_patterns(),
        "The layers that are not trained, also if `trainable` matches them.",
        default=None,
        requires="steps",
    )
    # With the other objectives, evaluation needs more than the merged kernels that are saved.
    lora: LoraConfig | None = setting(
        lora(),
        "Layers that are trained by matrices of low rank.",
        default=None,
        requires="stages",
    )
    distribute: StrategyName = setting(
        choice("auto", "none", "mirrored", "multi_worker", "tpu"),
        "Strategy of `tf.distribute`: `auto`, `none`, `mirrored`, `multi_worker` or `tpu`. `auto`"
        " uses the cluster of TF_CONFIG or Slurm, or else all GPUs.",
        default="auto",
        is_resumable=True,
    )
    augment: tuple[KerasObject, ...] = setting(
        augmentation(),
        "Random layers that are applied in order to training images.",
        default=(),
        requires="augmentation",
    )
    # Not resumable: checkpoints hold their state, which other callbacks could not continue from.
    callbacks: tuple[KerasObject, ...] = setting(
        callbacks(),
        "Callbacks that stop a run or reduce its learning rate by its metrics, in order.",
        default=(),
        requires="steps",
    )
    # Not resumable, for the same reason.
    save_best: SaveBest | None = setting(
        save_best(),
        "Metric whose best epoch is saved next to the last one.",
        default=None,
        requires="steps",
    )
    gradient_accumulation_steps: int = setting(
        integer(1, 1024),
        "Number of parts of a batch whose gradients are accumulated before one optimizer step.",
        default=1,
        requires="accumulation",
    )
    dtype_policy: DtypePolicy = setting(
        choice("auto", "float32", "mixed_bfloat16", "mixed_float16"),
        "Dtype policy of the layers; variables are float32 with each of them.",
        default="auto",
        requires="steps",
    )
    jit_compile: bool | Auto = setting(
        choice("auto", *_BOOLEANS),
        "Whether XLA compiles the train step.",
        default="auto",
        requires="steps",
        is_resumable=True,
    )
    steps_per_execution: int | Auto = setting(
        either(integer(1, 10_000), choice("auto")),
        "Steps per call of the train function. Callbacks run between calls.",
        default="auto",
        requires="steps",
        is_resumable=True,
    )
    checkpoint_every_seconds: float = setting(
        number(minimum=0, maximum=86_400),
        "Seconds between checkpoints; 0 saves one after every step.",
        default=30.0,
        requires="steps",
        is_resumable=True,
    )

    @property
    def smallest_batch_size(self) -> int:
        """Smallest batch size of all stages."""
        sizes: list[int] = [
            each.settings.get("batch_size", self.batch_size) for each in self.stages or ()
        ]
        return min([self.batch_size, *sizes])

    @property
    def final_image_size(self) -> ImageSize | None:
        """Size of the images at the end of the run."""
        last = self.stages[-1].settings if self.stages else {}
        size: ImageSize | None = last.get("image_size", self.image_size)
        return size

    def split_plan(self, *, has_validation: bool, has_test: bool) -> SplitPlan:
        """Return how the training data is split: a set that has a source is not held out."""
        return SplitPlan(
            None if has_validation else to_split_config(self.validation_split),
            None if has_test else to_split_config(self.test_split),
            to_split_config(self.train_split),
            seed=self.seed,
            shuffle=self.shuffle,
        )


def training_keys(objective: type[ObjectiveConfig]) -> tuple[str, ...]:
    """Return the settings of `TrainingConfig` that a recipe with an objective may have."""
    supported = (None, *objective.features())
    return tuple(each.name for each in settings_of(TrainingConfig) if each.requires in supported)


@dataclass(frozen=True, slots=True)
class Recipe:
    """The `data` and `training` sections; None if a section is absent."""

    data: DataConfig | None = None
    training: TrainingConfig | None = None
    warnings: tuple[Diagnostic, ...] = ()
