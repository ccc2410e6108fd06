"""The command `archbuilder expand`."""

from __future__ import annotations

from pathlib import Path

import click

from archbuilder.cli.command import Command
from archbuilder.cli.common_options import (
    BlueprintRequest,
    blueprint_argument_and_options,
    check_not_overwriting_source,
)
from archbuilder.cli.console import Console
from archbuilder.files.atomic_write import write_text


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
@blueprint_argument_and_options
@click.pass_obj
def expand_command(
    console: Console, *, request: BlueprintRequest, blueprint: str, output: Path | None
) -> None:
    """Write a blueprint out in full.

    All parameters, blocks and loops are resolved. The result is a blueprint again,
    and compiles into the same model.
    """
    loaded = request.load(blueprint)
    text = loaded.expand(variant=request.select_variant(loaded), **request.params)
    if output is None:
        console.print(text.removesuffix("\n"))
    else:
        check_not_overwriting_source(loaded, output)
        write_text(output, text)
