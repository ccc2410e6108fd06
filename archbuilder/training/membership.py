"""Checks that the workers of a cluster take part in the same run."""

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

from archbuilder.errors import ClusterError, RunError, shown
from archbuilder.launching.cluster import Cluster
from archbuilder.recipe.record import encode_recipe
from archbuilder.recipe.sources import DataSpec
from archbuilder.recipe.spec import TrainingSpec
from archbuilder.training.identity import fingerprint
from archbuilder.training.peers import Peers
from archbuilder.version import __version__

_PER_MACHINE: Final = ("folder", "allow", "given")
"""Keys of a recipe that may differ between machines: where each of them has the data."""


@dataclass(frozen=True, slots=True)
class Membership:
    """What all workers of a run have in common."""

    run: str
    """The directory of the run; empty where the chief is to choose a new one."""
    files: str
    """A digest of the blueprint and of the `data` and `training` sections."""
    versions: str = (
        f"archbuilder {__version__}, Keras {keras.__version__}, TensorFlow {tf.__version__}"
    )


def membership_of(
    run: Path | None, blueprint: str, data: DataSpec, training: TrainingSpec
) -> Membership:
    """Return the membership of a worker that reads this blueprint and this recipe."""
    recipe = encode_recipe(data, training, ())
    shared = {key: value for key, value in recipe.items() if key not in _PER_MACHINE}
    return Membership("" if run is None else str(run.absolute()), fingerprint(blueprint, shared))


def check_members(peers: Peers, cluster: Cluster, membership: Membership) -> None:
    """Compare the membership of all workers, each of which must call this first.

    TensorFlow connects to whatever listens at an address. Where two jobs share machines, that can
    be a worker of the other job.

    Raises:
        ClusterError: if a worker belongs to another run.
        RunError: if a worker has other files or other versions.
    """
    own = {"job": cluster.job, **asdict(membership)}
    contents = peers.gather(json.dumps(own).encode())
    error = _difference(own, contents, cluster)
    if error is not None:
        # All of them see a difference. None may end while another still waits for its answer.
        peers.leave()
        raise error


def _difference(
    own: Mapping[str, str], contents: Sequence[bytes], cluster: Cluster
) -> RunError | None:
    """Return an error that names the first worker that differs from this one."""
    for index, content in enumerate(contents):
        # A stranger may run another version of this code, so its fields are not trusted.
        other = _decode(content)
        name = f"worker {index + 1} of {cluster.size} ({cluster.workers[index]})"
        if (other.get("job"), other.get("run")) != (own["job"], own["run"]):
            return ClusterError(
                f"{name} belongs to another run, {_describe(other)}; this worker belongs to"
                f" {_describe(own)}"
            )
        if other.get("versions") != own["versions"]:
            return RunError(
                f"{name} has {shown(str(other.get('versions')), 200)}, and this worker has"
                f" {own['versions']}: install the same versions on all machines"
            )
        if other != own:
            return RunError(
                f"{name} and this worker read different files: the blueprint, 'data' and 'training'"
                " must be the same on all machines"
            )
    return None


@cache  # TensorFlow's own server listens there from now on, until the process ends.
def check_port(cluster: Cluster) -> None:
    """Check that this worker can listen at its address, before TensorFlow tries to.

    TensorFlow reports only that it could not start a server.

    Raises:
        ClusterError: if another process listens there, or the port is not allowed.
    """
    host, _, port = cluster.address.rpartition(":")
    with socket.socket() as server:
        # gRPC sets it too. Without it, connections of a run that has just ended would count.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("", int(port)))
            server.listen()
        except OSError as error:
            raise ClusterError(
                f"worker {cluster.index + 1} of {cluster.size} cannot listen on port {port} of"
                f" {host}: {error.strerror}"
            ) from error


def _decode(content: bytes) -> Mapping[str, object]:
    try:
        fields = json.loads(content)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _describe(fields: Mapping[str, object]) -> str:
    parts = [("job", "of "), ("run", "in ")]
    named = [f"{word}{shown(str(fields[key]), 200)}" for key, word in parts if fields.get(key)]
    return " ".join(["one", *named])
