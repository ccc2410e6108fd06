"""`archbuilder sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.cli.numbers import WholeNumber
from archbuilder.cli.options import Wanted
from archbuilder.cli.quiet import import_tensorflow
from archbuilder.cli.runs import read_run
from archbuilder.errors import UsageError, shown
from archbuilder.escaping import for_terminal
from archbuilder.limits import Limits
from archbuilder.writing import check_target, replacing

_FORMS: Final = (".png", ".npz")


@click.command(
    "sample",
    cls=Command,
    examples=(
        "archbuilder sample runs/dcgan-1",
        "archbuilder sample runs/dcgan-1 --count 1000 --output samples.npz",
    ),
)
@click.option(
    "--count",
    type=WholeNumber(min=1, max=100_000),
    default=64,
    show_default=True,
    help="How many samples.",
)
@click.option(
    "--seed",
    type=WholeNumber(min=0, max=2**31 - 1),
    default=0,
    show_default=True,
    help="Decides the noise that they are made of.",
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default=Path("samples.png"),
    show_default=True,
    help="A .png picture of all of them, or a .npz archive of their numbers.",
)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.pass_obj
def sample_command(console: Console, /, *, run: Path, count: int, seed: int, output: Path) -> None:
    """Draw samples of the generator of a run."""
    if output.suffix not in _FORMS:
        raise UsageError(f"{shown(output.name)} is none of {' and '.join(_FORMS)}")
    check_target(output)
    limits = Limits()
    begun = read_run(run, Wanted(None, {}, limits, ()))
    import_tensorflow()
    # Networks are behind the wall: they import TensorFlow.
    from archbuilder.using.sampling import as_npz, as_png, sample  # noqa: PLC0415

    samples = sample(run, begun.graphs, begun.recorded, limits, count, seed)
    content = as_png(samples) if output.suffix == ".png" else as_npz(samples)
    with replacing(output) as file:
        file.write(content)
    console.say(for_terminal(f"saved: {output}"))
