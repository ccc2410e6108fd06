"""The networks of SimCLR: torchvision's ResNet, and a projection head by hand."""

from __future__ import annotations

import torch
from resnet import in_order
from torch import Tensor, nn
from torch.nn import functional
from torch_weights import Weights, fill
from vision import models


def outputs(
    weights: Weights, images: Tensor, *, depths: list[int], normalised: bool
) -> list[Tensor]:
    """The representation and its projection; `normalised` is the head of the authors' program."""
    model = models.resnet.ResNet(models.resnet.Bottleneck, depths).eval()
    model.fc = nn.Identity()
    fill(in_order(model), weights)
    representation = model(images)
    hidden = representation @ weights.take()
    if normalised:
        scale, shift, mean, variance = (weights.take() for _ in range(4))
        hidden = functional.batch_norm(hidden, mean, variance, scale, shift, eps=1e-5)
    projection = hidden.relu() @ weights.take()
    if normalised:
        scale, mean, variance = (weights.take() for _ in range(3))
        zero = torch.zeros_like(mean)
        projection = functional.batch_norm(projection, mean, variance, scale, zero, eps=1e-5)
    return [representation, projection]
