"""Choose XLA, precision and steps per execution for the devices of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import tensorflow as tf

from archbuilder.compiler.ir import Graph
from archbuilder.config.training import TrainingConfig
from archbuilder.diagnostics.errors import BlueprintError, UsageError
from archbuilder.formatting import plural
from archbuilder.keras_backend import analyze

_MAX_EXECUTION_SECONDS: Final = 0.1
"""Longest time of one execution: the run cannot react to a signal meanwhile."""
_MAX_STEPS_PER_EXECUTION: Final = 32
_MACS_PER_SECOND: Final = {"CPU": 2e10, "GPU": 1e13}
"""Rough number of multiply-adds per second."""
_STEP_OVERHEAD: Final = {"CPU": 1e-4, "GPU": 1e-3}
"""Rough number of seconds of a step that computes nothing."""
_BF16_CAPABILITY: Final = (8, 0)
"""Compute capability of the first GPUs with bfloat16 (Ampere)."""
_FWD_BWD_FACTOR: Final = 3
"""Cost of a training step in forward passes: the backward pass takes about two."""


@dataclass(frozen=True, slots=True)
class ExecutionConfig:
    """How steps are executed, with a description for the log."""

    jit_compile: bool = False
    """Whether a step is compiled by XLA."""
    steps_per_execution: int = 1
    """Number of steps of one call of the train function."""
    dtype_policy: str = "float32"
    """Keras's name of the dtype policy."""
    gradient_accumulation_steps: int = 1
    """Number of microbatches of a batch."""
    description: str = ""


DEFAULT_EXECUTION: Final = ExecutionConfig()
"""One step at a time, in float32 without XLA: works on every device."""


def choose_execution(
    config: TrainingConfig, replicas: int, graphs: Iterable[Graph]
) -> ExecutionConfig:
    """Return how the steps of a run are executed on its devices.

    `auto` compiles with XLA on a single GPU only: on a CPU it halves the speed of small networks.
    Short steps are grouped into executions, which saves the time between them.

    Raises:
        UsageError: if XLA is requested on several devices, or a batch has fewer examples than
            microbatches.
    """
    device = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    is_single_device = replicas == 1
    if config.jit_compile is True and not is_single_device:
        raise UsageError(
            f"'jit_compile: true' is not supported on several devices, and this run has {replicas}:"
            " XLA does not compile the all-reduce on every kind of device; leave it out, or train"
            " on one device with 'distribute: none'"
        )
    num_microbatches = config.gradient_accumulation_steps * replicas
    if config.smallest_batch_size < num_microbatches:
        raise UsageError(
            f"cannot split a batch of {plural(config.smallest_batch_size, 'example')} into"
            f" {num_microbatches:,} microbatches on {plural(replicas, 'device')}; increase"
            " 'batch_size' or decrease 'gradient_accumulation_steps'"
        )
    jit_compile = (
        is_single_device and device == "GPU" if config.jit_compile == "auto" else config.jit_compile
    )
    steps_per_execution = config.steps_per_execution
    if steps_per_execution == "auto":
        steps_per_execution = _auto_steps_per_execution(config, graphs, device, replicas)
    dtype_policy = _auto_dtype_policy() if config.dtype_policy == "auto" else config.dtype_policy
    steps_text = f"steps_per_execution={steps_per_execution}"
    if config.gradient_accumulation_steps > 1:
        steps_text = f"{steps_text} in {config.gradient_accumulation_steps} parts"
    description = f"{dtype_policy}, {steps_text}, XLA {'on' if jit_compile else 'off'}"
    return ExecutionConfig(
        jit_compile,
        steps_per_execution,
        dtype_policy,
        config.gradient_accumulation_steps,
        description,
    )


def _auto_dtype_policy() -> str:
    """Return `mixed_bfloat16` if all GPUs support bfloat16, else `float32`."""
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
    # Zero asks for a checkpoint after every step.
    if not config.checkpoint_every_seconds:
        return 1
    try:
        analyses = [analyze(graph) for graph in graphs]
    except BlueprintError:
        # Ignored: building the network reports the error, with a better message.
        return 1
    # With an input of unknown size, the number of multiply-adds is unknown.
    if not all(each.is_static for each in analyses):
        return 1
    macs = sum(each.multiply_adds for each in analyses) * config.batch_size * _FWD_BWD_FACTOR
    seconds = _STEP_OVERHEAD[device] + macs / _MACS_PER_SECOND[device] / replicas
    return max(1, min(_MAX_STEPS_PER_EXECUTION, int(_MAX_EXECUTION_SECONDS / seconds)))
