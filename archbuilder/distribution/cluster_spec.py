"""The cluster that a process is part of, as its environment tells of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from archbuilder.diagnostics.errors import RunError, quote

TF_CONFIG_VAR: Final = "TF_CONFIG"
"""TensorFlow's own variable for it: `{"cluster": {"worker": [...]}, "task": {...}}`."""
PORT: Final = 29_400
"""The port of a worker that has a network address of its own, as a pod of Kubernetes has."""
_SLURM_PORTS: Final = range(10_240, 32_768)
"""Ports of Slurm's tasks: above those of services, below those that Linux gives to clients."""
_PORTS_PER_STEP: Final = 8
_STEP_STRIDE: Final = 509
"""Keeps the steps of one job apart from each other and from the jobs submitted after it."""
_ADDRESS: Final = re.compile(r".+:(\d{1,5})", re.ASCII)
_NODES: Final = re.compile(r"([^,\[]+)(?:\[([^\]]+)\])?(?:,|$)")
_PORT_RANGE: Final = re.compile(r"(\d+)(?:-(\d+))?", re.ASCII)
_TASKS: Final = re.compile(r"(\d+)(?:\(x(\d+)\))?$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Addresses of workers, of which the first is the chief, and the number of this one."""

    workers: tuple[str, ...]
    index: int
    origin: str
    job: str = ""
    """The job of the scheduler; empty where the environment names none."""

    @property
    def size(self) -> int:
        """The number of workers."""
        return len(self.workers)

    @property
    def address(self) -> str:
        """Host and port of this worker."""
        return self.workers[self.index]


def read_cluster(environment: Mapping[str, str]) -> Cluster | None:
    """The cluster of an environment; None where there is none, or one of a single worker.

    Raises:
        RunError: if what the environment says of it makes no sense.
    """
    if TF_CONFIG_VAR in environment:
        cluster = _from_tf_config(environment[TF_CONFIG_VAR])
    elif environment.get("SLURM_STEP_NUM_TASKS", "1") != "1":
        cluster = _from_slurm(environment)
    else:
        return None
    return cluster if len(cluster.workers) > 1 else None


def tf_config_json(workers: tuple[str, ...], index: int) -> str:
    """What `CONFIG` has to be for a worker."""
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": list(workers)}, "task": task})


def _from_tf_config(text: str) -> Cluster:
    try:
        fields = json.loads(text)
        cluster_spec, task = fields["cluster"], fields["task"]
        workers = (*cluster_spec.get("chief", ()), *cluster_spec.get("worker", ()))
        index = int(task["index"])
        if task["type"] == "worker":
            index += len(cluster_spec.get("chief", ()))
        is_valid = set(cluster_spec) <= {"chief", "worker"} and task["type"] in cluster_spec
    except (ValueError, KeyError, TypeError, AttributeError):
        is_valid, workers, index = False, (), 0
    if not (is_valid and 0 <= index < len(workers) and all(map(_is_address, workers))):
        raise RunError(
            f"the variable {TF_CONFIG_VAR} is {quote(text, 200)}; it should be like"
            f" {tf_config_json(('one:12345', 'two:12345'), 0)}"
        )
    if len(set(workers)) < len(workers):
        raise RunError(
            f"the variable {TF_CONFIG_VAR} has two workers at one address: {quote(text, 200)}"
        )
    return Cluster(workers, index, TF_CONFIG_VAR)


def _is_address(worker: object) -> bool:
    match = _ADDRESS.fullmatch(worker) if isinstance(worker, str) else None
    return match is not None and 0 < int(match[1]) < 2**16


def _from_slurm(environment: Mapping[str, str]) -> Cluster:
    try:
        nodes = _parse_node_list(environment["SLURM_STEP_NODELIST"])
        tasks = _parse_tasks_per_node(environment["SLURM_STEP_TASKS_PER_NODE"])
        index, count = int(environment["SLURM_PROCID"]), int(environment["SLURM_STEP_NUM_TASKS"])
        ports = _slurm_ports(environment, max(tasks))
        workers = tuple(
            f"{node}:{port}"
            for node, on_node in zip(nodes, tasks, strict=True)
            for port in ports[:on_node]
        )
    except (KeyError, ValueError) as error:
        raise RunError(f"Slurm's variables do not tell where the tasks are: {error}") from None
    if len(workers) != count or not 0 <= index < count:
        raise RunError(
            f"Slurm tells of {count} tasks, of the places of {len(workers)}, and that this one is"
            f" number {index}"
        )
    job, step = _slurm_step(environment)
    return Cluster(workers, index, "Slurm", f"Slurm job {job}, step {step}")


def _slurm_step(environment: Mapping[str, str]) -> tuple[int, int]:
    return int(environment["SLURM_JOB_ID"]), int(environment["SLURM_STEP_ID"])


def _slurm_ports(environment: Mapping[str, str], count: int) -> list[int]:
    """Return the ports of a node's tasks: those that Slurm reserved, or some of the step's own.

    Jobs that share nodes must not share ports. Slurm reserves ports only where `MpiParams=ports=`
    is configured; otherwise they follow from the ids of the job and the step.
    """
    reserved = environment.get("SLURM_STEP_RESV_PORTS", "")
    ports = [
        port
        for first, last in _PORT_RANGE.findall(reserved)
        for port in range(int(first), int(last or first) + 1)
    ]
    if len(ports) >= count:
        return ports[:count]
    job, step = _slurm_step(environment)
    first = (job + step * _STEP_STRIDE) * _PORTS_PER_STEP
    return [_SLURM_PORTS[(first + number) % len(_SLURM_PORTS)] for number in range(count)]


def _parse_node_list(text: str) -> list[str]:
    """`a[01-03,7],b` as a01, a02, a03, a7, b."""
    nodes = []
    for name, ranges in _NODES.findall(text):
        if not ranges:
            nodes.append(name)
        for item in filter(None, ranges.split(",")):
            first, _, last = item.partition("-")
            numbers = range(int(first), int(last or first) + 1)
            nodes += [f"{name}{number:0{len(first)}}" for number in numbers]
    return nodes


def _parse_tasks_per_node(text: str) -> list[int]:
    """`2(x3),1` as 2, 2, 2, 1."""
    task_counts: list[int] = []
    for item in text.split(","):
        match = _TASKS.match(item)
        if match is None:
            raise ValueError(item)
        task_counts += [int(match[1])] * int(match[2] or 1)
    return task_counts
