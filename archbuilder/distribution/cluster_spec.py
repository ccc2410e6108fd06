"""The cluster that a process belongs to, read from `TF_CONFIG` or from Slurm's variables."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from archbuilder.diagnostics.errors import RunError, quote

TF_CONFIG_VAR: Final = "TF_CONFIG"
"""TensorFlow's variable for a cluster: `{"cluster": {"worker": [...]}, "task": {...}}`."""
PORT: Final = 29_400
"""The port of a worker with its own network address, such as a Kubernetes pod."""
# Above the ports of common services, and below 32768, where Linux's default ephemeral range
# (net.ipv4.ip_local_port_range) begins: the kernel may give those to any outgoing connection.
_SLURM_PORTS: Final = range(10_240, 32_768)
# Ports per job step: nodes with up to 8 tasks, one per GPU, do not overlap with the next job.
_PORTS_PER_STEP: Final = 8
# A prime that separates the steps of one job, which share a job id. A stride of 1 would give step 1
# of a job the ports of step 0 of the job submitted after it.
_STEP_STRIDE: Final = 509
_ADDRESS: Final = re.compile(r".+:(\d{1,5})", re.ASCII)
_NODES: Final = re.compile(r"([^,\[]+)(?:\[([^\]]+)\])?(?:,|$)")
_PORT_RANGE: Final = re.compile(r"(\d+)(?:-(\d+))?", re.ASCII)
_TASKS: Final = re.compile(r"(\d+)(?:\(x(\d+)\))?$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The addresses of all workers, chief first, and the index of this worker."""

    workers: tuple[str, ...]
    index: int
    origin: str
    """Where the addresses come from, for messages: `TF_CONFIG` or `Slurm`."""
    job: str = ""
    """The scheduler's job; empty if the environment does not name one."""

    @property
    def size(self) -> int:
        """Number of workers."""
        return len(self.workers)

    @property
    def address(self) -> str:
        """Host and port of this worker."""
        return self.workers[self.index]


def select_cluster(distribution: str, environment: Mapping[str, str]) -> Cluster | None:
    """Return the cluster that a process joins with this strategy; None if it joins none.

    Raises:
        RunError: if the description of the cluster is invalid.
    """
    return None if distribution in ("none", "mirrored", "tpu") else read_cluster(environment)


def read_cluster(environment: Mapping[str, str]) -> Cluster | None:
    """Return the cluster that the environment describes; None for fewer than two workers.

    Raises:
        RunError: if the description is invalid.
    """
    # TF_CONFIG comes first, since it is the more specific one: `--workers` sets it for processes
    # that it starts inside a Slurm step.
    if TF_CONFIG_VAR in environment:
        cluster = _from_tf_config(environment[TF_CONFIG_VAR])
    # The step's variables, not the job's: in a batch script outside `srun`, SLURM_NTASKS counts
    # tasks that do not run this command.
    elif environment.get("SLURM_STEP_NUM_TASKS", "1") != "1":
        cluster = _from_slurm(environment)
    else:
        return None
    return cluster if len(cluster.workers) > 1 else None


def tf_config_json(workers: tuple[str, ...], index: int) -> str:
    """Return the value of `TF_CONFIG` for a worker."""
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": list(workers)}, "task": task})


def _from_tf_config(text: str) -> Cluster:
    """Parse `TF_CONFIG`. A chief, where the cluster names one, becomes worker 0."""
    try:
        fields = json.loads(text)
        cluster_spec, task = fields["cluster"], fields["task"]
        workers = (*cluster_spec.get("chief", ()), *cluster_spec.get("worker", ()))
        index = int(task["index"])
        if task["type"] == "worker":
            index += len(cluster_spec.get("chief", ()))
        addresses = [_ADDRESS.fullmatch(worker) for worker in workers]
        is_valid = (
            set(cluster_spec) <= {"chief", "worker"}
            and task["type"] in cluster_spec
            and 0 <= index < len(workers)
            and all(each is not None and 0 < int(each[1]) < 2**16 for each in addresses)
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        is_valid, workers, index = False, (), 0
    if not is_valid:
        raise RunError(
            f"the variable {TF_CONFIG_VAR} is {quote(text, 200)}; write it as"
            f" {tf_config_json(('one:12345', 'two:12345'), 0)}"
        )
    # Without this check, the second of them would only report that its port is in use.
    if len(set(workers)) < len(workers):
        raise RunError(
            f"the variable {TF_CONFIG_VAR} has two workers at one address: {quote(text, 200)}"
        )
    return Cluster(workers, index, TF_CONFIG_VAR)


def _from_slurm(environment: Mapping[str, str]) -> Cluster:
    """Read the cluster of a Slurm job step.

    Tasks are taken to be numbered node by node, which is Slurm's block distribution.
    """
    try:
        nodes = _parse_node_list(environment["SLURM_STEP_NODELIST"])
        tasks = _parse_tasks_per_node(environment["SLURM_STEP_TASKS_PER_NODE"])
        index, count = int(environment["SLURM_PROCID"]), int(environment["SLURM_STEP_NUM_TASKS"])
        job, step = int(environment["SLURM_JOB_ID"]), int(environment["SLURM_STEP_ID"])
        # Jobs that share nodes must not share ports: a gRPC client takes whatever listens at an
        # address, so that a worker would join the other job. Slurm reserves ports only where
        # `MpiParams=ports=` is configured. Otherwise they follow from the ids of the job and the
        # step. Every task computes the same ports, so that no rendezvous is needed.
        ports = [
            port
            for first, last in _PORT_RANGE.findall(environment.get("SLURM_STEP_RESV_PORTS", ""))
            for port in range(int(first), int(last or first) + 1)
        ]
        if len(ports) < max(tasks):
            start = (job + step * _STEP_STRIDE) * _PORTS_PER_STEP
            ports = [_SLURM_PORTS[(start + n) % len(_SLURM_PORTS)] for n in range(max(tasks))]
        workers = tuple(
            f"{node}:{port}"
            for node, on_node in zip(nodes, tasks, strict=True)
            for port in ports[:on_node]
        )
    except (KeyError, ValueError) as error:
        raise RunError(f"Slurm's variables do not list the tasks of this job: {error}") from None
    if len(workers) != count or not 0 <= index < count:
        raise RunError(
            f"Slurm's variables disagree: {count} tasks, {len(workers)} addresses, and this is task"
            f" {index}"
        )
    return Cluster(workers, index, "Slurm", f"Slurm job {job}, step {step}")


def _parse_node_list(text: str) -> list[str]:
    """Expand a node list: `a[01-03,7],b` is a01, a02, a03, a7, b."""
    nodes = []
    for name, ranges in _NODES.findall(text):
        if not ranges:
            nodes.append(name)
        for item in filter(None, ranges.split(",")):
            first, _, last = item.partition("-")
            numbers = range(int(first), int(last or first) + 1)
            # Names keep their leading zeros: [01-10] is 01 to 10.
            nodes += [f"{name}{number:0{len(first)}}" for number in numbers]
    return nodes


def _parse_tasks_per_node(text: str) -> list[int]:
    """Expand task counts: `2(x3),1` is 2, 2, 2, 1."""
    task_counts: list[int] = []
    for item in text.split(","):
        match = _TASKS.match(item)
        if match is None:
            raise ValueError(item)
        task_counts += [int(match[1])] * int(match[2] or 1)
    return task_counts
