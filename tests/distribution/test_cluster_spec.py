"""What the environment tells of a cluster."""

from __future__ import annotations

import json

import pytest

from archbuilder.diagnostics.errors import RunError
from archbuilder.distribution.cluster_spec import (
    TF_CONFIG_VAR,
    Cluster,
    read_cluster,
    tf_config_json,
)

WORKERS = ("one:1234", "two:1234")
SLURM = {
    "SLURM_STEP_NUM_TASKS": "5",
    "SLURM_STEP_NODELIST": "gpu[08-10],login",
    "SLURM_STEP_TASKS_PER_NODE": "1(x3),2",
    "SLURM_PROCID": "3",
    "SLURM_JOB_ID": "42",
    "SLURM_STEP_ID": "0",
}


def test_no_cluster():
    """Neither an empty environment nor a single worker is one."""
    assert read_cluster({}) is None
    assert read_cluster({"SLURM_STEP_NUM_TASKS": "1"}) is None
    assert read_cluster({TF_CONFIG_VAR: tf_config_json(("one:1234",), 0)}) is None


def test_tf_config():
    """What is written for a worker is read by it."""
    assert read_cluster({TF_CONFIG_VAR: tf_config_json(WORKERS, 1)}) == Cluster(
        WORKERS, 1, TF_CONFIG_VAR
    )


@pytest.mark.parametrize(("kind", "index", "expected"), [("chief", 0, 0), ("worker", 0, 1)])
def test_tf_config_with_a_chief(kind: str, index: int, expected: int):
    """The chief is the first of all workers."""
    text = json.dumps(
        {
            "cluster": {"chief": ["one:1234"], "worker": ["two:1234"]},
            "task": {"type": kind, "index": index},
        }
    )
    assert read_cluster({TF_CONFIG_VAR: text}) == Cluster(WORKERS, expected, TF_CONFIG_VAR)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": "x"}}',
        '{"cluster": {"worker": [1, 2]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}',
        '{"cluster": 3, "task": 3}',
        '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a", "b:1"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:99999", "b:1"]}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_invalid_tf_config(text: str):
    """The message shows what write it as."""
    with pytest.raises(RunError, match="write it as"):
        read_cluster({TF_CONFIG_VAR: text})


def test_slurm_addresses():
    """Every task of every node has an address, and ports of one node differ."""
    cluster = read_cluster(SLURM)
    assert cluster is not None
    hosts = [worker.split(":")[0] for worker in cluster.workers]
    assert hosts == ["gpu08", "gpu09", "gpu10", "login", "login"]
    assert len(set(cluster.workers)) == 5
    assert cluster.index == 3
    assert cluster.job == "Slurm job 42, step 0"
    assert cluster.address == cluster.workers[3]


def test_slurm_ports_differ_between_jobs_and_steps():
    """Jobs and steps that share a node must not listen at the same ports."""
    steps = [(str(job), str(step)) for job in range(42, 242) for step in range(4)]
    ports = []
    for job, step in steps:
        cluster = read_cluster({**SLURM, "SLURM_JOB_ID": job, "SLURM_STEP_ID": step})
        assert cluster is not None
        ports += [worker.split(":")[1] for worker in cluster.workers if "login" in worker]
    assert len(set(ports)) == 2 * len(steps)
    assert all(1024 < int(port) < 32_768 for port in ports)


@pytest.mark.parametrize("reserved", ["12000-12001", "12000,12001"])
def test_reserved_slurm_ports(reserved: str):
    """`srun --resv-ports` has reserved them for this step alone."""
    cluster = read_cluster({**SLURM, "SLURM_STEP_RESV_PORTS": reserved})
    assert cluster is not None
    assert cluster.workers == (
        "gpu08:12000",
        "gpu09:12000",
        "gpu10:12000",
        "login:12000",
        "login:12001",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLURM_PROCID", "5"),
        ("SLURM_PROCID", "none"),
        ("SLURM_STEP_TASKS_PER_NODE", "1,1"),
        ("SLURM_STEP_TASKS_PER_NODE", "?"),
        ("SLURM_STEP_NUM_TASKS", "many"),
        ("SLURM_STEP_NODELIST", "gpu[a-b]"),
        ("SLURM_JOB_ID", ""),
    ],
)
def test_invalid_slurm_variables(name: str, value: str):
    """What makes no sense is told."""
    with pytest.raises(RunError, match="Slurm"):
        read_cluster({**SLURM, name: value})


def test_tf_config_takes_precedence_over_slurm():
    """It is written for this one process."""
    cluster = read_cluster({**SLURM, TF_CONFIG_VAR: tf_config_json(WORKERS, 0)})
    assert cluster is not None
    assert cluster.origin == TF_CONFIG_VAR


def test_duplicate_worker_addresses():
    """They would wait for each other for ever."""
    with pytest.raises(RunError, match="two workers at one address"):
        read_cluster({TF_CONFIG_VAR: tf_config_json(("one:1234", "one:1234"), 0)})
