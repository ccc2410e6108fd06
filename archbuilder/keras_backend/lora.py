"""Low-rank adaptation (LoRA, Hu et al. 2021) with Keras's `enable_lora`.

Keras 3.15 saves the merged kernels next to the rank, and a model that it loads has matrices of
zeros, whose gradients are zero. With a policy of half precision, it rounds the merged kernels to
it. Networks are therefore saved as if they had never had the matrices, see `merged_lora`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class LoraAdapter:
    """The matrices that LoRA added to a layer: its kernel counts as `kernel + scale * a @ b`."""

    layer: keras.layers.Layer
    kernel: keras.Variable
    """The frozen kernel, or the table of an embedding."""
    a: keras.Variable
    b: keras.Variable

    def merged_kernel(self) -> NDArray[np.generic]:
        """Return the kernel with the matrices, in the dtype of the kernel."""
        kernel, a, b = map(variable_value, (self.kernel, self.a, self.b))
        scale = self.layer.lora_alpha / self.layer.lora_rank
        merged: NDArray[np.generic] = (kernel + scale * np.matmul(a, b)).astype(kernel.dtype)
        return merged


def variable_value(variable: keras.Variable) -> NDArray[np.generic]:
    """Return the value of a variable, under a strategy that of one replica."""
    # For scalars, numpy() returns a number rather than an array.
    return np.asarray(tf.convert_to_tensor(variable.value).numpy())


def lora_paths(layer: keras.layers.Layer) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yield the layers that support LoRA with their paths: a layer, and those in it.

    `attention.query` is a projection of the layer `attention`.
    """
    if hasattr(layer, "enable_lora"):
        yield layer.name, layer
    for inner in layer._layers:  # noqa: SLF001 - Keras 3.15 has only a list without the levels
        for path, projection in lora_paths(inner):
            yield f"{layer.name}.{path}", projection


def lora_adapters(model: keras.Model) -> list[LoraAdapter]:
    """Return the matrices of all layers of a model with LoRA."""
    adapters = []
    for layer in model._flatten_layers():  # noqa: SLF001
        if not getattr(layer, "lora_enabled", False):
            continue
        name = "kernel" if hasattr(layer, "lora_kernel_a") else "embeddings"
        a, b = (getattr(layer, f"lora_{name}_{each}") for each in "ab")
        adapters.append(LoraAdapter(layer, lora_kernel(layer), a, b))
    return adapters


def lora_kernel(layer: keras.layers.Layer) -> keras.Variable:
    """Return the kernel of a layer that supports LoRA, or the table of an embedding."""
    # Its property `kernel` is the merged one.
    return layer._embeddings if hasattr(layer, "_embeddings") else layer._kernel  # noqa: SLF001


def saved_variables(model: keras.Model) -> list[keras.Variable]:
    """Return the variables of a model without the matrices of LoRA."""
    matrices = {id(each) for adapter in lora_adapters(model) for each in (adapter.a, adapter.b)}
    return [each for each in model.variables if id(each) not in matrices]


@contextmanager
def merged_lora(model: keras.Model) -> Iterator[None]:
    """Within the block, the layers of a model have merged kernels, and Keras saves no LoRA."""
    replaced = []
    for adapter in lora_adapters(model):
        layer = adapter.layer
        replaced.append((adapter, variable_value(adapter.kernel), layer.lora_rank))
        adapter.kernel.assign(adapter.merged_kernel())
        layer.lora_enabled, layer.lora_rank = False, None
    try:
        yield
    finally:
        for adapter, kernel, rank in replaced:
            adapter.layer.lora_enabled, adapter.layer.lora_rank = True, rank
            adapter.kernel.assign(kernel)
