"""The command `archbuilder list`."""

from __future__ import annotations

import json
from typing import Final, Literal

import click

from archbuilder import zoo
from archbuilder.blueprint import load
from archbuilder.cli.command import Command
from archbuilder.cli.common_options import format_option
from archbuilder.cli.console import Console
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.formatting import TableColumn, format_bytes, format_count, format_table

COLUMNS: Final = (
    TableColumn("NAME"),
    TableColumn("PARAMETERS", align_right=True),
    TableColumn("MULTIPLY-ADDS", align_right=True),
    TableColumn("WEIGHTS", align_right=True),
    TableColumn("TITLE"),
    TableColumn("REFERENCE"),
)


@click.command(
    "list",
    cls=Command,
    examples=(
        "archbuilder list",
        "archbuilder show lenet5",
        "archbuilder new my_lenet.yaml --from lenet5",
    ),
)
@format_option(help_text="Output format; 'json' also has variants, references and paths.")
@click.pass_obj
def list_command(console: Console, *, output_format: Literal["text", "json"]) -> None:
    """List the blueprints in the library.

    Every command accepts these names in place of a file.
    """
    entries = zoo.gallery()
    if output_format == "json":
        blueprints = [load(zoo.path(entry.name)) for entry in entries]
        items = [
            {
                "name": entry.name,
                "title": entry.title,
                "variants": list(blueprint.variants),
                "references": list(blueprint.references),
                "path": str(zoo.path(entry.name)),
                "reference": entry.reference,
                "sizes": [size.to_dict() for size in entry.rows],
            }
            for entry, blueprint in zip(entries, blueprints, strict=True)
        ]
        console.print(json.dumps(items, indent=2))
        return
    rows = []
    for entry in entries:
        title = escape_terminal(entry.title)
        # References are Markdown; the backticks only make sense on the gallery's page.
        reference = escape_terminal(entry.reference.replace("`", ""))
        for size in entry.rows:
            name = f"{size.blueprint_argument(entry.name)} {size.network}".strip()
            counts = (format_count(size.parameters), format_count(size.multiply_adds))
            rows.append((name, *counts, format_bytes(size.weight_bytes), title, reference))
            # Only the first row of a blueprint has them.
            title = reference = ""
    console.print("\n".join(format_table(COLUMNS, rows)))
