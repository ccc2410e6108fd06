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

import tensorflow as tf

from archbuilder.errors import ClusterError, RunError
from archbuilder.launching.cluster import CONFIG, Cluster, read_cluster
from archbuilder.recipe.spec import Distribution
from archbuilder.training.learner import check_version
from archbuilder.training.membership import Membership, check_members, check_port
from archbuilder.training.peers import ALONE, Peers
from archbuilder.training.slices import bounds, rows, size

INFINITE: Final = tf.data.experimental.INFINITE_CARDINALITY


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Where training happens: `strategy` is None on a single device."""

    strategy: tf.distribute.Strategy | None
    remark: str
    peers: Peers = ALONE

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

    def share(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Batches for Keras, each shared by the replicas as evenly as it goes, in its order.

        Beside its part of a batch, each replica is told whether that counts: where a batch has
        fewer examples than there are replicas, all of them get the whole of it, and it counts for
        the first alone. Who takes batches has to know how many there are, and not ask for more.
        """
        if self.strategy is None:
            return batches
        strategy, replicas = self.strategy, self.replicas

        def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
            local = replicas // context.num_input_pipelines
            first = context.input_pipeline_id * local

            def parts(*batch: object) -> tf.data.Dataset:
                whole = batch if len(batch) > 1 else batch[0]
                numbers = tf.data.Dataset.range(first, first + local)
                return numbers.map(lambda number: _part(whole, number, replicas))

            shared = batches.flat_map(parts).prefetch(tf.data.AUTOTUNE)
            # Workers would else ask each other at every step whether they have come to the end.
            return shared.apply(tf.data.experimental.assert_cardinality(INFINITE))

        return strategy.distribute_datasets_from_function(of_worker)


def _part(batch: object, number: tf.Tensor, replicas: int) -> tuple[object, tf.Tensor]:
    count = tf.cast(size(batch), tf.int64)
    begin, end, counted = bounds(count, number, replicas)
    return rows(batch, begin, end), counted


def place(
    distribution: Distribution,
    batch_size: int,
    environment: Mapping[str, str] | None = None,
    *,
    membership: Membership | None = None,
) -> Placement:
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
        placement = _checked(_of_workers(cluster, distribution), batch_size)
        if membership is not None:
            with placement.peers.together():
                check_members(placement.peers, cluster, membership)
        return placement
    if distribution == "multi_worker":
        raise RunError(
            f"'distribute: multi_worker' wants a cluster, of which {CONFIG} or Slurm tells;"
            " --workers 2 starts one on this machine, and --distribute auto takes what is here"
        )
    if distribution == "tpu":
        return _checked(_on_tpu(), batch_size)
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    devices = gpus or [device.name for device in tf.config.list_logical_devices("CPU")]
    mirrored = distribution == "mirrored" or (distribution == "auto" and len(gpus) > 1)
    if mirrored and len(devices) > 1:
        return _checked(_mirrored(devices, distribution), batch_size)
    chosen = "the GPU" if gpus else "the CPU"
    if len(gpus) > 1:
        chosen = f"the first of {len(gpus)} GPUs"
    return Placement(None, f"{chosen} ({distribution})")


def _checked(placement: Placement, batch_size: int) -> Placement:
    if batch_size < placement.replicas:
        raise RunError(
            f"a batch of {batch_size} cannot be shared by {placement.replicas} devices;"
            " raise 'batch_size'"
        )
    return placement


def _mirrored(devices: Sequence[str], distribution: Distribution) -> Placement:
    strategy = _mirrored_on(tuple(devices))
    kind = "GPU" if "GPU" in devices[0] else "CPU"
    return Placement(strategy, f"mirrored on {len(devices)} {kind}s ({distribution})")


@cache
def _mirrored_on(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    # A second strategy for the same devices would give its messages the numbers of the first.
    return tf.distribute.MirroredStrategy(devices=list(devices))


def _of_workers(cluster: Cluster, distribution: Distribution) -> Placement:
    check_version()
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
    count = len(cluster.workers)
    replicas = int(strategy.num_replicas_in_sync)
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    return Placement(
        strategy,
        f"worker {cluster.index + 1} of {count}, {replicas} {kind}s in all"
        f" ({distribution}: {cluster.told_by})",
        Peers(strategy, count, cluster.index),
    )


def _on_tpu() -> Placement:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
    except (ValueError, tf.errors.OpError) as error:
        raise RunError("'distribute: tpu' finds no TPU here, or in the cloud project") from error
    strategy = tf.distribute.TPUStrategy(resolver)
    return Placement(strategy, f"{strategy.num_replicas_in_sync} TPU cores (tpu)")
