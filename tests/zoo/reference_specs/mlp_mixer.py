"""MLP-Mixer against the equations of its paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from zoo.numpy_layers import Array
from zoo.parity import Equations, Family

_SMALL: Final = {
    "image_size": 12, "patch": 4, "depth": 2, "width": 12, "token_hidden": 5, "channel_hidden": 20,
    "classes": 5,
}  # fmt: skip
_DEPTHS: Final = {"s32": 8, "s16": 8, "b32": 12, "b16": 12, "l32": 24, "l16": 24}
"""Layers of the published sizes, but for the largest."""
_ERF: Final = np.vectorize(math.erf, otypes=[float])


def equations(depth: int, *, tanh: bool = False) -> Callable[[Array, Iterator[Array]], Array]:
    """Return equation 1 for each layer, between the projection of patches and the classifier."""

    def mlp_mixer(images: Array, weights: Iterator[Array]) -> Array:
        kernel, bias = next(weights), next(weights)
        patch, rows = kernel.shape[0], images.shape[1] // kernel.shape[0]
        # Patches row by row, and in each of them its pixels.
        grid = images.reshape(len(images), rows, patch, rows, patch, 3).swapaxes(2, 3)
        x = grid.reshape(len(images), rows**2, -1) @ kernel.reshape(-1, len(bias)) + bias
        for _ in range(depth):
            tokens = _normalized(x, weights).swapaxes(1, 2)
            x = x + _mlp(tokens, weights, tanh=tanh).swapaxes(1, 2)
            x = x + _mlp(_normalized(x, weights), weights, tanh=tanh)
        return _normalized(x, weights).mean(axis=1) @ next(weights) + next(weights)

    return mlp_mixer


def _normalized(x: Array, weights: Iterator[Array]) -> Array:
    centered = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centered**2).mean(axis=-1, keepdims=True) + 1e-6)
    return centered / deviation * next(weights) + next(weights)


def _mlp(x: Array, weights: Iterator[Array], *, tanh: bool) -> Array:
    x = x @ next(weights) + next(weights)
    if tanh:
        x = x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
    else:
        x = x * (1 + _ERF(x / math.sqrt(2))) / 2
    return x @ next(weights) + next(weights)


FAMILY: Final = Family(
    form=_SMALL,
    reference="numpy, written by hand",
    small={
        "two layers": Equations("mlp_mixer", _SMALL, equations=equations(2)),
        "tanh": Equations(
            "mlp_mixer", {**_SMALL, "tanh_gelu": True}, equations=equations(2, tanh=True)
        ),
    },
    full={
        **{
            size: Equations(f"mlp_mixer:{size}", equations=equations(depth))
            for size, depth in _DEPTHS.items()
        },
        "h14, four layers": Equations("mlp_mixer:h14", {"depth": 4}, equations=equations(4)),
    },
    follows="Its GELU is exact, as in the paper; the authors' code has the approximation:"
    " `tanh_gelu: true`. The head starts at zero, as in the paper's code.",
)
