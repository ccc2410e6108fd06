"""The optimizers of a recipe, and the weight averaging that they are configured for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import keras

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.compiler.relative_steps import check_boundaries, resolve_relative_steps
from archbuilder.config.layer_patterns import selects
from archbuilder.config.optimizers import WEIGHT_DECAY_EXCLUSIONS, OptimizerConfig
from archbuilder.diagnostics.errors import Diagnostics, quote, quote_list
from archbuilder.formatting import plural
from archbuilder.keras_backend.instantiate import build_object
from archbuilder.trainer.execution import ExecutionConfig

_MAX_NAMES: Final = 8


@dataclass(frozen=True, slots=True)
class EMAConfig:
    """Exponential moving average of weights: `average = momentum average + (1 - momentum) weight`.

    Every `overwrite_frequency` steps, the average also replaces the weights; never if it is None.
    """

    momentum: float
    overwrite_frequency: int | None = None


def make_optimizer(
    config: OptimizerConfig, network: keras.Model, execution: ExecutionConfig, total_steps: int
) -> keras.optimizers.Optimizer:
    """Return the optimizer of a recipe, with the loss scale that the dtype policy needs.

    Args:
        config: The optimizer in the recipe.
        network: The network that it trains.
        execution: Has the dtype policy.
        total_steps: Number of steps that the optimizer takes in the run.

    Raises:
        BlueprintError: if Keras rejects it, or it does not fit the weights of the network.
    """
    if isinstance(config, KerasObject):
        optimizer = _make_single(config, network, total_steps)
    else:
        optimizer = _make_multi(config, network, total_steps)
    # Gradients below 6e-8 underflow in float16. bfloat16 has the range of float32.
    if execution.dtype_policy == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def extract_ema(optimizer: keras.optimizers.Optimizer) -> EMAConfig | None:
    """Return the weight averaging of an optimizer, and turn it off there; None if it has none.

    Call it for each of `optimizer_parts` before it is built, which creates the averages of Keras.
    `DistributedModel` averages instead, since Keras 3.15 does not support two cases
    (base_optimizer.py): on several replicas its averages fail, and at the end of each call of `fit`
    it overwrites the weights by their averages, after which a run cannot be resumed.
    """
    if not optimizer.use_ema:
        return None
    optimizer.use_ema = False
    return EMAConfig(optimizer.ema_momentum, optimizer.ema_overwrite_frequency)


def _make_single(
    config: KerasObject, network: keras.Model, total_steps: int
) -> keras.optimizers.Optimizer:
    """Return one optimizer, which leaves out the weight decay of the weights that it excludes."""
    arguments = resolve_relative_steps(config, total_steps)
    diagnostics = Diagnostics()
    check_boundaries(arguments, diagnostics, allow_equal=True)
    diagnostics.raise_errors()
    optimizer = build_object(arguments.without_argument(WEIGHT_DECAY_EXCLUSIONS))
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(f"{optimizer!r} is not an optimizer")
    excluded = config.argument(WEIGHT_DECAY_EXCLUSIONS)
    if isinstance(excluded, str | list):
        patterns = [excluded] if isinstance(excluded, str) else [str(each) for each in excluded]
        optimizer.exclude_from_weight_decay(var_list=_excluded_weights(patterns, network, config))
    return optimizer


def _excluded_weights(
    patterns: Sequence[str], network: keras.Model, config: KerasObject
) -> list[keras.Variable]:
    """Return the weights without weight decay, by their own names or the paths of their layers.

    Raises:
        BlueprintError: if a pattern matches no weight.
    """
    diagnostics = Diagnostics()
    weights = [(layer.name, each) for layer in network.layers for each in layer.weights]
    excluded = []
    for pattern in patterns:
        matches = [
            weight
            for layer_name, weight in weights
            if selects((pattern,), layer_name) or selects((pattern,), weight.name)
        ]
        excluded += matches
        if not matches:
            names = sorted({weight.name for _, weight in weights})
            diagnostics.error(
                "unknown-name",
                f"no weight and no layer of the network matches {quote(pattern)}",
                config.argument_span(WEIGHT_DECAY_EXCLUSIONS),
                notes=(f"names of weights are: {quote_list(names[:_MAX_NAMES])}",),
            )
    diagnostics.raise_errors()
    return excluded


def _make_multi(
    config: Mapping[str, KerasObject], network: keras.Model, total_steps: int
) -> keras.optimizers.Optimizer:
    """Return an optimizer that leaves each layer to the first optimizer whose pattern matches.

    Raises:
        BlueprintError: if a layer is left out, or the installed Keras has no such optimizer.
    """
    diagnostics = Diagnostics()
    span = next(iter(config.values())).span
    trained = [each.name for each in network.layers if each.trainable_weights]
    layers = layers_by_optimizer(config, trained, diagnostics)
    if not hasattr(keras.optimizers, "MultiOptimizer"):
        message = f"the installed Keras {keras.__version__} does not have several optimizers"
        diagnostics.error("keras-too-old", message, span)
    diagnostics.raise_errors()
    optimizers = {name: _make_single(each, network, total_steps) for name, each in config.items()}
    # Keras orders the optimizers as in the map, with the default one at the end.
    default = optimizers.pop([*optimizers][-1])
    optimizer_map = {_path_regex(name, layers[name]): each for name, each in optimizers.items()}
    return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(default, optimizer_map))


def layers_by_optimizer(
    config: Mapping[str, KerasObject], trained: Sequence[str], diagnostics: Diagnostics
) -> Mapping[str, Sequence[str]]:
    """Return the trained layers of each pattern, and report those that no pattern matches."""
    layers: dict[str, list[str]] = {}
    for pattern in config:
        layers[pattern] = [each for each in trained if selects((pattern,), each)]
        trained = [each for each in trained if each not in layers[pattern]]
    if trained:
        shown = quote_list(trained[:_MAX_NAMES]) + (", ..." if len(trained) > _MAX_NAMES else "")
        diagnostics.error(
            "missing-key",
            f"no optimizer trains {plural(len(trained), 'layer')}: {shown}",
            next(iter(config.values())).span,
            notes=("add an optimizer for all others, as in '\"*\": {Adam: 1e-3}', or freeze them",),
        )
    return layers


def _path_regex(pattern: str, layers: Sequence[str]) -> str:
    """Return a regular expression for the paths of the weights of layers.

    It names them one by one, as other patterns may match the same layers. Without any it matches
    nothing, but differs from those of other patterns.
    """
    names = "|".join(re.escape(each) for each in layers)
    return f"(?:{names})/.*" if names else f"(?!){re.escape(pattern)}"
