"""Measures of the similarity of two images, for losses and metrics."""

from __future__ import annotations

import numpy as np
from keras import ops

from archbuilder.keras_ext.layers._typing import Tensor


def peak_signal_to_noise_ratio(
    y_true: Tensor, y_pred: Tensor, max_val: float, epsilon: float = 0.0
) -> Tensor:
    """Return the peak signal-to-noise ratio of each image in decibel, of shape `(batch,)`.

    `10 * log10(max_val ** 2 / mse)`. Equal images have an infinite ratio, unless `epsilon` is added
    to the mean squared error.
    """
    y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
    axes = tuple(range(1, len(y_pred.shape)))
    errors = ops.mean(ops.square(y_true - y_pred), axis=axes) + epsilon
    return 20 * float(np.log10(max_val)) - 10 * ops.log10(errors)


def structural_similarity(
    y_true: Tensor,
    y_pred: Tensor,
    max_val: float,
    filter_size: int,
    filter_sigma: float,
    k1: float,
    k2: float,
) -> Tensor:
    """Return the structural similarity index of each image, of shape `(batch,)`.

    It is the mean over all channels and all positions of a Gaussian window that lies within the
    image, as in `tf.image.ssim`.

    Source: Wang et al. 2004, "Image quality assessment: from error visibility to structural
    similarity", doi:10.1109/TIP.2003.819861, equations 13 to 17.

    Raises:
        ValueError: if the images have another rank, or are smaller than the window.
    """
    shape = tuple(y_pred.shape)
    if len(shape) != 4:
        raise ValueError(f"SSIM compares images (height, width, channels), not {shape[1:]}")
    if any(size is not None and size < filter_size for size in shape[1:3]):
        raise ValueError(
            f"SSIM with filter_size={filter_size} needs images of at least"
            f" {filter_size} x {filter_size} pixels, not {shape[1]} x {shape[2]}"
        )
    y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
    offsets = np.arange(filter_size) - (filter_size - 1) / 2
    weights = np.exp(-(offsets**2) / (2 * filter_sigma**2))
    window = np.outer(weights, weights) / np.sum(weights) ** 2
    kernel = ops.convert_to_tensor(
        np.tile(window[:, :, np.newaxis, np.newaxis], (1, 1, shape[3], 1)), "float32"
    )

    def local_mean(images: Tensor) -> Tensor:
        return ops.depthwise_conv(images, kernel, strides=1, padding="valid")

    # Equation 13: the product of the comparisons of luminance, contrast and structure.
    mean_true, mean_pred = local_mean(y_true), local_mean(y_pred)
    mean_products = mean_true * mean_pred
    mean_squares = ops.square(mean_true) + ops.square(mean_pred)
    covariances = local_mean(y_true * y_pred) - mean_products
    variances = local_mean(ops.square(y_true) + ops.square(y_pred)) - mean_squares
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    luminance = (2 * mean_products + c1) / (mean_squares + c1)
    similarity = luminance * (2 * covariances + c2) / (variances + c2)
    return ops.mean(similarity, axis=(1, 2, 3))
