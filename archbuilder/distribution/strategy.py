"""Chooses on which devices of which machines a network is trained, and shares batches among them.

Sizes of batches are those of all devices together, and what a batch has in it follows from the seed
alone: a network comes to the same weights on any number of devices.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Final

import keras
import tensorflow as tf

from archbuilder.config.training import StrategyName
from archbuilder.diagnostics.errors import ClusterError, RunError
from archbuilder.distribution.cluster_spec import TF_CONFIG_VAR, Cluster, read_cluster
from archbuilder.distribution.collectives import SINGLE_WORKER, WorkerGroup
from archbuilder.distribution.membership import Membership, check_members, check_port
from archbuilder.distribution.slices import (
    count_examples,
    slice_batch,
    slice_bounds,
)

INFINITE_CARDINALITY: Final = tf.data.experimental.INFINITE_CARDINALITY


@dataclass(frozen=True, slots=True, eq=False)
class DeviceSetup:
    """Where training happens: `strategy` is None on a single device."""

    strategy: tf.distribute.Strategy | None
    description: str
    workers: WorkerGroup = SINGLE_WORKER

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

    def distribute_dataset(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Batches for Keras, each shared by the replicas as evenly as it goes, in its order.

        Beside its part of a batch, each replica is told whether that counts: where a batch has
        fewer examples than there are replicas, all of them get the whole of it, and it counts for
        the first alone. Who takes batches has to know how many there are, and not ask for more.
        """
        if self.strategy is None:
            return batches
        strategy, replicas = self.strategy, self.replicas

        def make_dataset(context: tf.distribute.InputContext) -> tf.data.Dataset:
            local_replicas = replicas // context.num_input_pipelines
            first_replica = context.input_pipeline_id * local_replicas

            def replica_slices(*batch: object) -> tf.data.Dataset:
                full_batch = batch if len(batch) > 1 else batch[0]
                replica_ids = tf.data.Dataset.range(first_replica, first_replica + local_replicas)
                return replica_ids.map(
                    lambda replica_id: _replica_slice(full_batch, replica_id, replicas)
                )

            dataset = batches.flat_map(replica_slices).prefetch(tf.data.AUTOTUNE)
            # Workers would else ask each other at every step whether they have come to the end.
            return dataset.apply(tf.data.experimental.assert_cardinality(INFINITE_CARDINALITY))

        return strategy.distribute_datasets_from_function(make_dataset)


def _replica_slice(batch: object, replica_id: tf.Tensor, replicas: int) -> tuple[object, tf.Tensor]:
    count = tf.cast(count_examples(batch), tf.int64)
    begin, end, is_counted = slice_bounds(count, replica_id, replicas)
    return slice_batch(batch, begin, end), is_counted


def setup_devices(
    distribution: StrategyName,
    batch_size: int,
    environment: Mapping[str, str] | None = None,
    *,
    membership: Membership | None = None,
) -> DeviceSetup:
    """The devices for a way of distribution, and a remark that names them and says why.

    `auto` takes part in the cluster that the environment tells of (TF_CONFIG, or Slurm), and else
    mirrors the network where there are several GPUs. `mirrored` uses all GPUs of this machine, or,
    on one without, all the processors that TensorFlow was told of. The workers of a cluster compare
    their `membership` before anything else.

    Raises:
        RunError: if the devices are not there, or a batch has less than one example for each.
        ClusterError: if the workers do not come together, or one of them belongs to another run.
    """
    environment = os.environ if environment is None else environment
    cluster = None if distribution in ("none", "mirrored", "tpu") else read_cluster(environment)
    if cluster is not None:
        setup = _check_batch_size(_multi_worker_setup(cluster, distribution), batch_size)
        if membership is not None:
            with setup.workers.worker_failure_scope():
                check_members(setup.workers, cluster, membership)
        return setup
    if distribution == "multi_worker":
        raise RunError(
            f"'distribute: multi_worker' wants a cluster, of which {TF_CONFIG_VAR} or Slurm tells;"
            " --workers 2 starts one on this machine, and --distribute auto takes what is here"
        )
    if distribution == "tpu":
        return _check_batch_size(_tpu_setup(), batch_size)
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    devices = gpus or [device.name for device in tf.config.list_logical_devices("CPU")]
    is_mirrored = distribution == "mirrored" or (distribution == "auto" and len(gpus) > 1)
    if is_mirrored and len(devices) > 1:
        return _check_batch_size(_mirrored_setup(devices, distribution), batch_size)
    device_name = "the GPU" if gpus else "the CPU"
    if len(gpus) > 1:
        device_name = f"the first of {len(gpus)} GPUs"
    return DeviceSetup(None, f"{device_name} ({distribution})")


def _check_batch_size(setup: DeviceSetup, batch_size: int) -> DeviceSetup:
    if batch_size < setup.replicas:
        raise RunError(
            f"a batch of {batch_size} cannot be shared by {setup.replicas} devices;"
            " raise 'batch_size'"
        )
    return setup


def _mirrored_setup(devices: Sequence[str], distribution: StrategyName) -> DeviceSetup:
    strategy = _mirrored_strategy(tuple(devices))
    device_type = "GPU" if "GPU" in devices[0] else "CPU"
    return DeviceSetup(strategy, f"mirrored on {len(devices)} {device_type}s ({distribution})")


@cache
def _mirrored_strategy(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    # A second strategy for the same devices would give its messages the numbers of the first.
    return tf.distribute.MirroredStrategy(devices=list(devices))


def _multi_worker_setup(cluster: Cluster, distribution: StrategyName) -> DeviceSetup:
    check_keras_version()
    check_port(cluster)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.workers)}),
        task_type="worker",
        task_id=cluster.index,
    )
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    except (RuntimeError, tf.errors.OpError) as error:
        raise ClusterError(
            f"worker {cluster.index + 1} of {cluster.size} ({cluster.address}) cannot reach the"
            f" others: {error}"
        ) from error
    num_workers = len(cluster.workers)
    replicas = int(strategy.num_replicas_in_sync)
    device_type = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    return DeviceSetup(
        strategy,
        f"worker {cluster.index + 1} of {num_workers}, {replicas} {device_type}s in all"
        f" ({distribution}: {cluster.origin})",
        WorkerGroup(strategy, num_workers, cluster.index),
    )


def _tpu_setup() -> DeviceSetup:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
    except (ValueError, tf.errors.OpError) as error:
        raise RunError("'distribute: tpu' finds no TPU here, or in the cloud project") from error
    strategy = tf.distribute.TPUStrategy(resolver)
    return DeviceSetup(strategy, f"{strategy.num_replicas_in_sync} TPU cores (tpu)")


TESTED_KERAS: Final = ((3, 14), (3, 16))
"""The first version of Keras with which several workers were tested, and the first without."""


def check_keras_version() -> None:
    """Refuse versions of Keras with which several workers were not tested.

    Raises:
        RunError: if the installed one is such.
    """
    installed_version = tuple(int(component) for component in keras.__version__.split(".")[:2])
    lower, upper = TESTED_KERAS
    if not lower <= installed_version < upper:
        versions = f"{lower[0]}.{lower[1]} to below {upper[0]}.{upper[1]}"
        raise RunError(
            f"several workers were tested with Keras {versions}, and this is {keras.__version__}"
        )
