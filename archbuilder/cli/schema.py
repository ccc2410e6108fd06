"""The command `archbuilder schema`."""

from __future__ import annotations

from pathlib import Path

import click

from archbuilder import registry
from archbuilder.cli.command import Command
from archbuilder.cli.common_options import output_option
from archbuilder.cli.console import Console
from archbuilder.config.json_schema import full_schema_text
from archbuilder.files.atomic_write import write_text


@click.command(
    "schema",
    cls=Command,
    examples=("archbuilder schema -o blueprint-v1.schema.json",),
)
@output_option("Write to this file instead of standard output.")
@click.pass_obj
def schema_command(console: Console, *, output: Path | None) -> None:
    """Print the JSON Schema of blueprints, for editors.

    An editor completes layers and their arguments with it, and marks errors while you type. For the
    YAML extension of VS Code, begin a blueprint with the comment

    # yaml-language-server: $schema=./blueprint-v1.schema.json
    """
    text = full_schema_text(registry.load())
    if output is None:
        console.print(text.removesuffix("\n"))
    else:
        write_text(output, text)
        console.print_saved(output)
