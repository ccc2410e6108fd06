"""The margin loss of capsule networks: one for each class, present or absent."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Config, Tensor

__all__ = ["CapsuleMargin"]


@keras.saving.register_keras_serializable(package="archbuilder")
class CapsuleMargin(keras.losses.Loss):
    """How far the lengths of capsules are from where they should be.

    `loss = sum(y * max(0, present - v)**2 + absent_weight * (1 - y) * max(0, v - absent)**2)`

    `y_true` and `y_pred` have the shape `(batch, classes)`: one value a class, and the lengths of
    the capsules, from 0 to 1. Several classes may be present at once.

    Source: Sabour, Frosst and Hinton 2017, arXiv:1710.09829, equation 4 and its values.

    Args:
        present: How long the capsule of a class that is present should be at least.
        absent: How long one of a class that is absent may be.
        absent_weight: What an absent class counts, beside 1 for one that is present.
        reduction: How the losses of a batch become one number, as in all losses of Keras.
        name: The name of the loss.
        dtype: What it computes in.
    """

    def __init__(
        self,
        present: float = 0.9,
        absent: float = 0.1,
        absent_weight: float = 0.5,
        reduction: str = "sum_over_batch_size",
        name: str = "capsule_margin",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.present = present
        self.absent = absent
        self.absent_weight = absent_weight

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of each example."""
        present_loss = ops.square(ops.relu(self.present - y_pred))
        absent_loss = ops.square(ops.relu(y_pred - self.absent))
        return ops.sum(
            y_true * present_loss + self.absent_weight * (1 - y_true) * absent_loss, axis=-1
        )

    def get_config(self) -> Config:
        """The arguments of the constructor."""
        config = {
            "present": self.present,
            "absent": self.absent,
            "absent_weight": self.absent_weight,
        }
        return {**super().get_config(), **config}
