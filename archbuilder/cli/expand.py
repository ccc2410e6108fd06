"""The command `archbuilder expand`."""

from __future__ import annotations

from pathlib import Path

import click

from archbuilder.blueprint import BlueprintRequest
from archbuilder.cli.command import Command
from archbuilder.cli.common_options import (
    blueprint_argument_and_options,
    check_not_overwriting_source,
    check_not_replacing,
    output_option,
)
from archbuilder.cli.console import Console
from archbuilder.files.atomic_write import check_writable, write_text


@click.command(
    "expand",
    cls=Command,
    examples=(
        "archbuilder expand resnet:50 --set classes=10",
        "archbuilder expand net.yaml -o net.flat.yaml",
    ),
)
@output_option("Write to this file instead of standard output.")
@click.option("--force", is_flag=True, help="Overwrite the file of -o if it exists.")
@blueprint_argument_and_options
@click.pass_obj
def expand_command(
    console: Console,
    *,
    request: BlueprintRequest,
    blueprint: str,
    output: Path | None,
    force: bool,
) -> None:
    """Expand a blueprint into a flat one.

    Parameters, blocks and loops are resolved. The result is a blueprint that compiles into the same
    model.
    """
    loaded = request.load(blueprint)
    text = loaded.expand(variant=request.select_variant(loaded), **request.params)
    if output is None:
        console.print(text.removesuffix("\n"))
    else:
        check_not_overwriting_source(loaded, output)
        check_writable(output)
        check_not_replacing(output, force=force)
        write_text(output, text)
        console.print_saved(output)
