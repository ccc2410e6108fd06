"""The networks of the library in PyTorch, as independent references.

It runs in an environment of its own, which `make proofs` makes, without Keras and archbuilder:

    python torch_networks.py GIVEN.npz OUTPUTS.npz

`GIVEN.npz` has the name of a network, its options as JSON, an input, and the weights in the order
of the blueprint. Images have their channels last, as Keras has them.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


class Weights:
    """The weights in order, each taken once and laid out as PyTorch wants it."""

    def __init__(self, arrays: list[np.ndarray]) -> None:
        self._arrays = iter(arrays)

    def take(self) -> Tensor:
        """The next one as it is."""
        return torch.from_numpy(next(self._arrays))

    def convolution(self) -> tuple[Tensor, Tensor]:
        """A kernel (rows, columns, in, out) as (out, in, rows, columns), and a bias."""
        return self.take().permute(3, 2, 0, 1), self.take()

    def dense(self) -> tuple[Tensor, Tensor]:
        """A kernel (in, out) as (out, in), and a bias."""
        return self.take().T, self.take()

    def check_empty(self) -> None:
        """Hold the network to have taken them all."""
        if next(self._arrays, None) is not None:
            raise ValueError("the blueprint has more weights than the reference")


def squeezenet(weights: Weights, images: Tensor, *, version: str, padding: int) -> list[Tensor]:
    """The SqueezeNet of torchvision; `padding` is that of conv10."""
    net = getattr(_torchvision_models(), f"squeezenet{version}")
    model = net(weights=None, num_classes=1).eval()
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    for convolution in convolutions:
        kernel, bias = weights.convolution()
        convolution.weight, convolution.bias = nn.Parameter(kernel), nn.Parameter(bias)
    convolutions[-1].padding = (padding, padding)
    return [model(images)]


def googlenet(weights: Weights, images: Tensor, *, auxiliary: bool) -> list[Tensor]:
    """GoogLeNet by hand: biases, 5x5 branches, response normalisation, pooling that rounds up."""
    heads = []
    x = _convolve(images, weights, stride=2, padding=3)
    x = _normalise(_halve(x))
    x = _convolve(x, weights)
    x = _halve(_normalise(_convolve(x, weights, padding=1)))
    for module in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        x = _inception(x, weights)
        if auxiliary and module in ("4a", "4d"):
            heads.append(_auxiliary_head(x, weights))
        if module in ("3b", "4e"):
            x = _halve(x)
    return [functional.linear(x.mean(dim=(2, 3)), *weights.dense()), *heads]


def _inception(x: Tensor, weights: Weights) -> Tensor:
    one = _convolve(x, weights)
    three = _convolve(_convolve(x, weights), weights, padding=1)
    five = _convolve(_convolve(x, weights), weights, padding=2)
    pool = _convolve(functional.max_pool2d(x, 3, stride=1, padding=1), weights)
    return torch.cat([one, three, five, pool], dim=1)


def _auxiliary_head(x: Tensor, weights: Weights) -> Tensor:
    x = _convolve(functional.avg_pool2d(x, 5, stride=3), weights)
    # Keras flattens with the channels last.
    x = x.permute(0, 2, 3, 1).flatten(1)
    x = functional.linear(x, *weights.dense()).relu()
    return functional.linear(x, *weights.dense())


def _convolve(x: Tensor, weights: Weights, *, stride: int = 1, padding: int = 0) -> Tensor:
    return functional.conv2d(x, *weights.convolution(), stride, padding).relu()


def _halve(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 3, stride=2, ceil_mode=True)


def _normalise(x: Tensor) -> Tensor:
    """With the numbers of the authors' file; PyTorch divides alpha by the size, as Caffe does."""
    return functional.local_response_norm(x, size=5, alpha=1e-4, beta=0.75, k=1.0)


