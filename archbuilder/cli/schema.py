"""The command `archbuilder schema`."""

from __future__ import annotations

from pathlib import Path

import click

from archbuilder import registry
from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.files.atomic_write import write_text
from archbuilder.language.json_schema import schema_text


@click.command(
    "schema",
    cls=Command,
    examples=("archbuilder schema -o blueprint-v1.schema.json",),
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write to a file instead of the standard output.",
)
@click.pass_obj
def schema_command(console: Console, *, output: Path | None) -> None:
    """Write the JSON Schema of blueprints, for editors.

    With it an editor completes layers and their arguments, and marks mistakes while you type. For
    VS Code with the YAML extension, a blueprint begins with the comment

    # yaml-language-server: $schema=./blueprint-v1.schema.json
    """
    text = schema_text(registry.load())
    if output is None:
        console.print(text.removesuffix("\n"))
    else:
        write_text(output, text)
