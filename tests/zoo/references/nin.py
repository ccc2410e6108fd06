"""Network in network: for CIFAR that of pytorchcv, for ImageNet by hand."""

from __future__ import annotations

import vision  # noqa: F401 - pytorchcv may import torchvision
from convolutions import convolve
from pytorchcv.models.nin_cifar import get_nin_cifar
from torch import Tensor, nn
from torch.nn import functional
from torch_weights import Weights, fill


def outputs(weights: Weights, images: Tensor, *, imagenet: bool, classes: int) -> list[Tensor]:
    """The averages of the last maps."""
    return [_imagenet(weights, images) if imagenet else _cifar(weights, images, classes)]


def _cifar(weights: Weights, images: Tensor, classes: int) -> Tensor:
    """With pools that round up, as the authors' do; pytorchcv's pad on every side."""
    model = get_nin_cifar(classes).eval()
    model.features.stage2.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
    model.features.stage3.pool3 = nn.AvgPool2d(3, 2, ceil_mode=True)
    model.output.final_pool = nn.AdaptiveAvgPool2d(1)
    fill(model.modules(), weights)
    return model(images)


def _imagenet(weights: Weights, x: Tensor) -> Tensor:
    x = convolve(x, weights, stride=4)
    x = _perceptron(x, weights)
    for padding in (2, 1, 1):
        x = functional.max_pool2d(x, 3, 2, ceil_mode=True)
        x = _perceptron(convolve(x, weights, padding=padding), weights)
    return x.mean(dim=(2, 3))


def _perceptron(x: Tensor, weights: Weights) -> Tensor:
    return convolve(convolve(x, weights), weights)
