"""Slurm job files for `sbatch`; `srun` starts one task on every node."""

from __future__ import annotations

from archbuilder.diagnostics.errors import EXIT_TEMPORARY_FAILURE
from archbuilder.launch.job import Job, check_word

_MAX_REQUEUES = 20
"""Times that a job requeues itself at most."""
_WAIT = 60
"""Seconds that the other tasks have to exit after the first one has."""
_SIGNAL_LEAD_SECONDS = 120
"""Seconds before the time limit at which tasks receive SIGTERM, to save a checkpoint."""


def slurm_script(job: Job, partition: str | None = None) -> str:
    """Return the text of a job file.

    The job requeues itself at its time limit, when it is preempted, and when a worker is lost. The
    run then resumes from its newest checkpoint.

    Raises:
        UsageError: if the partition is not a valid name.
    """
    directives = {
        "job-name": job.name,
        "nodes": job.nodes,
        # One worker uses all GPUs of its node.
        "ntasks-per-node": 1,
        "gpus-per-node": job.gpus or None,
        "cpus-per-task": job.cpus,
        "mem": job.memory,
        "time": job.time,
        "partition": None if partition is None else check_word(partition, "--partition"),
        # Without the prefix `B:`, the signal goes to the tasks and not to this script, which has to
        # survive to requeue the job.
        "signal": f"TERM@{_SIGNAL_LEAD_SECONDS}",
        # A requeued job writes to the same file, which Slurm truncates by default.
        "open-mode": "append",
    }
    head = [f"#SBATCH --{key}={value}" for key, value in directives.items() if value is not None]
    lines = [
        "#!/bin/bash",
        *head,
        # This option permits requeueing. By itself, Slurm requeues only after a node failure or
        # preemption, not at the time limit: for that the script calls `scontrol requeue`.
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
