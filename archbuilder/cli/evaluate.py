"""`archbuilder evaluate`."""

from __future__ import annotations

import json
import math
from pathlib import Path

import click

from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.cli.devices import as_workers, takes_devices
from archbuilder.cli.options import Wanted, takes_choice
from archbuilder.cli.quiet import import_tensorflow
from archbuilder.cli.runs import read_target
from archbuilder.recipe import data_from_path
from archbuilder.recipe.spec import Distribution


@click.command(
    "evaluate",
    cls=Command,
    examples=(
        "archbuilder evaluate runs/lenet-1",
        "archbuilder evaluate runs/lenet-1 --data other.npz --json",
        "archbuilder evaluate lenet.keras --blueprint lenet.yaml --recipe mnist.yaml",
    ),
)
@click.option(
    "--data",
    metavar="DATA",
    help="Other examples, named as for 'train'; of a folder with the files of MNIST, those to test"
    " with are taken.",
)
@click.option(
    "--blueprint",
    metavar="BLUEPRINT",
    help="What a .keras file has the weights of; not needed in the folder of its run.",
)
@click.option(
    "--recipe",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A file with 'data' and 'training', which go before those of the run or blueprint.",
)
@click.option("--json", "as_json", is_flag=True, help="Give the numbers as JSON.")
@takes_devices
@click.argument("target", metavar="RUN|MODEL.keras", type=click.Path(path_type=Path))
@takes_choice
@click.pass_obj
def evaluate_command(  # noqa: PLR0913 - an option each
    console: Console,
    /,
    *,
    wanted: Wanted,
    target: Path,
    data: str | None,
    blueprint: str | None,
    recipe: Path | None,
    as_json: bool,
    batch_size: int | None,
    distribute: Distribution,
    workers: int | None,
) -> int:
    """Judge trained networks by the losses and metrics of their recipe.

    By the examples that training held out, or by others.
    """
    done = as_workers(console, workers, distribute)
    if done is not None:
        return done
    found = read_target(target, wanted, blueprint, recipe)
    recorded = found.begun.recorded
    given = None if data is None else data_from_path(data, recorded.data)
    import_tensorflow()
    # Networks are behind the wall: they import TensorFlow.
    from archbuilder.training import membership_of, place  # noqa: PLC0415
    from archbuilder.using.evaluating import Subject, evaluate  # noqa: PLC0415

    placement = place(
        distribute,
        batch_size or recorded.training.batch_size,
        membership=membership_of(target, found.begun.text, recorded.data, recorded.training),
    )
    chief = placement.peers.chief
    with placement.peers.together():
        numbers = evaluate(
            Subject(found.begun.graphs, recorded, found.begun.text, found.folder, found.files),
            wanted.limits,
            placement,
            lambda line: console.remark(line) if chief else None,
            other=None if given is None else given.validation or given.train,
            batch_size=batch_size,
        )
    if chief and as_json:
        # JSON has no word for NaN.
        plain = {key: value if math.isfinite(value) else None for key, value in numbers.items()}
        console.say(json.dumps(plain))
    elif chief:
        width = max(map(len, numbers))
        console.say("\n".join(f"{key:{width}}  {value:.6g}" for key, value in numbers.items()))
    return 0
