"""DeepLabv3+ of a ResNet and a pyramid of torchvision, and a decoder of layers of PyTorch."""

from __future__ import annotations

import resnet
import torch
from torch import Tensor, nn
from torch_weights import Weights, fill
from torchvision.models.segmentation.deeplabv3 import ASPP


def outputs(
    weights: Weights,
    images: Tensor,
    *,
    depths: list[int],
    filters: int = 256,
    low: int = 48,
    classes: int = 21,
    rates: tuple[int, ...] = (6, 12, 18),
) -> list[Tensor]:
    """Logits of each pixel."""
    maps = []
    x = images
    for layer in resnet.body(weights, depths, dilated=True):
        x = layer(x)
        maps.append(x)
    pyramid = ASPP(maps[-1].shape[1], rates, filters).eval()
    fill(pyramid.modules(), weights)
    high = nn.functional.interpolate(pyramid(maps[-1]), scale_factor=4, mode="bilinear")
    low_maps = _convolution(weights, maps[-4].shape[1], low, 1)(maps[-4])
    x = torch.cat([low_maps, high], dim=1)
    for channels in (low + filters, filters):
        x = _convolution(weights, channels, filters, 3)(x)
    last = nn.Conv2d(filters, classes, 1)
    fill([last], weights)
    return [nn.functional.interpolate(last(x), scale_factor=4, mode="bilinear")]


def _convolution(weights: Weights, channels: int, filters: int, size: int) -> nn.Module:
    layers = nn.Sequential(
        nn.Conv2d(channels, filters, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
    ).eval()
    fill(layers, weights)
    return layers