def unet(weights: Weights, images: Tensor, *, depth: int, padding: int) -> list[Tensor]:
    """U-Net after figure 1; `padding` is 0 where maps shrink, as in the paper."""
    x = images
    skips = []
    for _ in range(depth):
        x = _convolve(_convolve(x, weights, padding=padding), weights, padding=padding)
        skips.append(x)
        x = functional.max_pool2d(x, 2)
    x = _convolve(_convolve(x, weights, padding=padding), weights, padding=padding)
    for skip in reversed(skips):
        # The kernel is (rows, columns, out, in) in Keras and (in, out, rows, columns) here.
        x = functional.conv_transpose2d(
            x, weights.take().permute(3, 2, 0, 1), weights.take(), stride=2
        )
        margin = (skip.shape[2] - x.shape[2]) // 2
        end = margin + x.shape[2]
        x = torch.cat([skip[:, :, margin:end, margin:end], x], dim=1)
        x = _convolve(_convolve(x, weights, padding=padding), weights, padding=padding)
    return [functional.conv2d(x, *weights.convolution())]


def transformer_encoder(
    weights: Weights, tokens: Tensor, *, depth: int, heads: int
) -> list[Tensor]:
    """`torch.nn.TransformerEncoderLayer` with its norms behind the additions."""
    table = weights.take()
    width = table.shape[1]
    x = table[tokens.long()] * math.sqrt(width) + _positions(tokens.shape[1], width)
    for _ in range(depth):
        x = _encoder_layer(weights, width, heads)(x)
    return [x]


def _positions(length: int, width: int) -> Tensor:
    """Section 3.5 of the paper, number by number."""
    table = torch.zeros(length, width)
    for position in range(length):
        for index in range(width):
            angle = position / 10000 ** (2 * (index // 2) / width)
            table[position, index] = math.cos(angle) if index % 2 else math.sin(angle)
    return table


def _encoder_layer(weights: Weights, width: int, heads: int) -> nn.Module:
    projections = [
        (weights.take().reshape(width, width).T, weights.take().reshape(width))
        for _ in ("query", "key", "value")
    ]
    out = weights.take().reshape(width, width).T, weights.take()
    first_norm = weights.take(), weights.take()
    hidden, back = weights.dense(), weights.dense()
    second_norm = weights.take(), weights.take()
    layer = nn.TransformerEncoderLayer(
        width, heads, len(hidden[1]), layer_norm_eps=1e-6, batch_first=True, norm_first=False
    )
    values = {
        "self_attn.in_proj_weight": torch.cat([kernel for kernel, _ in projections]),
        "self_attn.in_proj_bias": torch.cat([bias for _, bias in projections]),
        **_named("self_attn.out_proj", out),
        **_named("norm1", first_norm),
        **_named("linear1", hidden),
        **_named("linear2", back),
        **_named("norm2", second_norm),
    }
    layer.load_state_dict(values)
    return layer.eval()


def _named(name: str, pair: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    return {f"{name}.weight": pair[0], f"{name}.bias": pair[1]}


def _torchvision_models() -> object:
    """`torchvision.models`; declares two operations that its compiled part would have brought."""
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision import models

    return models


NETWORKS: Final[dict[str, Callable[..., list[Tensor]]]] = {
    "squeezenet": squeezenet,
    "googlenet": googlenet,
    "unet": unet,
    "transformer_encoder": transformer_encoder,
}


def main(given_path: str, outputs_path: str) -> None:
    """Run a network on what one file holds and write its outputs to another."""
    with np.load(given_path) as given:
        weights = Weights([given[f"weight{index}"] for index in range(int(given["count"]))])
        name, options = str(given["name"]), json.loads(str(given["options"]))
        value = torch.from_numpy(given["input"])
    if value.ndim == 4:
        value = value.permute(0, 3, 1, 2)
    with torch.inference_mode():
        outputs = NETWORKS[name](weights, value, **options)
    weights.check_empty()
    arrays = [each.permute(0, 2, 3, 1) if each.ndim == 4 else each for each in outputs]
    np.savez(outputs_path, *(each.numpy() for each in arrays))


if __name__ == "__main__":
    main(*sys.argv[1:])
