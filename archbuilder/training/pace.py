"""How steps are carried out: what a recipe leaves to the device is chosen here, and told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import tensorflow as tf

from archbuilder.backend import analyse
from archbuilder.errors import BlueprintError, UsageError
from archbuilder.graph import Graph
from archbuilder.recipe.spec import Clip, MovingAverage, TrainingSpec

_SECONDS: Final = 0.1
"""How long the steps of one execution may take together: that long a run does not hear a signal."""
_MOST: Final = 32
_RATES: Final = {"CPU": 2e10, "GPU": 1e13}
"""Roughly, the multiply-adds of a second."""
_LAUNCH: Final = {"CPU": 1e-4, "GPU": 1e-3}
"""Roughly, the seconds of a step that computes nothing."""
_AMPERE: Final = (8, 0)
"""The compute capability of the first GPUs that have bfloat16."""
_PASSES: Final = 3
"""A step computes about as much as so many predictions."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How steps are carried out, and a remark that tells it."""

    xla: bool = False
    """Whether a step is compiled by XLA."""
    steps: int = 1
    """The steps of one execution."""
    policy: str = "float32"
    """What layers compute in, by Keras's name for it."""
    accumulate: int = 1
    """The parts of a batch."""
    clip: Clip | None = None
    average: MovingAverage | None = None
    remark: str = ""


PLAIN: Final = Pace()
"""Step by step, as it is on every device."""


def choose_pace(spec: TrainingSpec, replicas: int, graphs: Iterable[Graph]) -> Pace:
    """How the steps of a training are carried out on its devices.

    XLA halves the speed of small networks on a processor, and wins on a GPU. Where steps are
    short, taking several at once saves the time between them.

    Raises:
        UsageError: if XLA is asked for where there is none, or a batch has too few examples for its
            parts.
    """
    device = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    alone = replicas == 1
    if spec.xla is True and not alone:
        raise UsageError(
            f"'xla: true' compiles the steps of one device, and {replicas} take part:"
            " TensorFlow cannot compile what they tell each other on every kind of device"
        )
    if spec.batch_size < spec.accumulate * replicas:
        raise UsageError(
            f"a batch of {spec.batch_size} cannot be cut in {spec.accumulate} parts on each of"
            f" {replicas} devices; raise 'batch_size', or lower 'accumulate'"
        )
    xla = alone and device == "GPU" if spec.xla == "auto" else spec.xla
    steps = spec.steps_per_execution
    if steps == "auto":
        steps = _steps(spec, graphs, device, replicas)
    policy = _policy() if spec.precision == "auto" else spec.precision
    several = f"{steps} steps at a time" if steps > 1 else "step by step"
    if spec.accumulate > 1:
        several = f"{several} in {spec.accumulate} parts"
    remark = f"{policy}, {several}, {'with' if xla else 'without'} XLA"
    return Pace(xla, steps, policy, spec.accumulate, spec.clip, spec.ema, remark)


def _policy() -> str:
    """Half the bits where all GPUs compute in bfloat16 faster, which those from Ampere on do."""
    gpus = tf.config.list_physical_devices("GPU")
    capable = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0)) >= _AMPERE
        for gpu in gpus
    ]
    return "mixed_bfloat16" if gpus and all(capable) else "float32"


def _steps(spec: TrainingSpec, graphs: Iterable[Graph], device: str, replicas: int) -> int:
    if not spec.checkpoint_seconds:
        return 1
    try:
        analyses = [analyse(graph) for graph in graphs]
    except BlueprintError:
        # Whoever builds the network tells what is wrong with it, and may know it better.
        return 1
    if not all(each.exact for each in analyses):
        return 1
    work = sum(each.multiply_adds for each in analyses) * spec.batch_size * _PASSES
    seconds = _LAUNCH[device] + work / _RATES[device] / replicas
    return max(1, min(_MOST, int(_SECONDS / seconds)))
