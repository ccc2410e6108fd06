"""`archbuilder expand`."""

from __future__ import annotations

from pathlib import Path

import click

from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.cli.options import Wanted, check_not_read, takes_blueprint
from archbuilder.writing import write_text


@click.command(
    "expand",
    cls=Command,
    examples=(
        "archbuilder expand resnet:50 --set classes=10",
        "archbuilder expand lenet.yaml -o lenet.flat.yaml",
    ),
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write to a file instead of the standard output.",
)
@takes_blueprint
@click.pass_obj
def expand_command(
    console: Console, *, wanted: Wanted, blueprint: str, output: Path | None
) -> None:
    """Write a blueprint out in full.

    All parameters, blocks and loops are resolved. The result is a blueprint again,
    and compiles into the same model.
    """
    loaded = wanted.load(blueprint)
    text = loaded.expand(variant=wanted.variant_of(loaded), **wanted.params)
    if output is None:
        console.say(text.removesuffix("\n"))
    else:
        check_not_read(loaded, output)
        write_text(output, text)
