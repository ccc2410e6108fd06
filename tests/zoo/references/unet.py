"""U-Net by hand."""

from __future__ import annotations

import torch
from convolutions import convolve
from torch import Tensor
from torch.nn import functional
from torch_weights import Weights


def outputs(weights: Weights, images: Tensor, *, depth: int, padding: int) -> list[Tensor]:
    """After figure 1; `padding` is 0 where maps shrink, as in the paper."""
    x = images
    skips = []
    for _ in range(depth):
        x = convolve(convolve(x, weights, padding=padding), weights, padding=padding)
        skips.append(x)
        x = functional.max_pool2d(x, 2)
    x = convolve(convolve(x, weights, padding=padding), weights, padding=padding)
    for skip in reversed(skips):
        # The kernel is (rows, columns, out, in) in Keras and (in, out, rows, columns) here.
        x = functional.conv_transpose2d(
            x, weights.take().permute(3, 2, 0, 1), weights.take(), stride=2
        )
        margin = (skip.shape[2] - x.shape[2]) // 2
        end = margin + x.shape[2]
        x = torch.cat([skip[:, :, margin:end, margin:end], x], dim=1)
        x = convolve(convolve(x, weights, padding=padding), weights, padding=padding)
    return [functional.conv2d(x, *weights.convolution())]
