"""Losses that archbuilder adds to Keras."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Config, Tensor

__all__ = ["CapsuleMargin"]


@keras.saving.register_keras_serializable(package="archbuilder")
class CapsuleMargin(keras.losses.Loss):
    """Margin loss of the lengths of capsules, one term per class.

    `loss = sum(y * max(0, present - v)**2 + absent_weight * (1 - y) * max(0, v - absent)**2)`

    `y_true` has 1 for each class that is present and 0 for the others; several may be present.
    `y_pred` has the lengths of the capsules, `v` above, from 0 to 1. Both have the shape
    `(batch, classes)`.

    Source: Sabour, Frosst and Hinton 2017, arXiv:1710.09829, equation 4 and its values.

    Args:
        present: Number, the length from which the capsule of a present class has no loss.
        absent: Number, the length up to which the capsule of an absent class has no loss.
        absent_weight: Number, the weight of the loss of an absent class.
        reduction: Type of reduction over the batch, as in all losses of Keras.
        name: Name of the loss.
        dtype: The dtype of the computation.
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
        """Return the loss of each example, of shape `(batch,)`."""
        present_loss = ops.square(ops.relu(self.present - y_pred))
        absent_loss = ops.square(ops.relu(y_pred - self.absent))
        return ops.sum(
            y_true * present_loss + self.absent_weight * (1 - y_true) * absent_loss, axis=-1
        )

    def get_config(self) -> Config:
        """Return the arguments of the constructor."""
        config = {
            "present": self.present,
            "absent": self.absent,
            "absent_weight": self.absent_weight,
        }
        return {**super().get_config(), **config}
