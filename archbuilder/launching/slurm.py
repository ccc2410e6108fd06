"""Job files of Slurm: `sbatch` takes them, and `srun` in them starts a task on every machine."""

from __future__ import annotations

from archbuilder.launching.job import Job, word

_NOTICE = 120
"""Seconds before the time is over at which tasks are told to stop, and keep what they have."""


def slurm_script(job: Job, partition: str | None = None) -> str:
    """The text of a job file.

    Where a machine fails or the time is over, `sbatch` starts the job again if the cluster lets it,
    and the run goes on.

    Raises:
        UsageError: if the partition has no name.
    """
    wanted = {
        "job-name": job.name,
        "nodes": job.nodes,
        "ntasks-per-node": 1,
        "gpus-per-node": job.gpus or None,
        "cpus-per-task": job.cpus,
        "mem": job.memory,
        "time": job.time,
        "partition": None if partition is None else word(partition, "--partition"),
        "signal": f"TERM@{_NOTICE}",
        "open-mode": "append",
    }
    head = [f"#SBATCH --{key}={value}" for key, value in wanted.items() if value is not None]
    lines = [
        "#!/bin/bash",
        *head,
        "#SBATCH --requeue",
        "",
        "set -euo pipefail",
        "",
        "# A worker that goes ends the run of the others; the job can be started again.",
        f"srun --kill-on-bad-exit=1 {job.line()}",
    ]
    return "\n".join(lines) + "\n"
