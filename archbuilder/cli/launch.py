"""The command `archbuilder launch`."""

from __future__ import annotations

from pathlib import Path

import click

from archbuilder.cli.command import Command
from archbuilder.cli.common_options import output_option
from archbuilder.cli.console import Console
from archbuilder.cli.numbers import StrictIntRange
from archbuilder.cli.train import train_command
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.files import path_status
from archbuilder.files.atomic_write import write_text
from archbuilder.launch.job import Job, resumable_command
from archbuilder.launch.kubernetes import kubernetes_manifest
from archbuilder.launch.slurm import slurm_script

_COUNT = StrictIntRange(1, 10_000)


@click.command(
    "launch",
    cls=Command,
    examples=(
        "archbuilder launch --slurm --nodes 4 --gpus 8 -- train net.yaml --run-dir /shared/net",
        "archbuilder launch --kubernetes --image IMAGE --pvc data -- train net.yaml --run-dir net",
    ),
)
@click.option("--slurm", is_flag=True, help="Write a job script for sbatch.")
@click.option("--kubernetes", is_flag=True, help="Write a manifest for kubectl apply.")
@click.option(
    "--nodes", type=_COUNT, metavar="N", default=1, show_default=True, help="Number of machines."
)
@click.option(
    "--gpus",
    type=StrictIntRange(0, 64),
    metavar="N",
    default=0,
    show_default=True,
    help="GPUs per machine.",
)
@click.option("--cpus", type=_COUNT, metavar="N", help="CPUs per machine.")
@click.option("--memory", metavar="SIZE", help="Memory per machine, as in 64G.")
@click.option(
    "--time",
    metavar="TIME",
    help="Time limit in a format of Slurm: 90 (minutes), 12:00:00 or 2-00:00:00.",
)
@click.option(
    "--name", metavar="NAME", default="archbuilder", show_default=True, help="Name of the job."
)
@click.option("--partition", metavar="NAME", help="Slurm only: partition to submit to.")
@click.option("--image", metavar="IMAGE", help="Kubernetes only: container image with archbuilder.")
@click.option(
    "--pvc",
    metavar="NAME",
    help="Kubernetes only: PersistentVolumeClaim that all pods share. It is mounted at /work, the"
    " working directory.",
)
@output_option("Write to this file instead of standard output.")
@click.argument("command", metavar="-- train BLUEPRINT [ARGS]...", nargs=-1, required=True)
@click.pass_obj
def launch_command(  # noqa: PLR0913 - an option each
    console: Console,
    /,
    *,
    slurm: bool,
    kubernetes: bool,
    nodes: int,
    gpus: int,
    cpus: int | None,
    memory: str | None,
    time: str | None,
    name: str,
    partition: str | None,
    image: str | None,
    pvc: str | None,
    output: Path | None,
    command: tuple[str, ...],
) -> None:
    """Write a training job for Slurm or Kubernetes.

    All machines need archbuilder and, at the same path, the blueprint, the data and the run
    directory. A restarted job resumes its run.
    """
    if command[0] == "train":
        _check_options(command)
    job = Job(name, resumable_command(command, nodes), nodes, gpus, cpus, memory, time)
    if slurm == kubernetes:
        raise UsageError("pass either --slurm or --kubernetes")
    if slurm:
        if image is not None or pvc is not None:
            raise UsageError("--image and --pvc can only be used with --kubernetes")
        text = slurm_script(job, partition)
    else:
        if partition is not None:
            raise UsageError("--partition can only be used with --slurm")
        if image is None or pvc is None:
            raise UsageError("--kubernetes needs --image and --pvc")
        text = kubernetes_manifest(job, image, pvc)
    if output is None:
        console.print(text.rstrip("\n"))
        return
    # Any word of the command may be a file: the blueprint, a recipe, or data.
    if any(path_status.same_file(output, word) for word in command):
        raise UsageError(f"{quote(str(output))} is used by the command; choose another output")
    write_text(output, text)
    console.print_saved(output)


def _check_options(command: tuple[str, ...]) -> None:
    """Check the options of the training command, so that a wrong one does not fail in the queue.

    Raises:
        click.UsageError: if 'train' has no such option, or an option has an invalid value.
    """
    try:
        # make_context parses the options without running the command.
        train_command.make_context("archbuilder train", list(command[1:]))
    except click.BadParameter as error:
        # The directories of --allow-dir exist on the machines of the job, perhaps not on this one.
        if not isinstance(error.param, click.Option) or error.param.name != "allow_dirs":
            raise
