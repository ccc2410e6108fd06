"""PointNet, of layers that come with PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_weights import Weights


def outputs(weights: Weights, points: Tensor, *, transforms: bool = True) -> list[Tensor]:
    """Logits of the classes, and how far the matrix of the features is from orthogonal."""
    x = points.mT
    if transforms:
        x = _matrix(weights, x).mT @ x
    for _ in range(2):
        x = _pointwise(weights, x)
    matrix = torch.eye(0)
    if transforms:
        matrix = _matrix(weights, x)
        x = matrix.mT @ x
    logits = _linear(weights, _global_features(weights, x))
    deviation = matrix @ matrix.mT - torch.eye(matrix.shape[-1])
    return [logits, deviation] if transforms else [logits]


def _matrix(weights: Weights, x: Tensor) -> Tensor:
    """A matrix for each cloud."""
    numbers = _linear(weights, _global_features(weights, x))
    return numbers.unflatten(1, (x.shape[1], x.shape[1])) + torch.eye(x.shape[1])


def _global_features(weights: Weights, x: Tensor) -> Tensor:
    for _ in range(3):
        x = _pointwise(weights, x)
    x = nn.AdaptiveMaxPool1d(1)(x).flatten(1)
    for _ in range(2):
        x = nn.functional.relu(_normalized(weights, _linear(weights, x)))
    return x


def _pointwise(weights: Weights, x: Tensor) -> Tensor:
    convolved = nn.functional.conv1d(x, weights.take().permute(2, 1, 0), weights.take())
    return nn.functional.relu(_normalized(weights, convolved))


def _linear(weights: Weights, x: Tensor) -> Tensor:
    return nn.functional.linear(x, *weights.dense())


def _normalized(weights: Weights, x: Tensor) -> Tensor:
    scale, shift, mean, variance = (weights.take() for _ in range(4))
    return nn.functional.batch_norm(x, mean, variance, scale, shift, eps=1e-3)
