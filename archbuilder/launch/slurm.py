"""Job files of Slurm: `sbatch` takes them, and `srun` in them starts a task on every machine."""

from __future__ import annotations

from archbuilder.diagnostics.errors import EXIT_TEMPORARY_FAILURE
from archbuilder.launch.job import Job, check_word

_MAX_REQUEUES = 20
"""How often a job starts again by itself, at most."""
_WAIT = 60
"""Seconds that the other workers have to end by themselves when one has ended."""
_SIGNAL_LEAD_SECONDS = 120
"""Seconds before the time is over at which tasks are told to stop, and keep what they have."""


def slurm_script(job: Job, partition: str | None = None) -> str:
    """The text of a job file.

    The job requeues itself when its time is over, when it is preempted, and when a worker is lost;
    the run then continues from its newest checkpoint.

    Raises:
        UsageError: if the partition has no name.
    """
    directives = {
        "job-name": job.name,
        "nodes": job.nodes,
        "ntasks-per-node": 1,
        "gpus-per-node": job.gpus or None,
        "cpus-per-task": job.cpus,
        "mem": job.memory,
        "time": job.time,
        "partition": None if partition is None else check_word(partition, "--partition"),
        "signal": f"TERM@{_SIGNAL_LEAD_SECONDS}",
        "open-mode": "append",
    }
    head = [f"#SBATCH --{key}={value}" for key, value in directives.items() if value is not None]
    lines = [
        "#!/bin/bash",
        *head,
        "#SBATCH --requeue",
        "",
        "set -euo pipefail",
        "",
        "# Workers stop together. srun must not end the chief while it writes a checkpoint.",
        "code=0",
        f"srun --kill-on-bad-exit=0 --wait={_WAIT} {job.command_line()} || code=$?",
        "",
        (
            f"# {EXIT_TEMPORARY_FAILURE}: the run was told to stop, or lost a worker. Above 128: a"
            " signal."
        ),
        f"if (( code == {EXIT_TEMPORARY_FAILURE} || code > 128 )); then",
        f"    if (( ${{SLURM_RESTART_COUNT:-0}} < {_MAX_REQUEUES} )); then",
        '        echo "exit code $code: the job is requeued" >&2',
        '        scontrol requeue "$SLURM_JOB_ID"',
        "    else",
        (
            f'        echo "exit code $code after {_MAX_REQUEUES} restarts:'
            ' the job is not requeued" >&2'
        ),
        "    fi",
        "fi",
        'exit "$code"',
    ]
    return "\n".join(lines) + "\n"
