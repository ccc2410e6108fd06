"""Learning rate schedules that archbuilder adds to Keras."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Config, Tensor

__all__ = ["GaussianRampUp", "Noam", "Scaled"]


@keras.saving.register_keras_serializable(package="archbuilder")
class GaussianRampUp(keras.optimizers.schedules.LearningRateSchedule):
    """Number that rises along a Gaussian curve, and then stays.

    `value = final_value * exp(-5 * (1 - min(step / ramp_steps, 1)) ** 2)`

    Mean teachers weight the consistency of their predictions by it.

    Source: Laine and Aila 2016, "Temporal Ensembling", arXiv:1610.02242, section 2.1.

    Args:
        final_value: Number, the value from step `ramp_steps` on.
        ramp_steps: Integer, the number of steps for which it rises, 1 or more.
    """

    def __init__(self, final_value: float, ramp_steps: int) -> None:
        super().__init__()
        if ramp_steps < 1:
            raise ValueError(f"ramp_steps must be 1 or more, not {ramp_steps}")
        self.final_value = final_value
        self.ramp_steps = ramp_steps

    def __call__(self, step: Tensor) -> Tensor:
        """Return the value of a step. Steps count from 0, as in Keras's optimizers."""
        ratio = ops.minimum(ops.divide(ops.cast(step, "float32"), float(self.ramp_steps)), 1.0)
        curve = ops.exp(ops.multiply(ops.square(ops.subtract(1.0, ratio)), -5.0))
        return ops.multiply(curve, self.final_value)

    def get_config(self) -> Config:
        """Return the arguments of the constructor."""
        return {"final_value": self.final_value, "ramp_steps": self.ramp_steps}


@keras.saving.register_keras_serializable(package="archbuilder")
class Noam(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate with linear warmup, then decay with the inverse square root of the step.

    `rate = scale * model_size ** -0.5 * min(step ** -0.5, step * warmup_steps ** -1.5)`

    Steps count from 1, so that the rate of the first one is not 0. The rate peaks at step
    `warmup_steps` with `scale / sqrt(model_size * warmup_steps)`. No schedule of Keras decays with
    the inverse square root.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 5.3, equation 3. The name and
    `scale` come from tensor2tensor.

    Args:
        model_size: Integer, the size of the model's vectors, `d_model` in the paper.
        warmup_steps: Integer, the number of steps for which the rate rises, 1 or more.
        scale: Number, a factor for the whole schedule.
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
        """Return the learning rate of a step. Steps count from 0, as in Keras's optimizers."""
        # The formula above divided by its peak: min(r, r ** -0.5) with r = step / warmup_steps.
        step_number = ops.add(ops.cast(step, "float32"), 1.0)
        peak_rate = self.scale * (self.model_size * self.warmup_steps) ** -0.5
        warmup_ratio = ops.divide(step_number, float(self.warmup_steps))
        return ops.multiply(ops.minimum(warmup_ratio, ops.rsqrt(warmup_ratio)), peak_rate)

    def get_config(self) -> Config:
        """Return the arguments of the constructor."""
        return {
            "model_size": self.model_size,
            "warmup_steps": self.warmup_steps,
            "scale": self.scale,
        }


@keras.saving.register_keras_serializable(package="archbuilder")
class Scaled(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule times a factor, as for a part of a network that learns more slowly.

    Args:
        schedule: The other schedule.
        factor: Number, by which its learning rates are multiplied.
    """

    def __init__(
        self, schedule: keras.optimizers.schedules.LearningRateSchedule, factor: float
    ) -> None:
        super().__init__()
        self.schedule = schedule
        self.factor = factor

    def __call__(self, step: Tensor) -> Tensor:
        """Return the learning rate of a step."""
        return ops.multiply(self.schedule(step), self.factor)

    def get_config(self) -> Config:
        """Return the arguments of the constructor."""
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {"schedule": schedule, "factor": self.factor}

    @classmethod
    def from_config(cls, config: Config) -> Scaled:
        """Return the schedule with these arguments."""
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["factor"])
