"""Inception-v3 of torchvision, with its auxiliary head."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_weights import Weights
from vision import models


def outputs(weights: Weights, images: Tensor, *, classes: int) -> list[Tensor]:
    """Its scales of batch normalisation are one, and its pools count no padding."""
    model = models.inception_v3(weights=None, init_weights=False, num_classes=classes).eval()
    for module in model.modules():
        if isinstance(module, models.inception.BasicConv2d):
            module.conv.weight = nn.Parameter(weights.take().permute(3, 2, 0, 1))
            shift, mean, variance = weights.take(), weights.take(), weights.take()
            module.bn.bias = nn.Parameter(shift)
            module.bn.weight = nn.Parameter(torch.ones_like(shift))
            module.bn.running_mean, module.bn.running_var = mean, variance
        elif isinstance(module, nn.Linear):
            kernel, bias = weights.dense()
            module.weight, module.bias = nn.Parameter(kernel), nn.Parameter(bias)
    functional.avg_pool2d = functools.partial(functional.avg_pool2d, count_include_pad=False)
    # Only the network itself asks whether it trains, to decide upon its auxiliary head.
    model.training = True
    return list(model._forward(images))
