"""Losses that archbuilder adds to Keras."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.box_overlap import CIoU, GIoU
from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.image_quality import peak_signal_to_noise_ratio, structural_similarity
from archbuilder.keras_ext.layers._typing import Config, Tensor

__all__ = [
    "CIoU",
    "CapsuleMargin",
    "Charbonnier",
    "GIoU",
    "LabelSmoothedCrossentropy",
    "PSNRLoss",
    "SSIMLoss",
    "Value",
]


@keras.saving.register_keras_serializable(package="archbuilder")
class CapsuleMargin(ConstructorConfig, keras.losses.Loss):
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


@keras.saving.register_keras_serializable(package="archbuilder")
class Charbonnier(ConstructorConfig, keras.losses.Loss):
    """Charbonnier loss, the absolute error with a smooth minimum.

    `loss = mean(sqrt((y_true - y_pred) ** 2 + epsilon ** 2))` over the last axis.

    Source: Lai et al. 2017, "Deep Laplacian Pyramid Networks", arXiv:1704.03915, where `epsilon`
    is 0.001; after Charbonnier et al. 1994, doi:10.1109/ICIP.1994.413553.

    Args:
        epsilon: Number, the loss of an error of 0.
        reduction: Type of reduction over the batch, as in all losses of Keras.
        name: Name of the loss.
        dtype: The dtype of the computation.
    """

    def __init__(
        self,
        epsilon: float = 1e-3,
        reduction: str = "sum_over_batch_size",
        name: str = "charbonnier",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.epsilon = epsilon

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss of each position."""
        squares = ops.square(y_true - y_pred) + self.epsilon**2
        return ops.mean(ops.sqrt(squares), axis=-1)


@keras.saving.register_keras_serializable(package="archbuilder")
class SSIMLoss(keras.losses.Loss):
    """One minus the structural similarity index of two images.

    Source: Zhao et al. 2017, "Loss Functions for Image Restoration with Neural Networks",
    arXiv:1511.08861, with the index of Wang et al. 2004,
    doi:10.1109/TIP.2003.819861.

    Args:
        max_val: Number, the difference between the largest and the smallest possible value.
        filter_size: Integer, the size of the Gaussian window in pixels.
        filter_sigma: Number, the standard deviation of the window in pixels.
        k1: Number, the constant of the comparison of luminance.
        k2: Number, the constant of the comparison of contrast.
        reduction: Type of reduction over the batch, as in all losses of Keras.
        name: Name of the loss.
        dtype: The dtype of the computation.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the arguments of `tf.image.ssim`
        self,
        max_val: float = 1.0,
        filter_size: int = 11,
        filter_sigma: float = 1.5,
        k1: float = 0.01,
        k2: float = 0.03,
        reduction: str = "sum_over_batch_size",
        name: str = "ssim_loss",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.arguments: Config = {
            "max_val": max_val,
            "filter_size": filter_size,
            "filter_sigma": filter_sigma,
            "k1": k1,
            "k2": k2,
        }

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss of each image, of shape `(batch,)`."""
        return 1 - structural_similarity(y_true, y_pred, **self.arguments)

    def get_config(self) -> Config:
        """Return the arguments of the constructor."""
        return {**super().get_config(), **self.arguments}


@keras.saving.register_keras_serializable(package="archbuilder")
class LabelSmoothedCrossentropy(ConstructorConfig, keras.losses.Loss):
    """Crossentropy with class indices as labels, and label smoothing.

    It equals `CategoricalCrossentropy` of Keras with `label_smoothing`, but needs no one-hot
    labels, which would take one number per class for every token of a text.

    Source: Szegedy et al. 2015, arXiv:1512.00567, section 7.

    Args:
        label_smoothing: Number from 0 to 1, the probability that is spread over all classes.
        from_logits: Boolean, whether predictions are logits rather than probabilities.
        reduction: Type of reduction over the batch, as in all losses of Keras.
        name: Name of the loss.
        dtype: The dtype of the computation.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        from_logits: bool = False,  # noqa: FBT001, FBT002 - as in Keras
        reduction: str = "sum_over_batch_size",
        name: str = "label_smoothed_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.label_smoothing = label_smoothing
        self.from_logits = from_logits

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss of each label."""
        if self.from_logits:
            log_probabilities = ops.log_softmax(y_pred, axis=-1)
        else:
            # As Keras does, so that a probability of 0 has a finite loss.
            log_probabilities = ops.log(ops.maximum(y_pred, keras.config.epsilon()))
        labels = ops.reshape(ops.cast(y_true, "int32"), (*ops.shape(y_pred)[:-1], 1))
        of_labels = ops.take_along_axis(log_probabilities, labels, axis=-1)[..., 0]
        rate = self.label_smoothing
        return -(1 - rate) * of_labels - rate * ops.mean(log_probabilities, axis=-1)


@keras.saving.register_keras_serializable(package="archbuilder")
class PSNRLoss(ConstructorConfig, keras.losses.Loss):
    """Negative peak signal-to-noise ratio of two images in decibel.

    `loss = 10 * log10(mse + epsilon) - 20 * log10(max_val)`

    Source: Chen et al. 2021, "HINet", arXiv:2105.06086; `epsilon` is that of their code.

    Args:
        max_val: Number, the difference between the largest and the smallest possible value.
        epsilon: Number that is added to the mean squared error.
        reduction: Type of reduction over the batch, as in all losses of Keras.
        name: Name of the loss.
        dtype: The dtype of the computation.
    """

    def __init__(
        self,
        max_val: float = 1.0,
        epsilon: float = 1e-8,
        reduction: str = "sum_over_batch_size",
        name: str = "psnr_loss",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.max_val = max_val
        self.epsilon = epsilon

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss of each image, of shape `(batch,)`."""
        return -peak_signal_to_noise_ratio(y_true, y_pred, self.max_val, self.epsilon)


@keras.saving.register_keras_serializable(package="archbuilder")
class Value(keras.losses.Loss):
    """Mean of an output that is itself a loss, such as a divergence that the network computes.

    It has no target: `y_true` has no effect. For one value per example it is what `add_loss` of
    Keras adds for their mean.

    Args:
        reduction: Type of reduction over the batch, as in all losses of Keras.
        name: Name of the loss.
        dtype: The dtype of the computation.
    """

    def __init__(
        self,
        reduction: str = "sum_over_batch_size",
        name: str = "value",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:  # noqa: ARG002 - as in all losses
        """Return the output. It keeps its last axis, which a mask may have."""
        return y_pred
