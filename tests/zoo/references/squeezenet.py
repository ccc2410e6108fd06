"""The SqueezeNet of torchvision."""

from __future__ import annotations

from torch import Tensor, nn
from torch_weights import Weights
from vision import models


def outputs(weights: Weights, images: Tensor, *, version: str, padding: int) -> list[Tensor]:
    """The SqueezeNet of torchvision; `padding` is that of conv10."""
    net = getattr(models, f"squeezenet{version}")
    model = net(weights=None, num_classes=1).eval()
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    for convolution in convolutions:
        kernel, bias = weights.convolution()
        convolution.weight, convolution.bias = nn.Parameter(kernel), nn.Parameter(bias)
    convolutions[-1].padding = (padding, padding)
    return [model(images)]
