"""The optimizer of a recipe, with the clipping and the loss scale of the run."""

from __future__ import annotations

from typing import Final

import keras

from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.keras_backend.instantiate import build_object
from archbuilder.trainer.execution import ExecutionConfig
from archbuilder.yaml.nodes import Tree

_RUN_LEVEL_OPTIONS: Final = {
    "use_ema": "ema",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
}
"""Options of Keras that a run implements itself, on any number of replicas: key in `training`."""
_CLIP_ARGUMENTS: Final = ("clipnorm", "global_clipnorm", "clipvalue")


def make_optimizer(tree: Tree, execution: ExecutionConfig) -> keras.optimizers.Optimizer:
    """Return the optimizer of a run.

    Raises:
        BlueprintError: if Keras rejects it.
        UsageError: if it has an option that the run implements itself.
    """
    optimizer = build_object("optimizer", tree)
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(f"{optimizer!r} is no optimizer")
    for name, key in _RUN_LEVEL_OPTIONS.items():
        if getattr(optimizer, name):
            raise UsageError(
                f"leave {quote(name)} out of the optimizer, and write '{key}' under 'training'"
            )
    if execution.clip is not None:
        limits = (execution.clip.norm, execution.clip.global_norm, execution.clip.value)
        for name, limit in zip(_CLIP_ARGUMENTS, limits, strict=True):
            if getattr(optimizer, name) is not None:
                raise UsageError(
                    f"'clip' stands under 'training', and {quote(name)} in the optimizer"
                )
            setattr(optimizer, name, limit)
    # Gradients below 6e-8 underflow in float16. bfloat16 has the range of float32.
    if execution.dtype_policy == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
