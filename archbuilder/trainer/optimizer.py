"""The optimizer of a recipe, and the weight averaging that it is configured for."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.relative_steps import resolve_relative_steps
from archbuilder.keras_backend.instantiate import build_object
from archbuilder.trainer.execution import ExecutionConfig


@dataclass(frozen=True, slots=True)
class EMAConfig:
    """Exponential moving average of weights: `average = momentum average + (1 - momentum) weight`.

    Every `overwrite_frequency` steps, the average also replaces the weights; never if it is None.
    """

    momentum: float
    overwrite_frequency: int | None = None


def make_optimizer(
    config: KerasObject, execution: ExecutionConfig, total_steps: int
) -> keras.optimizers.Optimizer:
    """Return the optimizer of a recipe, with the loss scale that the dtype policy needs.

    Args:
        config: The optimizer in the recipe.
        execution: Has the dtype policy.
        total_steps: Number of steps that the optimizer takes in the run.

    Raises:
        BlueprintError: if Keras rejects it.
    """
    optimizer = build_object(resolve_relative_steps(config, total_steps))
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(f"{optimizer!r} is not an optimizer")
    # Gradients below 6e-8 underflow in float16. bfloat16 has the range of float32.
    if execution.dtype_policy == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def take_ema(optimizer: keras.optimizers.Optimizer) -> EMAConfig | None:
    """Return the weight averaging of an optimizer, and turn it off there; None if it has none.

    Call it before the optimizer is built, which creates the averages of Keras.
    `DistributedModel` averages instead, since Keras 3.15 does not support two cases
    (base_optimizer.py): on several replicas its averages fail, and at the end of each call of `fit`
    it overwrites the weights by their averages, after which a run cannot be resumed.
    """
    inner_optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if not inner_optimizer.use_ema:
        return None
    inner_optimizer.use_ema = False
    return EMAConfig(inner_optimizer.ema_momentum, inner_optimizer.ema_overwrite_frequency)
