"""Convolutions with a bias and ReLU, as GoogLeNet and U-Net have them."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional
from torch_weights import Weights


def convolve(x: Tensor, weights: Weights, *, stride: int = 1, padding: int = 0) -> Tensor:
    return functional.conv2d(x, *weights.convolution(), stride, padding).relu()
