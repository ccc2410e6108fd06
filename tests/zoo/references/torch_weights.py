"""The weights of a blueprint, laid out as PyTorch wants them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn


class Weights:
    """The weights in order, each taken once."""

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

    def norm(self, name: str) -> dict[str, Tensor]:
        """Scale and shift of a layer normalisation under the names that PyTorch gives them."""
        return {f"{name}.{parameter}": self.take() for parameter in ("weight", "bias")}

    def attention(self, *, bias: bool = True) -> dict[str, tuple[Tensor, Tensor]]:
        """Kernels (in, out) and biases of the four projections, with all heads in one axis."""
        parameters = {}
        for name in ("q", "k", "v", "out"):
            kernel = self.take()
            kernel = kernel.flatten(0, 1) if name == "out" else kernel.flatten(1)
            parameters[name] = (
                kernel,
                self.take().flatten() if bias else torch.zeros(kernel.shape[1]),
            )
        return parameters

    def torch_attention(self, name: str, *, bias: bool = True) -> dict[str, Tensor]:
        """The same under the names that `torch.nn.MultiheadAttention` gives them."""
        parameters = self.attention(bias=bias)
        inner = [parameters[each] for each in ("q", "k", "v")]
        return {
            f"{name}.in_proj_weight": torch.cat([kernel.T for kernel, _ in inner]),
            f"{name}.in_proj_bias": torch.cat([shift for _, shift in inner]),
            **named(f"{name}.out_proj", (parameters["out"][0].T, parameters["out"][1])),
        }

    def batch_normalisation(self, name: str) -> dict[str, Tensor]:
        """Scale, shift, mean and variance under the names that PyTorch gives them."""
        parts = ("weight", "bias", "running_mean", "running_var")
        return {f"{name}.{parameter}": self.take() for parameter in parts}

    def check_empty(self) -> None:
        """Hold the network to have taken them all."""
        if next(self._arrays, None) is not None:
            raise ValueError("the blueprint has more weights than the reference")


def fill(layers: Iterable[nn.Module], weights: Weights) -> None:
    """Give weights to convolutions, dense layers and normalizations of PyTorch, in order."""
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            kernel = weights.take().permute(3, 2, 0, 1)
            # Keras has the channels of a depthwise kernel before their multiplier.
            is_depthwise = kernel.shape != layer.weight.shape
            layer.weight = nn.Parameter(kernel.transpose(0, 1) if is_depthwise else kernel)
        elif isinstance(layer, nn.Linear):
            layer.weight = nn.Parameter(weights.take().T)
        elif isinstance(layer, nn.BatchNorm2d | nn.LayerNorm):
            layer.weight = nn.Parameter(weights.take())
        else:
            continue
        if layer.bias is not None:
            layer.bias = nn.Parameter(weights.take())
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean, layer.running_var = weights.take(), weights.take()


def named(name: str, pair: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """A kernel and a bias under the names that PyTorch gives them."""
    return {f"{name}.weight": pair[0], f"{name}.bias": pair[1]}
