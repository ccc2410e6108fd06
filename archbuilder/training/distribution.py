"""Chooses on which devices of this machine a network is trained."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import tensorflow as tf

from archbuilder.errors import RunError
from archbuilder.recipe.spec import Distribution


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Where training happens: `strategy` is None on a single device."""

    strategy: tf.distribute.Strategy | None
    remark: str

    @property
    def replicas(self) -> int:
        """How many devices share a batch."""
        return 1 if self.strategy is None else int(self.strategy.num_replicas_in_sync)

    def scope(self) -> AbstractContextManager[object]:
        """Models that are built in this context have their weights on the devices."""
        scope: AbstractContextManager[object] = (
            nullcontext() if self.strategy is None else self.strategy.scope()
        )
        return scope


def place(distribution: Distribution, batch_size: int) -> Placement:
    """The devices for a way of distribution, and a remark that names them.

    `auto` mirrors the network where there are several GPUs. `mirrored` uses all GPUs, or, on a
    machine without, all the processors that TensorFlow was told of.

    Raises:
        RunError: if a batch has less than one example for each device.
    """
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    devices = gpus or [device.name for device in tf.config.list_logical_devices("CPU")]
    if distribution == "mirrored" or (distribution == "auto" and len(gpus) > 1):
        return _mirrored(devices, distribution, batch_size)
    chosen = "the GPU" if gpus else "the CPU"
    if len(gpus) > 1:
        chosen = f"the first of {len(gpus)} GPUs"
    return Placement(None, f"{chosen} ({distribution})")


def _mirrored(devices: Sequence[str], distribution: Distribution, batch_size: int) -> Placement:
    if batch_size < len(devices):
        raise RunError(
            f"a batch of {batch_size} cannot be shared by {len(devices)} devices;"
            " raise 'batch_size'"
        )
    strategy = tf.distribute.MirroredStrategy(devices=list(devices))
    kind = "GPU" if "GPU" in devices[0] else "CPU"
    return Placement(strategy, f"mirrored on {len(devices)} {kind}s ({distribution})")
