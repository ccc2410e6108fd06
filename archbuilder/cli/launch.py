"""The command `archbuilder launch`."""

from __future__ import annotations

from pathlib import Path

import click

from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.cli.numbers import StrictIntRange
from archbuilder.cli.train import train_command
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.files import path_status
from archbuilder.files.atomic_write import write_text
from archbuilder.launch.job import Job, resumable_command
from archbuilder.launch.kubernetes import kubernetes_manifest
from archbuilder.launch.slurm import slurm_script

_COUNT = StrictIntRange(min=1, max=10_000)


@click.command(
    "launch",
    cls=Command,
    examples=(
        "archbuilder launch --slurm --nodes 4 --gpus 8 -- train resnet --run-dir /shared/resnet",
        "archbuilder launch --kubernetes --image IMAGE --pvc work -- train net.yaml --run-dir net",
    ),
)
@click.option("--slurm", is_flag=True, help="Write a job file for sbatch.")
@click.option("--kubernetes", is_flag=True, help="Write a manifest for kubectl apply.")
@click.option("--nodes", type=_COUNT, default=1, show_default=True, help="How many machines.")
@click.option("--gpus", type=StrictIntRange(min=0, max=64), default=0, help="GPUs of a machine.")
@click.option("--cpus", type=_COUNT, help="Processors of a machine.")
@click.option("--memory", metavar="SIZE", help="Memory of a machine, as in 64G.")
@click.option(
    "--time",
    metavar="TIME",
    help="The longest time as Slurm takes it: 90 (minutes), 12:00:00 or 2-00:00:00.",
)
@click.option("--name", default="archbuilder", show_default=True, help="The name of the job.")
@click.option("--partition", help="Of Slurm: where the job waits.")
@click.option("--image", help="Of Kubernetes: the container image that has archbuilder.")
@click.option(
    "--pvc", help="Of Kubernetes: the claim of a volume that all pods share, with the files."
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write to a file, in place of one of that name.",
)
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
    """Write a job file that trains on several machines.

    All of them need archbuilder and, at the same path, the blueprint, the data and the folder of
    the run. A job that is started again goes on with its run.
    """
    job = Job(name, resumable_command(command, nodes), nodes, gpus, cpus, memory, time)
    _check_options(command)
    if slurm == kubernetes:
        raise UsageError("say where the machines are: either --slurm or --kubernetes")
    if slurm:
        if image is not None or pvc is not None:
            raise UsageError("--image and --pvc are of Kubernetes")
        text = slurm_script(job, partition)
    else:
        if partition is not None:
            raise UsageError("--partition is of Slurm")
        if image is None or pvc is None:
            raise UsageError(
                "Kubernetes needs an --image, and the --pvc of a volume that all pods share"
            )
        text = kubernetes_manifest(job, image, pvc)
    if output is None:
        console.print(text.rstrip("\n"))
        return
    # Any word of the command may be a file: the blueprint, a recipe, or data.
    if any(path_status.same_file(output, word) for word in command):
        raise UsageError(f"{quote(str(output))} is a file of the command; give another name")
    write_text(output, text)
    console.print(escape_terminal(f"Saved {output}"))


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
