"""Check that the workers of a cluster take part in the same run."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Final

import keras
import tensorflow as tf

from archbuilder.config.fingerprint import run_fingerprint
from archbuilder.config.run_config import recipe_to_dict
from archbuilder.config.sources import DataConfig
from archbuilder.config.training import TrainingConfig
from archbuilder.diagnostics.errors import ClusterError, RunError, quote
from archbuilder.distribution.cluster_spec import Cluster
from archbuilder.distribution.collectives import WorkerGroup
from archbuilder.version import __version__

_MACHINE_KEYS: Final = ("directory", "allow_dirs", "cli_argument")
"""Keys of a recorded recipe that may differ between machines: the location of the data."""


@dataclass(frozen=True, slots=True)
class Membership:
    """Properties of a run that must be equal on all workers."""

    run: str
    """The directory of the run; empty if the chief chooses a new one."""
    files: str
    """A digest of the blueprint and of the `data` and `training` sections."""
    versions: str = (
        f"archbuilder {__version__}, Keras {keras.__version__}, TensorFlow {tf.__version__}"
    )


def make_membership(
    run: Path | None, blueprint: str, data: DataConfig, training: TrainingConfig
) -> Membership:
    """Return the membership of a worker that reads this blueprint and this recipe."""
    recipe = recipe_to_dict(data, training, ())
    common_fields = {key: value for key, value in recipe.items() if key not in _MACHINE_KEYS}
    return Membership(
        "" if run is None else str(run.absolute()), run_fingerprint(blueprint, common_fields)
    )


def check_members(workers: WorkerGroup, cluster: Cluster, membership: Membership) -> None:
    """Compare the membership of all workers.

    Every worker must call this before any other collective operation. TensorFlow connects to
    whatever listens at an address. If two jobs share machines, that can be a worker of the other
    job.

    Raises:
        ClusterError: if a worker belongs to another run.
        RunError: if a worker has other files or other versions.
    """
    local_fields = {"job": cluster.job, **asdict(membership)}
    contents = workers.all_gather(json.dumps(local_fields).encode())
    error = _find_difference(local_fields, contents, cluster)
    if error is not None:
        # Every worker of the run finds a difference. None may exit while another one still waits
        # for its answer, or that one would report a lost worker and not the cause.
        workers.shutdown_barrier()
        raise error


def _find_difference(
    local_fields: Mapping[str, str], contents: Sequence[bytes], cluster: Cluster
) -> RunError | None:
    """Return an error that names the first worker that differs from this one."""
    for index, content in enumerate(contents):
        # A worker of another run may have another version of this code: do not trust its fields.
        try:
            fields = json.loads(content)
        except ValueError:
            fields = None
        remote_fields = fields if isinstance(fields, dict) else {}
        name = f"worker {index + 1} of {cluster.size} ({cluster.workers[index]})"
        # The order goes from cause to consequence: a worker of another run also has other files.
        if (remote_fields.get("job"), remote_fields.get("run")) != (
            local_fields["job"],
            local_fields["run"],
        ):
            return ClusterError(
                f"{name} belongs to another run, {_describe(remote_fields)}; this worker belongs to"
                f" {_describe(local_fields)}"
            )
        if remote_fields.get("versions") != local_fields["versions"]:
            return RunError(
                f"{name} has {quote(str(remote_fields.get('versions')), 200)}, and this worker has"
                f" {local_fields['versions']}: install the same versions on all machines"
            )
        if remote_fields != local_fields:
            return RunError(
                f"{name} and this worker read different files: the blueprint, 'data' and 'training'"
                " must be the same on all machines"
            )
    return None


@cache  # Once per process: from then on, TensorFlow's own server occupies the port.
def check_port(cluster: Cluster) -> None:
    """Check that this worker can listen on its port, before TensorFlow tries to.

    TensorFlow's own error says only that it could not start a server.

    Raises:
        ClusterError: if another process listens there, or the port is not allowed.
    """
    host, _, port = cluster.address.rpartition(":")
    with socket.socket() as server:
        # gRPC sets it too. Without it, connections in TIME_WAIT from a run that has just ended make
        # bind() fail with EADDRINUSE.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("", int(port)))
            server.listen()
        except OSError as error:
            raise ClusterError(
                f"worker {cluster.index + 1} of {cluster.size} cannot listen on port {port} of"
                f" {host}: {error.strerror}"
            ) from error


def _describe(fields: Mapping[str, object]) -> str:
    parts = [("job", "of "), ("run", "in ")]
    descriptions = [
        f"{word}{quote(str(fields[key]), 200)}" for key, word in parts if fields.get(key)
    ]
    return " ".join(["one", *descriptions])
