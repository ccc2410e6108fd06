"""Workers that take every step together, and one that is lost."""

from __future__ import annotations

import pytest
import tensorflow as tf

from archbuilder.diagnostics.errors import ClusterError
from archbuilder.distribution.collectives import WorkerGroup

LOCAL_TASK, REMOTE_TASK = "/job:worker/replica:0/task:0", "/job:worker/replica:0/task:2"


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (f"Additional GRPC error information from remote target {REMOTE_TASK}", "worker 3 of 3"),
        (
            f"Collective ops of {LOCAL_TASK} were aborted: {REMOTE_TASK} is unavailable",
            "worker 3 of 3",
        ),
        (f"RecvBuf of {LOCAL_TASK} was cancelled", "another worker"),
        ("Connection reset by peer", "another worker"),
    ],
)
def test_a_lost_worker_is_named(message: str, name: str):
    """The worker that noticed it stands in the message too, and is not the lost one."""
    peers = WorkerGroup(tf.distribute.get_strategy(), count=3, index=0)
    with pytest.raises(ClusterError, match=f"^{name} has ended"), peers.worker_failure_scope():
        raise tf.errors.UnavailableError(None, None, message)


@pytest.mark.parametrize(
    "message",
    [
        "Collective instance 102 expected type 0 and data_type 3 but got type 0 and data_type 9",
        "Collective ops is aborted by: Delete called on non-empty BufRendezvous",
    ],
)
def test_workers_at_different_operations(message: str):
    """The error says how to continue; another internal error is not translated."""
    peers = WorkerGroup(tf.distribute.get_strategy(), count=2, index=0)
    with pytest.raises(ClusterError, match=r"start them again$"), peers.worker_failure_scope():
        raise tf.errors.InternalError(None, None, message)
    with pytest.raises(tf.errors.InternalError), peers.worker_failure_scope():
        raise tf.errors.InternalError(None, None, "cuDNN error")
