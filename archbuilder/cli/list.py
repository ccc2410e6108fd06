"""The command `archbuilder list`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final, Literal

import click

from archbuilder import zoo
from archbuilder.blueprint import load
from archbuilder.cli.command import Command
from archbuilder.cli.common_options import format_option
from archbuilder.cli.console import Console
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.formatting import TableColumn, format_bytes, format_count, format_table
from archbuilder.zoo import ZooEntry

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
        console.print(json.dumps([_to_dict(entry) for entry in entries], indent=2))
        return
    console.print(
        "\n".join(format_table(COLUMNS, [row for entry in entries for row in _rows(entry)]))
    )


def _rows(entry: ZooEntry) -> Iterator[tuple[str, ...]]:
    """Yield one table row per size of a blueprint; only the first has its title and reference."""
    # References are Markdown; the backticks only make sense on the gallery's page.
    title, reference = (
        escape_terminal(entry.title),
        escape_terminal(entry.reference.replace("`", "")),
    )
    for row in entry.rows:
        yield (
            f"{row.blueprint_argument(entry.name)} {row.network}".strip(),
            format_count(row.parameters),
            format_count(row.multiply_adds),
            format_bytes(row.weight_bytes),
            title,
            reference,
        )
        title = reference = ""


def _to_dict(entry: ZooEntry) -> dict[str, object]:
    blueprint = load(zoo.path(entry.name))
    return {
        "name": entry.name,
        "title": entry.title,
        "variants": list(blueprint.variants),
        "references": list(blueprint.references),
        "path": str(zoo.path(entry.name)),
        "reference": entry.reference,
        "sizes": [row.to_dict() for row in entry.rows],
    }
