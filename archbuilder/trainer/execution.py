"""How steps are carried out: what a recipe leaves to the device is chosen here, and told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import tensorflow as tf

from archbuilder.compiler.ir import Graph
from archbuilder.config.training import EMAConfig, GradientClipping, TrainingConfig
from archbuilder.diagnostics.errors import BlueprintError, UsageError
from archbuilder.keras_backend import analyze

_MAX_EXECUTION_SECONDS: Final = 0.1
"""How long the steps of one execution may take together: that long a run does not hear a signal."""
_MAX_STEPS_PER_EXECUTION: Final = 32
_MACS_PER_SECOND: Final = {"CPU": 2e10, "GPU": 1e13}
"""Roughly, the multiply-adds of a second."""
_STEP_OVERHEAD: Final = {"CPU": 1e-4, "GPU": 1e-3}
"""Roughly, the seconds of a step that computes nothing."""
_BF16_CAPABILITY: Final = (8, 0)
"""The compute capability of the first GPUs that have bfloat16."""
_FWD_BWD_FACTOR: Final = 3
"""A step computes about as much as so many predictions."""


@dataclass(frozen=True, slots=True)
class ExecutionConfig:
    """How steps are carried out, and a remark that tells it."""

    jit_compile: bool = False
    """Whether a step is compiled by XLA."""
    steps_per_execution: int = 1
    """The steps of one execution."""
    dtype_policy: str = "float32"
    """What layers compute in, by Keras's name for it."""
    gradient_accumulation_steps: int = 1
    """The parts of a batch."""
    clip: GradientClipping | None = None
    ema: EMAConfig | None = None
    description: str = ""


DEFAULT_EXECUTION: Final = ExecutionConfig()
"""Step by step, as it is on every device."""


def choose_execution(
    config: TrainingConfig, replicas: int, graphs: Iterable[Graph]
) -> ExecutionConfig:
    """How the steps of a training are carried out on its devices.

    XLA halves the speed of small networks on a processor, and wins on a GPU. Where steps are
    short, taking several at once saves the time between them.

    Raises:
        UsageError: if XLA is asked for where there is none, or a batch has too few examples for its
            parts.
    """
    device = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    is_single_device = replicas == 1
    if config.xla is True and not is_single_device:
        raise UsageError(
            f"'xla: true' compiles the steps of one device, and {replicas} take part:"
            " TensorFlow cannot compile what they tell each other on every kind of device"
        )
    if config.batch_size < config.accumulate * replicas:
        raise UsageError(
            f"a batch of {config.batch_size} cannot be cut in {config.accumulate} parts on each of"
            f" {replicas} devices; raise 'batch_size', or lower 'accumulate'"
        )
    jit_compile = is_single_device and device == "GPU" if config.xla == "auto" else config.xla
    steps_per_execution = config.steps_per_execution
    if steps_per_execution == "auto":
        steps_per_execution = _auto_steps_per_execution(config, graphs, device, replicas)
    dtype_policy = _auto_dtype_policy() if config.precision == "auto" else config.precision
    steps_text = (
        f"{steps_per_execution} steps at a time" if steps_per_execution > 1 else "step by step"
    )
    if config.accumulate > 1:
        steps_text = f"{steps_text} in {config.accumulate} parts"
    description = f"{dtype_policy}, {steps_text}, {'with' if jit_compile else 'without'} XLA"
    return ExecutionConfig(
        jit_compile,
        steps_per_execution,
        dtype_policy,
        config.accumulate,
        config.clip,
        config.ema,
        description,
    )


def _auto_dtype_policy() -> str:
    """Half the bits where all GPUs compute in bfloat16 faster, which those from Ampere on do."""
    gpus = tf.config.list_physical_devices("GPU")
    supports_bf16 = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
        >= _BF16_CAPABILITY
        for gpu in gpus
    ]
    return "mixed_bfloat16" if gpus and all(supports_bf16) else "float32"


def _auto_steps_per_execution(
    config: TrainingConfig, graphs: Iterable[Graph], device: str, replicas: int
) -> int:
    if not config.checkpoint_seconds:
        return 1
    try:
        analyses = [analyze(graph) for graph in graphs]
    except BlueprintError:
        # Whoever builds the network tells what is wrong with it, and may know it better.
        return 1
    if not all(each.is_static for each in analyses):
        return 1
    macs = sum(each.multiply_adds for each in analyses) * config.batch_size * _FWD_BWD_FACTOR
    seconds = _STEP_OVERHEAD[device] + macs / _MACS_PER_SECOND[device] / replicas
    return max(1, min(_MAX_STEPS_PER_EXECUTION, int(_MAX_EXECUTION_SECONDS / seconds)))
