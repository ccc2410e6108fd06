"""The command `archbuilder show`."""

from __future__ import annotations

import json
from typing import Any, Literal

import click

from archbuilder.blueprint import BlueprintRequest
from archbuilder.cli.command import Command
from archbuilder.cli.common_options import (
    blueprint_argument_and_options,
    format_option,
)
from archbuilder.cli.console import Console
from archbuilder.cli.numbers import StrictIntRange
from archbuilder.cli.summary import analysis_to_dict, format_totals, summary_table
from archbuilder.silence_tensorflow import import_tensorflow


class _Depth(StrictIntRange):
    """A number of levels, or `all`."""

    description = "an integer or 'all'"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert the value of an option, or fail with a message."""
        return "all" if value == "all" else super().convert(value, param, ctx)


@click.command(
    "show",
    cls=Command,
    examples=(
        "archbuilder show net.yaml",
        "archbuilder show resnet:50 --depth all",
        "archbuilder show resnet --depth 2 --set classes=10",
        "archbuilder show lenet5 --format json",
    ),
)
@click.option(
    "--depth",
    type=_Depth(0),
    metavar="N|all",
    help="Depth to which nested blocks are expanded: 'all' shows every layer, 1 every block as one"
    " row, and 0 only the totals. [default: what fits on a screen]",
)
@format_option(help_text="Output format; 'json' has every layer, whatever the depth.")
@blueprint_argument_and_options
@click.pass_obj
def show_command(
    console: Console,
    *,
    request: BlueprintRequest,
    blueprint: str,
    depth: int | Literal["all"] | None,
    output_format: Literal["text", "json"],
) -> None:
    """Show the layers, shapes, parameters and cost of a blueprint.

    Shapes have no batch axis; '?' is a dimension of unknown size. Multiply-adds and activation
    memory are those of one example. No memory is allocated for weights.
    """
    loaded = request.load(blueprint)
    variant = request.select_variant(loaded)
    console.report_diagnostics(loaded.validate_with_shapes(variant=variant, **request.params))
    import_tensorflow()
    analyses = loaded.analyze(variant=variant, **request.params)
    if output_format == "json":
        console.print(
            json.dumps([analysis_to_dict(analysis) for analysis in analyses.values()], indent=2)
        )
        return
    graphs = loaded.graphs(variant=variant, **request.params)
    for index, (name, analysis) in enumerate(analyses.items()):
        lines = [""] if index else []
        if depth != 0:
            lines += [*summary_table(analysis, graphs[name], depth), ""]
        console.print("\n".join([*lines, format_totals(analysis)]))
