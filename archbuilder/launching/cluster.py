"""The cluster that a process is part of, as its environment tells of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from archbuilder.errors import RunError, shown

CONFIG: Final = "TF_CONFIG"
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
    told_by: str
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
    if CONFIG in environment:
        cluster = _of_config(environment[CONFIG])
    elif environment.get("SLURM_STEP_NUM_TASKS", "1") != "1":
        cluster = _of_slurm(environment)
    else:
        return None
    return cluster if len(cluster.workers) > 1 else None


def config(workers: tuple[str, ...], index: int) -> str:
    """What `CONFIG` has to be for a worker."""
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": list(workers)}, "task": task})


def _of_config(text: str) -> Cluster:
    try:
        fields = json.loads(text)
        kinds, task = fields["cluster"], fields["task"]
        workers = (*kinds.get("chief", ()), *kinds.get("worker", ()))
        index = int(task["index"])
        if task["type"] == "worker":
            index += len(kinds.get("chief", ()))
        known = set(kinds) <= {"chief", "worker"} and task["type"] in kinds
    except (ValueError, KeyError, TypeError, AttributeError):
        known, workers, index = False, (), 0
    if not (known and 0 <= index < len(workers) and all(map(_is_address, workers))):
        raise RunError(
            f"the variable {CONFIG} is {shown(text, 200)}; it should be like"
            f" {config(('one:12345', 'two:12345'), 0)}"
        )
    if len(set(workers)) < len(workers):
        raise RunError(f"the variable {CONFIG} has two workers at one address: {shown(text, 200)}")
    return Cluster(workers, index, CONFIG)


def _is_address(worker: object) -> bool:
    match = _ADDRESS.fullmatch(worker) if isinstance(worker, str) else None
    return match is not None and 0 < int(match[1]) < 2**16


def _of_slurm(environment: Mapping[str, str]) -> Cluster:
    try:
        nodes = _nodes(environment["SLURM_STEP_NODELIST"])
        tasks = _tasks(environment["SLURM_STEP_TASKS_PER_NODE"])
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


def _nodes(text: str) -> list[str]:
    """`a[01-03,7],b` as a01, a02, a03, a7, b."""
    found = []
    for name, ranges in _NODES.findall(text):
        if not ranges:
            found.append(name)
        for part in filter(None, ranges.split(",")):
            first, _, last = part.partition("-")
            numbers = range(int(first), int(last or first) + 1)
            found += [f"{name}{number:0{len(first)}}" for number in numbers]
    return found


def _tasks(text: str) -> list[int]:
    """`2(x3),1` as 2, 2, 2, 1."""
    found: list[int] = []
    for part in text.split(","):
        match = _TASKS.match(part)
        if match is None:
            raise ValueError(part)
        found += [int(match[1])] * int(match[2] or 1)
    return found
