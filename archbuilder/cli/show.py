"""`archbuilder show`."""

from __future__ import annotations

import json
from typing import Literal

import click

from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.cli.numbers import WholeNumber
from archbuilder.cli.options import Wanted, takes_blueprint
from archbuilder.cli.quiet import import_tensorflow
from archbuilder.report import as_data, overview, step_table


@click.command(
    "show",
    cls=Command,
    examples=(
        "archbuilder show lenet.yaml",
        "archbuilder show resnet:50 --unfold",
        "archbuilder show resnet --depth 2 --set classes=10",
        "archbuilder show lenet.yaml --format json",
    ),
)
@click.option(
    "--depth",
    type=WholeNumber(min=0),
    help="How deep blocks within blocks are written out: with 1, every block is one row; with 0,"
    " only the sums are shown.",
)
@click.option("--unfold", is_flag=True, help="Write all blocks out: one row for each layer.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="'json' has every layer, whatever --depth says.",
)
@takes_blueprint
@click.pass_obj
def show_command(
    console: Console,
    *,
    wanted: Wanted,
    blueprint: str,
    depth: int | None,
    unfold: bool,
    form: Literal["text", "json"],
) -> None:
    """Show the steps, shapes, parameters and cost.

    Shapes come without the batch axis, '?' is a length left open. Multiply-adds and activation
    memory are those of one example. Nothing is trained, and no memory is taken for weights.
    """
    loaded = wanted.load(blueprint)
    variant = wanted.variant_of(loaded)
    console.show(loaded.validate(variant=variant, **wanted.params))
    import_tensorflow()
    analyses = loaded.analyse(variant=variant, **wanted.params)
    if form == "json":
        console.say(json.dumps([as_data(analysis) for analysis in analyses.values()], indent=2))
        return
    graphs = loaded.graphs(variant=variant, **wanted.params)
    for place, (name, analysis) in enumerate(analyses.items()):
        lines = [""] if place else []
        if depth != 0:
            lines += [*step_table(analysis, graphs[name], depth=depth, unfold=unfold), ""]
        console.say("\n".join([*lines, overview(analysis)]))
