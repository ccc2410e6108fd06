"""GoogLeNet by hand."""

from __future__ import annotations

import torch
from convolutions import convolve
from torch import Tensor
from torch.nn import functional
from torch_weights import Weights


def outputs(weights: Weights, images: Tensor, *, auxiliary: bool) -> list[Tensor]:
    """Biases, 5x5 branches, response normalisation, pooling that rounds up."""
    heads = []
    x = convolve(images, weights, stride=2, padding=3)
    x = _normalise(_halve(x))
    x = convolve(x, weights)
    x = _halve(_normalise(convolve(x, weights, padding=1)))
    for module in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        x = _inception(x, weights)
        if auxiliary and module in ("4a", "4d"):
            heads.append(_auxiliary_head(x, weights))
        if module in ("3b", "4e"):
            x = _halve(x)
    return [functional.linear(x.mean(dim=(2, 3)), *weights.dense()), *heads]


def _inception(x: Tensor, weights: Weights) -> Tensor:
    branch1 = convolve(x, weights)
    three = convolve(convolve(x, weights), weights, padding=1)
    five = convolve(convolve(x, weights), weights, padding=2)
    pool = convolve(functional.max_pool2d(x, 3, stride=1, padding=1), weights)
    return torch.cat([branch1, three, five, pool], dim=1)


def _auxiliary_head(x: Tensor, weights: Weights) -> Tensor:
    x = convolve(functional.avg_pool2d(x, 5, stride=3), weights)
    # Keras flattens with the channels last.
    x = x.permute(0, 2, 3, 1).flatten(1)
    x = functional.linear(x, *weights.dense()).relu()
    return functional.linear(x, *weights.dense())


def _halve(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 3, stride=2, ceil_mode=True)


def _normalise(x: Tensor) -> Tensor:
    """With the numbers of the authors' file; PyTorch divides alpha by the size, as Caffe does."""
    return functional.local_response_norm(x, size=5, alpha=1e-4, beta=0.75, k=1.0)
