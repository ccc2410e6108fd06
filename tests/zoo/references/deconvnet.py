"""DeconvNet by hand, with the pooling and the unpooling of PyTorch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional
from torch_weights import Weights


def outputs(weights: Weights, images: Tensor, *, depths: list[int], size: int) -> list[Tensor]:
    """`depths` are the layers of each level, `size` is that of the smallest map."""
    x = images
    switches = []
    for depth in depths:
        for _ in range(depth):
            x = _normalise(functional.conv2d(x, *weights.convolution(), padding=1), weights)
        x, places = functional.max_pool2d(x, 2, return_indices=True)
        switches.append(places)
    x = _normalise(functional.conv2d(x, *weights.convolution()), weights)
    x = _normalise(functional.conv2d(x, *weights.convolution()), weights)
    x = _deconvolve(x, weights)
    assert x.shape[2] == size
    for depth, places in zip(reversed(depths), reversed(switches), strict=True):
        x = functional.max_unpool2d(x, places, 2)
        for _ in range(depth):
            x = _deconvolve(x, weights, padding=1)
    return [functional.conv2d(x, *weights.convolution())]


def _deconvolve(x: Tensor, weights: Weights, *, padding: int = 0) -> Tensor:
    """The kernel is (rows, columns, out, in) in Keras and (in, out, rows, columns) here."""
    kernel, bias = weights.take().permute(3, 2, 0, 1), weights.take()
    return _normalise(functional.conv_transpose2d(x, kernel, bias, padding=padding), weights)


def _normalise(x: Tensor, weights: Weights) -> Tensor:
    scale, shift, mean, variance = (weights.take() for _ in range(4))
    return functional.batch_norm(x, mean, variance, scale, shift, eps=1e-9).relu()
