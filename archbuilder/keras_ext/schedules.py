"""The learning rate of the first Transformer: up in a line, and down with the root of the steps."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Config, Tensor

__all__ = ["Noam"]


@keras.saving.register_keras_serializable(package="archbuilder")
class Noam(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises for some steps, and falls with the square root of their number after that.

    `rate = scale * model_size ** -0.5 * min(step ** -0.5, step * warmup_steps ** -1.5)`

    Steps count from 1, so that the first one learns. At its highest, at `warmup_steps`, the rate is
    `scale / sqrt(model_size * warmup_steps)`. Keras has the root of the steps in no schedule.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 5.3; the name is that of
    tensor2tensor, which also has the `scale`.

    Args:
        model_size: The size of the model's vectors, `d_model` in the paper.
        warmup_steps: The steps for which the rate rises, 1 or more.
        scale: What everything is multiplied by.
    """

    def __init__(self, model_size: int, warmup_steps: int = 4000, scale: float = 1.0) -> None:
        super().__init__()
        if model_size < 1 or warmup_steps < 1:
            raise ValueError(
                "model_size and warmup_steps must be 1 or more, not"
                f" {model_size} and {warmup_steps}"
            )
        self.model_size = model_size
        self.warmup_steps = warmup_steps
        self.scale = scale

    def __call__(self, step: Tensor) -> Tensor:
        """The rate of a step, which counts from 0 as Keras's optimizers do."""
        step_number = ops.add(ops.cast(step, "float32"), 1.0)
        peak_rate = self.scale * (self.model_size * self.warmup_steps) ** -0.5
        warmup_ratio = ops.divide(step_number, float(self.warmup_steps))
        return ops.multiply(ops.minimum(warmup_ratio, ops.rsqrt(warmup_ratio)), peak_rate)

    def get_config(self) -> Config:
        """The arguments of the constructor."""
        return {
            "model_size": self.model_size,
            "warmup_steps": self.warmup_steps,
            "scale": self.scale,
        }
