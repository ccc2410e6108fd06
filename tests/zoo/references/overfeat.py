"""OverFeat by hand."""

from __future__ import annotations

import torch
from convolutions import convolve
from torch import Tensor
from torch.nn import functional
from torch_weights import Weights


def outputs(
    weights: Weights, images: Tensor, *, accurate: bool = False, result: str = "vector"
) -> list[Tensor]:
    """A vector for a crop, or maps: coarse, or fine after figure 3 of the paper."""
    pool = 3 if accurate else 2
    x = convolve(images, weights, stride=2 if accurate else 4)
    x = functional.max_pool2d(x, pool)
    x = functional.max_pool2d(convolve(x, weights), 2)
    for _ in range(4 if accurate else 3):
        x = convolve(x, weights, padding=1)
    layers = [weights.convolution() for _ in range(3)]
    if result == "fine":
        return [_fine(x, layers, pool)]
    x = _fully_connected(functional.max_pool2d(x, pool), layers)
    return [x.flatten(1) if result == "vector" else x]


def _fine(x: Tensor, layers: list[tuple[Tensor, Tensor]], pool: int) -> Tensor:
    """Pooled from each offset by itself, classified, and put between each other."""
    window = layers[0][0].shape[-1]
    rows, columns = (size - pool * window + 1 for size in x.shape[2:])
    maps = torch.empty(len(x), len(layers[-1][1]), rows, columns)
    for row in range(pool):
        for column in range(pool):
            pooled = functional.max_pool2d(x[:, :, row:, column:], pool)
            maps[:, :, row::pool, column::pool] = _fully_connected(pooled, layers)
    return maps


def _fully_connected(x: Tensor, layers: list[tuple[Tensor, Tensor]]) -> Tensor:
    for kernel, bias in layers[:-1]:
        x = functional.conv2d(x, kernel, bias).relu()
    return functional.conv2d(x, *layers[-1])
