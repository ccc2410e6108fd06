"""Layers of a network that a recipe trains by matrices of low rank."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import keras

from archbuilder.config.layer_patterns import selects
from archbuilder.config.lora import LoraConfig
from archbuilder.config.value_types import LocatedText
from archbuilder.diagnostics.errors import Diagnostics, quote, quote_list
from archbuilder.keras_backend.lora import lora_kernel, lora_paths

_MAX_NAMES = 8


def lora_layers(
    model: keras.Model, path_prefix: str, lora: LoraConfig | None
) -> Mapping[str, list[keras.layers.Layer]]:
    """Return the layers that LoRA trains, by the name of the layer of the network they are in.

    Args:
        model: The network.
        path_prefix: What the paths of its layers begin with in the settings.
        lora: The setting; None selects no layer.
    """
    patterns = () if lora is None else lora.layers
    selected = {
        layer.name: [
            each for path, each in lora_paths(layer) if selects(patterns, path_prefix + path)
        ]
        for layer in model.layers
    }
    return {name: layers for name, layers in selected.items() if layers}


def check_lora(
    model: keras.Model, path_prefix: str, lora: LoraConfig, diagnostics: Diagnostics
) -> None:
    """Report patterns without a layer that supports LoRA, and layers that it does not fit."""
    supported = [
        (path_prefix + path, each) for layer in model.layers for path, each in lora_paths(layer)
    ]
    for pattern in lora.layers:
        span = pattern.span if isinstance(pattern, LocatedText) else None
        matches = [(path, each) for path, each in supported if selects((pattern,), path)]
        # With several networks, the pattern may be for another one, whose name it begins with.
        network = path_prefix.removesuffix(".")
        is_own = pattern.startswith("*") or selects((pattern.partition(".")[0],), network)
        if not matches and (is_own or not path_prefix):
            names = quote_list([path for path, _ in supported][:_MAX_NAMES])
            diagnostics.error(
                "invalid-choice",
                f"no layer that supports LoRA matches {quote(pattern)}",
                span,
                notes=(f"layers that do are: {names}",) if supported else (),
            )
        for path, layer in matches:
            shape = lora_kernel(layer).shape
            # A larger rank would need more memory than the kernel itself, without any effect.
            largest = min(shape[-1], prod(shape[:-1]))
            constraints = ("kernel_constraint", "embeddings_constraint")
            if any(getattr(layer, name, None) is not None for name in constraints):
                message = f"LoRA does not support {quote(path)}, whose kernel has a constraint"
            elif lora.rank > largest:
                message = f"the kernel of {quote(path)} has a rank of at most {largest:,}"
            else:
                continue
            diagnostics.error(
                "invalid-choice",
                message,
                span,
                label="leave it out, or lower the rank",
            )
