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
from archbuilder.config.objective_library import library_objectives
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
_OBJECTIVE_COLUMNS: Final = (
    TableColumn("NAME"),
    TableColumn("NETWORKS"),
    TableColumn("TITLE"),
    TableColumn("REFERENCES"),
)


@click.command(
    "list",
    cls=Command,
    examples=(
        "archbuilder list",
        "archbuilder list --objectives",
        "archbuilder show lenet5",
        "archbuilder new my_lenet.yaml --from lenet5",
    ),
)
@click.option("--objectives", is_flag=True, help="List the training objectives instead.")
@format_option(help_text="Output format; 'json' also has variants, references and paths.")
@click.pass_obj
def list_command(
    console: Console, *, objectives: bool, output_format: Literal["text", "json"]
) -> None:
    """List the blueprints in the library, or its objectives.

    Every command accepts the names of blueprints in place of a file. Those of objectives stand
    under 'training' in a blueprint; 'archbuilder show' shows one.
    """
    if objectives:
        _list_objectives(console, output_format)
        return
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


def _list_objectives(console: Console, output_format: Literal["text", "json"]) -> None:
    files = library_objectives()
    if output_format == "json":
        console.print(json.dumps([each.to_dict() for each in files], indent=2))
        return
    rows = [
        tuple(
            escape_terminal(each)
            for each in (
                file.name,
                ", ".join(file.networks),
                file.title,
                "; ".join(file.references),
            )
        )
        for file in files
    ]
    console.print("\n".join(format_table(_OBJECTIVE_COLUMNS, rows)))
