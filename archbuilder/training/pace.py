"""How steps are carried out: what a recipe leaves to the device is chosen here, and told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import tensorflow as tf

from archbuilder.backend import analyse
from archbuilder.errors import UsageError
from archbuilder.graph import Graph
from archbuilder.recipe.spec import TrainingSpec
from archbuilder.training.distribution import Placement

_SECONDS: Final = 0.1
"""How long the steps of one execution may take together: that long a run does not hear a signal."""
_MOST: Final = 32
_RATES: Final = {"CPU": 2e10, "GPU": 1e13}
"""Roughly, the multiply-adds of a second."""
_LAUNCH: Final = {"CPU": 1e-4, "GPU": 1e-3}
"""Roughly, the seconds of a step that computes nothing."""
_PASSES: Final = 3
"""A step computes about as much as so many predictions."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How steps are carried out, and a remark that tells it."""

    xla: bool = False
    """Whether a step is compiled by XLA."""
    steps: int = 1
    """The steps of one execution."""
    remark: str = ""


PLAIN: Final = Pace()
"""Step by step, as it is on every device."""


def choose_pace(spec: TrainingSpec, placement: Placement, graphs: Iterable[Graph]) -> Pace:
    """How the steps of a training are carried out on its devices.

    XLA halves the speed of small networks on a processor, and wins on a GPU. Where steps are
    short, taking several at once saves the time between them.

    Raises:
        UsageError: if XLA is asked for where there is none.
        BlueprintError: if a network cannot be built.
    """
    device = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    alone = placement.replicas == 1
    if spec.xla is True and not alone:
        raise UsageError(
            f"'xla: true' compiles the steps of one device, and {placement.replicas} take part:"
            " TensorFlow cannot compile what they tell each other on every kind of device"
        )
    xla = alone and device == "GPU" if spec.xla == "auto" else spec.xla
    steps = spec.steps_per_execution
    if steps == "auto":
        steps = _steps(spec, graphs, device, placement.replicas)
    several = f"{steps} steps at a time" if steps > 1 else "step by step"
    return Pace(xla, steps, f"{several}, {'with' if xla else 'without'} XLA")


def _steps(spec: TrainingSpec, graphs: Iterable[Graph], device: str, replicas: int) -> int:
    if not spec.checkpoint_seconds:
        return 1
    analyses = [analyse(graph) for graph in graphs]
    if not all(each.exact for each in analyses):
        return 1
    work = sum(each.multiply_adds for each in analyses) * spec.batch_size * _PASSES
    seconds = _LAUNCH[device] + work / _RATES[device] / replicas
    return max(1, min(_MOST, int(_SECONDS / seconds)))
