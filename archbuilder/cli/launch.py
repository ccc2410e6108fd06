"""`archbuilder launch`."""

from __future__ import annotations

from pathlib import Path

import click

from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.cli.numbers import WholeNumber
from archbuilder.errors import UsageError
from archbuilder.escaping import for_terminal
from archbuilder.launching.job import Job, training
from archbuilder.launching.kubernetes import kubernetes_manifest
from archbuilder.launching.slurm import slurm_script
from archbuilder.writing import write_text

_COUNT = WholeNumber(min=1, max=10_000)


@click.command(
    "launch",
    cls=Command,
    examples=(
        "archbuilder launch --slurm --nodes 4 --gpus 8 -- train resnet --run /shared/resnet",
        "archbuilder launch --kubernetes --image IMAGE --claim work -- train net.yaml --run net",
    ),
)
@click.option("--slurm", "system", flag_value="slurm", help="Write a job file for sbatch.")
@click.option(
    "--kubernetes", "system", flag_value="kubernetes", help="Write a manifest for kubectl apply."
)
@click.option("--nodes", type=_COUNT, default=1, show_default=True, help="How many machines.")
@click.option("--gpus", type=WholeNumber(min=0, max=64), default=0, help="GPUs of a machine.")
@click.option("--cpus", type=_COUNT, help="Processors of a machine.")
@click.option("--memory", metavar="SIZE", help="Memory of a machine, as in 64G.")
@click.option("--time", metavar="TIME", help="The longest time, as in 12:00:00 or 2-00:00:00.")
@click.option("--name", default="archbuilder", show_default=True, help="The name of the job.")
@click.option("--partition", help="Of Slurm: where the job waits.")
@click.option("--image", help="Of Kubernetes: the container image that has archbuilder.")
@click.option(
    "--claim", help="Of Kubernetes: the claim of a volume that all pods share, with the files."
)
@click.option("--output", metavar="FILE", type=click.Path(path_type=Path), help="Write to a file.")
@click.argument("command", metavar="-- train BLUEPRINT [ARGS]...", nargs=-1, required=True)
@click.pass_obj
def launch_command(  # noqa: PLR0913 - an option each
    console: Console,
    /,
    *,
    system: str | None,
    nodes: int,
    gpus: int,
    cpus: int | None,
    memory: str | None,
    time: str | None,
    name: str,
    partition: str | None,
    image: str | None,
    claim: str | None,
    output: Path | None,
    command: tuple[str, ...],
) -> None:
    """Write a job file that trains on several machines.

    All of them need archbuilder and, at the same path, the blueprint, the data and the folder of
    the run. A job that is started again goes on with its run.
    """
    job = Job(name, training(command, nodes), nodes, gpus, cpus, memory, time)
    if system == "slurm":
        if image is not None or claim is not None:
            raise UsageError("--image and --claim are of Kubernetes")
        text = slurm_script(job, partition)
    elif system == "kubernetes":
        if partition is not None:
            raise UsageError("--partition is of Slurm")
        if image is None or claim is None:
            raise UsageError(
                "Kubernetes needs an --image, and the --claim of a volume that all pods share"
            )
        text = kubernetes_manifest(job, image, claim)
    else:
        raise UsageError("say where the machines are: --slurm or --kubernetes")
    if output is None:
        console.say(text.rstrip("\n"))
        return
    write_text(output, text)
    console.say(for_terminal(f"saved: {output}"))
