"""The command `archbuilder show`."""

from __future__ import annotations

import json
from typing import Any, Literal

import click

from archbuilder.cli.command import Command
from archbuilder.cli.common_options import BlueprintRequest, blueprint_argument_and_options
from archbuilder.cli.console import Console
from archbuilder.cli.numbers import StrictIntRange
from archbuilder.cli.silence_tensorflow import import_tensorflow
from archbuilder.cli.summary import format_totals, summary_table, to_dict


class _Depth(StrictIntRange):
    """A number of levels, or `all`."""

    def convert(  # type: ignore[override]  # a text besides the numbers
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | Literal["all"]:
        """Convert the value of an option, or fail with a message."""
        return "all" if value == "all" else super().convert(value, param, ctx)


@click.command(
    "show",
    cls=Command,
    examples=(
        "archbuilder show lenet.yaml",
        "archbuilder show resnet:50 --depth all",
        "archbuilder show resnet --depth 2 --set classes=10",
        "archbuilder show lenet.yaml --format json",
    ),
)
@click.option(
    "--depth",
    metavar="N|all",
    type=_Depth(min=0),
    help="How deep blocks within blocks are written out: with 1, every block is one row; with 0,"
    " only the sums are shown.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="'json' has every layer, whatever --depth says.",
)
@blueprint_argument_and_options
@click.pass_obj
def show_command(
    console: Console,
    *,
    request: BlueprintRequest,
    blueprint: str,
    depth: int | Literal["all"] | None,
    form: Literal["text", "json"],
) -> None:
    """Show the steps, shapes, parameters and cost.

    Shapes come without the batch axis, '?' is a length left open. Multiply-adds and activation
    memory are those of one example. Nothing is trained, and no memory is taken for weights.
    """
    loaded = request.load(blueprint)
    variant = request.select_variant(loaded)
    console.report_diagnostics(loaded.validate(variant=variant, **request.params))
    import_tensorflow()
    analyses = loaded.analyze(variant=variant, **request.params)
    if form == "json":
        console.print(json.dumps([to_dict(analysis) for analysis in analyses.values()], indent=2))
        return
    graphs = loaded.graphs(variant=variant, **request.params)
    for index, (name, analysis) in enumerate(analyses.items()):
        lines = [""] if index else []
        if depth != 0:
            lines += [*summary_table(analysis, graphs[name], depth), ""]
        console.print("\n".join([*lines, format_totals(analysis)]))
