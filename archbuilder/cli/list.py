"""`archbuilder list`."""

from __future__ import annotations

import json
from typing import Literal

import click

from archbuilder import library
from archbuilder.api import Blueprint, load
from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.escaping import for_terminal
from archbuilder.tables import Column, table


@click.command(
    "list",
    cls=Command,
    examples=(
        "archbuilder list",
        "archbuilder show lenet",
        "archbuilder new mine.yaml --from lenet",
    ),
)
@click.option("--format", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.pass_obj
def list_command(console: Console, *, format: Literal["text", "json"]) -> None:  # noqa: A002
    """List the blueprints of the library.

    Any command takes their names in place of a file. 'json' has name, title, variants, references
    and the path of each.
    """
    blueprints = {name: load(library.path(name)) for name in library.names()}
    if format == "json":
        entries = [_as_json(name, blueprint) for name, blueprint in blueprints.items()]
        console.say(json.dumps(entries, indent=2))
        return
    rows = [
        (name, for_terminal(blueprint.title), ", ".join(blueprint.variants))
        for name, blueprint in blueprints.items()
    ]
    columns = (Column("NAME"), Column("TITLE"), Column("VARIANTS"))
    console.say("\n".join(table(columns, rows)))


def _as_json(name: str, blueprint: Blueprint) -> dict[str, object]:
    return {
        "name": name,
        "title": blueprint.title,
        "variants": list(blueprint.variants),
        "references": list(blueprint.references),
        "path": str(library.path(name)),
    }
