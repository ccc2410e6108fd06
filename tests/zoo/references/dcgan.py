"""DCGAN by hand, with the paddings of its authors' program or as in PyTorch's examples."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torch_weights import Weights


def outputs(
    weights: Weights, x: Tensor, *, network: str, levels: int, kernel: int, epsilon: float
) -> list[Tensor]:
    """Kernels of 5 pad by 2, and of 4 by 1; a generator's output has one more where they are 5."""
    size = {"stride": 2, "padding": (kernel - 1) // 2}
    if network == "discriminator":
        return [_discriminator(weights, x, levels, size, epsilon)]
    return [_generator(weights, x, levels, {**size, "output_padding": kernel - 4}, epsilon)]


def _generator(
    weights: Weights, noise: Tensor, levels: int, size: dict[str, int], epsilon: float
) -> Tensor:
    """Its first layer as a transposed convolution of a single pixel, if the norm fits that.

    It ends before the hyperbolic tangent.
    """
    projection = weights.take()
    scale = weights.take()
    norm = scale, weights.take(), weights.take(), weights.take()
    if len(scale) == projection.shape[1]:
        x = _normalise(noise @ projection, norm, epsilon)
        x = x.reshape(len(noise), 4, 4, -1).permute(0, 3, 1, 2)
    else:
        kernel = projection.reshape(len(projection), 4, 4, -1).permute(0, 3, 1, 2)
        x = functional.conv_transpose2d(noise[:, :, None, None], kernel)
        x = _normalise(x, norm, epsilon)
    for _ in range(levels - 1):
        x = functional.conv_transpose2d(x.relu(), weights.take().permute(3, 2, 0, 1), **size)
        x = _normalise(x, _norm(weights), epsilon)
    return functional.conv_transpose2d(x.relu(), weights.take().permute(3, 2, 0, 1), **size)


def _discriminator(
    weights: Weights, x: Tensor, levels: int, size: dict[str, int], epsilon: float
) -> Tensor:
    """Its last layer as a convolution of all that is left."""
    for level in range(levels):
        x = functional.conv2d(x, weights.take().permute(3, 2, 0, 1), **size)
        if level:
            x = _normalise(x, _norm(weights), epsilon)
        x = functional.leaky_relu(x, 0.2)
    kernel = weights.take().reshape(4, 4, -1, 1).permute(3, 2, 0, 1)
    return torch.sigmoid(functional.conv2d(x, kernel)).reshape(-1, 1)


def _norm(weights: Weights) -> tuple[Tensor, ...]:
    return tuple(weights.take() for _ in range(4))


def _normalise(x: Tensor, norm: tuple[Tensor, ...], epsilon: float) -> Tensor:
    scale, shift, mean, variance = norm
    return functional.batch_norm(x, mean, variance, scale, shift, eps=epsilon)
