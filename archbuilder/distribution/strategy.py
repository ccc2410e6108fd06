"""`tf.distribute` strategies: the devices of a run, and the slices of a batch that they receive.

A batch size is that of all devices together, and the content of a batch follows from the seed and
the step alone. Training therefore results in the same weights on any number of devices.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.config.training import StrategyName
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.pipeline import BatchPipeline
from archbuilder.diagnostics.errors import ClusterError, RunError
from archbuilder.distribution.cluster_spec import TF_CONFIG_VAR, Cluster, select_cluster
from archbuilder.distribution.collectives import SINGLE_WORKER, WorkerGroup
from archbuilder.distribution.membership import Membership, check_members, check_port
from archbuilder.distribution.slices import slice_batch, slice_bounds, worker_bounds

INFINITE_CARDINALITY: Final = tf.data.experimental.INFINITE_CARDINALITY


@dataclass(frozen=True, slots=True, eq=False)
class DeviceSetup:
    """The devices of a run: `strategy` is None on a single device."""

    strategy: tf.distribute.Strategy | None
    description: str
    workers: WorkerGroup = SINGLE_WORKER

    @property
    def num_replicas(self) -> int:
        """Number of devices that share a batch."""
        return 1 if self.strategy is None else int(self.strategy.num_replicas_in_sync)

    def scope(self) -> AbstractContextManager[object]:
        """Return a context that places the weights of models built in it on the devices."""
        scope: AbstractContextManager[object] = (
            nullcontext() if self.strategy is None else self.strategy.scope()
        )
        return scope

    def distribute_batches(self, batches: BatchPipeline) -> tf.data.Dataset:
        """Split each global batch over the replicas, as evenly as possible and in order.

        Each worker reads and prepares only the slices of its own replicas. An element is a
        replica's slice and a boolean: whether the slice counts. A batch with fewer examples than
        replicas goes to all of them as a whole, and counts on the first one only. The result claims
        to be infinite, so that the caller must count the batches itself.

        `tf.distribute`'s own sharding would give workers files or every n-th element. The content
        of a batch would then depend on the number of workers.
        """
        if self.strategy is None:
            return batches.dataset()

        def make_dataset(context: tf.distribute.InputContext) -> tf.data.Dataset:
            # TensorFlow has one input pipeline per worker. It yields one element per local replica.
            dataset = slice_for_replicas(
                batches, context.input_pipeline_id, context.num_input_pipelines, self.num_replicas
            ).prefetch(tf.data.AUTOTUNE)
            # For a dataset that may end, TensorFlow's iterator all-reduces at every step whether a
            # worker still has data (`_enable_get_next_as_optional` in input_lib.py).
            return dataset.apply(tf.data.experimental.assert_cardinality(INFINITE_CARDINALITY))

        return self.strategy.distribute_datasets_from_function(make_dataset)

    def share_batches(self, batches: BatchPipeline) -> tf.data.Dataset:
        """Return this worker's share of each batch, for an operation outside of the replicas."""
        return batches.dataset(self._share_bounds if self.workers.count > 1 else None)

    def join_shares(self, share: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        """Return the values of the `count` examples of a batch from the shares of all workers."""
        if self.workers.count == 1:
            return share
        begin, end = map(int, self._share_bounds(tf.constant(count)))
        # Each worker fills in its share, so that the sum over the workers has them all.
        values = np.zeros((count, *share.shape[1:]), np.float32)
        # A batch with fewer examples than replicas is the share of every worker.
        if self.workers.is_chief or end - begin < count:
            values[begin:end] = share
        return self.workers.all_reduce_sum(values)

    def _share_bounds(self, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return worker_bounds(count, self.workers.index, self.workers.count, self.num_replicas)


def slice_for_replicas(
    batches: BatchPipeline, worker: int, num_workers: int, num_replicas: int
) -> tf.data.Dataset:
    """Return the slices of a worker's replicas, and whether they count, batch by batch in order."""

    def share_bounds(count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return worker_bounds(
            tf.cast(count, tf.int64), worker, num_workers, num_replicas, batches.group_size
        )

    def add_size(share: BatchShare, batch: object) -> tuple[tf.Tensor, object]:
        return tf.cast(share.batch_size, tf.int64), batch

    @tf.autograph.experimental.do_not_convert
    def replica_slices(count: tf.Tensor, batch: object) -> tf.data.Dataset:
        num_local_replicas = num_replicas // num_workers
        first_replica = worker * num_local_replicas
        # `flat_map` numbers the slices as the replicas are.
        replica_ids = tf.data.Dataset.range(first_replica, first_replica + num_local_replicas)
        share_begin, _ = share_bounds(count)

        def replica_slice(replica_id: tf.Tensor) -> tuple[object, tf.Tensor]:
            begin, end, is_duplicate = slice_bounds(
                count, replica_id, num_replicas, batches.group_size
            )
            return slice_batch(batch, begin - share_begin, end - share_begin), is_duplicate

        return replica_ids.map(replica_slice)

    dataset = batches.map(add_size).dataset(share_bounds if num_workers > 1 else None)
    return dataset.flat_map(replica_slices)


def setup_devices(
    distribution: StrategyName,
    batch_size: int,
    environment: Mapping[str, str] | None = None,
    *,
    membership: Membership | None = None,
) -> DeviceSetup:
    """Create the strategy for `distribution`, with a description of its devices.

    `auto` joins the cluster that the environment describes (TF_CONFIG, or Slurm). Without one it
    mirrors the model over several GPUs. `mirrored` uses all GPUs of this machine or, without GPUs,
    all logical CPUs that TensorFlow is configured with. The workers of a cluster compare their
    `membership` before any other collective operation.

    Raises:
        RunError: if the devices do not exist, or a batch has less than one example for each.
        ClusterError: if the workers cannot connect, or one of them belongs to another run.
    """
    environment = os.environ if environment is None else environment
    cluster = select_cluster(distribution, environment)
    # Before any call of `list_logical_devices`: it initializes TensorFlow's context, after which
    # MultiWorkerMirroredStrategy fails ("Collective ops must be configured at program startup").
    if cluster is not None:
        setup = _join_cluster(cluster)
        setup = replace(
            setup, description=f"{setup.description} ({distribution}: {cluster.origin})"
        )
        _check_batch_size(setup, batch_size)
        if membership is not None:
            with setup.workers.worker_failure_scope():
                check_members(setup.workers, cluster, membership)
        return setup
    if distribution == "multi_worker":
        raise RunError(
            f"'distribute: multi_worker' needs a cluster, and neither {TF_CONFIG_VAR} nor Slurm"
            " defines one; start one on this machine with --workers 2, or use --distribute auto"
        )
    if distribution == "tpu":
        return _check_batch_size(_tpu_setup(), batch_size)
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    devices = gpus or [device.name for device in tf.config.list_logical_devices("CPU")]
    is_mirrored = distribution == "mirrored" or (distribution == "auto" and len(gpus) > 1)
    if is_mirrored and len(devices) > 1:
        description = f"{len(devices)} {'GPU' if gpus else 'CPU'}s, mirrored ({distribution})"
        setup = DeviceSetup(_mirrored_strategy(tuple(devices)), description)
        return _check_batch_size(setup, batch_size)
    device_name = "GPU" if gpus else "CPU"
    if len(gpus) > 1:
        device_name = f"first of {len(gpus)} GPUs"
    return DeviceSetup(None, f"{device_name} ({distribution})")


def _check_batch_size(setup: DeviceSetup, batch_size: int) -> DeviceSetup:
    if batch_size < setup.num_replicas:
        raise RunError(
            f"cannot split a batch of size {batch_size} over {setup.num_replicas} devices; increase"
            " 'batch_size'"
        )
    return setup


@cache
def _mirrored_strategy(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    # Cached: every MirroredStrategy numbers its collective operations from the same start
    # (`group_key_start` in mirrored_strategy.py), so that a second one for the same devices would
    # reuse the keys of the first.
    return tf.distribute.MirroredStrategy(devices=list(devices))


@cache
def _join_cluster(cluster: Cluster) -> DeviceSetup:
    # Cached: a second strategy in one process would replace the collective executor of TensorFlow's
    # server (`enable_collective_ops` in TensorFlow 2.21). Messages from workers that are already at
    # the next command would be lost with the old one: "Delete called on non-empty BufRendezvous".
    # One strategy also continues its keys of collective operations, so that workers wait for each
    # other at the beginning of a command.
    check_keras_version()
    check_port(cluster)
    # TensorFlow's TFConfigClusterResolver would do for TF_CONFIG, but the addresses may come from
    # Slurm, and its SlurmClusterResolver starts at port 8888 for every job.
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
    num_replicas = int(strategy.num_replicas_in_sync)
    device_type = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    return DeviceSetup(
        strategy,
        f"worker {cluster.index + 1} of {cluster.size}, {num_replicas} {device_type}s in total",
        WorkerGroup(strategy, cluster.size, cluster.index),
    )


def _tpu_setup() -> DeviceSetup:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
    except (ValueError, tf.errors.OpError) as error:
        raise RunError(
            "'distribute: tpu' needs a TPU, and this machine and cloud project have none"
        ) from error
    strategy = tf.distribute.TPUStrategy(resolver)
    return DeviceSetup(strategy, f"{strategy.num_replicas_in_sync} TPU cores (tpu)")


TESTED_KERAS: Final = ((3, 14), (3, 16))
"""The versions of Keras tested with several workers: from the first to below the second.

`DistributedModel` overrides internals of Keras's trainer, which may change in any minor version.
"""


def check_keras_version() -> None:
    """Check that the installed Keras was tested with several workers.

    Raises:
        RunError: if it was not.
    """
    installed_version = tuple(int(component) for component in keras.__version__.split(".")[:2])
    lower, upper = TESTED_KERAS
    if not lower <= installed_version < upper:
        versions = f"{lower[0]}.{lower[1]} to below {upper[0]}.{upper[1]}"
        raise RunError(
            f"training with several workers needs Keras {versions}, and this is Keras"
            f" {keras.__version__}"
        )
