"""`archbuilder list`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final, Literal

import click

from archbuilder import library
from archbuilder.api import load
from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.escaping import for_terminal
from archbuilder.library import GalleryEntry
from archbuilder.tables import Column, count, size, table

COLUMNS: Final = (
    Column("NAME"),
    Column("PARAMETERS", right=True),
    Column("MULTIPLY-ADDS", right=True),
    Column("WEIGHTS", right=True),
    Column("TITLE"),
    Column("PROVEN AGAINST"),
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
@click.option("--format", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.pass_obj
def list_command(console: Console, *, format: Literal["text", "json"]) -> None:  # noqa: A002
    """List the blueprints of the library.

    Any command takes their names in place of a file. 'json' has title, variants, references and
    sizes of each, and its path.
    """
    entries = library.gallery()
    if format == "json":
        console.say(json.dumps([_as_json(entry) for entry in entries], indent=2))
        return
    console.say("\n".join(table(COLUMNS, [row for entry in entries for row in _rows(entry)])))


def _rows(entry: GalleryEntry) -> Iterator[tuple[str, ...]]:
    """The sizes of a blueprint; what is said of all of them stands in the first line."""
    title, against = for_terminal(entry.title), for_terminal(entry.against.replace("`", ""))
    for row in entry.rows:
        yield (
            f"{row.command(entry.name)} {row.network}".strip(),
            count(row.parameters),
            count(row.multiply_adds),
            size(row.weight_bytes),
            title,
            against,
        )
        title = against = ""


def _as_json(entry: GalleryEntry) -> dict[str, object]:
    blueprint = load(library.path(entry.name))
    return {
        "name": entry.name,
        "title": entry.title,
        "variants": list(blueprint.variants),
        "references": list(blueprint.references),
        "path": str(library.path(entry.name)),
        "proven_against": entry.against,
        "sizes": [row.as_plain() for row in entry.rows],
    }
