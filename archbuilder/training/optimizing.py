"""Optimizers as a recipe names them, with the clipping and the loss scale of the run."""

from __future__ import annotations

from typing import Final

import keras

from archbuilder.backend.objects import build_object
from archbuilder.errors import UsageError, shown
from archbuilder.training.pace import Pace
from archbuilder.tree import Tree

_ELSEWHERE: Final = {"use_ema": "ema", "gradient_accumulation_steps": "accumulate"}
"""What a run does itself, on any number of replicas, by the name that Keras has for it."""
_CLIPS: Final = ("clipnorm", "global_clipnorm", "clipvalue")


def make_optimizer(tree: Tree, pace: Pace) -> keras.optimizers.Optimizer:
    """The optimizer of a run.

    Raises:
        BlueprintError: if Keras refuses it.
        UsageError: if it is to do itself what the run does.
    """
    optimizer = build_object("optimizer", tree)
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(f"{optimizer!r} is no optimizer")
    for name, key in _ELSEWHERE.items():
        if getattr(optimizer, name):
            raise UsageError(
                f"leave {shown(name)} out of the optimizer, and write '{key}' under 'training'"
            )
    if pace.clip is not None:
        limits = (pace.clip.norm, pace.clip.global_norm, pace.clip.value)
        for name, limit in zip(_CLIPS, limits, strict=True):
            if getattr(optimizer, name) is not None:
                raise UsageError(
                    f"'clip' stands under 'training', and {shown(name)} in the optimizer"
                )
            setattr(optimizer, name, limit)
    if pace.policy == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
