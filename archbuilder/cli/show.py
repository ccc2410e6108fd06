"""The command `archbuilder show`."""

from __future__ import annotations

import json
from typing import Any, Final, Literal

import click

from archbuilder.blueprint import BlueprintRequest
from archbuilder.cli.command import Command
from archbuilder.cli.common_options import blueprint_argument_and_options, format_option
from archbuilder.cli.console import Console
from archbuilder.cli.numbers import StrictIntRange
from archbuilder.cli.summary import analysis_to_dict, format_totals, summary_table
from archbuilder.compiler.unparse import to_flow_yaml
from archbuilder.config.objective_library import ObjectiveFile, find_objective
from archbuilder.diagnostics.errors import UsageError
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.formatting import TableColumn, format_table
from archbuilder.silence_tensorflow import import_tensorflow

_PARAMETER_COLUMNS: Final = (
    TableColumn("PARAMETER"),
    TableColumn("DEFAULT"),
    TableColumn("DESCRIPTION"),
)


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
        "archbuilder show objectives/vae",
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
    """Show the layers, shapes, parameters and cost of a blueprint, or an objective.

    Shapes have no batch axis; '?' is a dimension of unknown size. Multiply-adds and activation
    memory are those of one example. No memory is allocated for weights.

    Of an objective, as in 'objectives/vae' or a file, it shows what it needs, its parameters and
    its text.
    """
    objective = find_objective(blueprint, request.limits)
    if objective is not None:
        if depth is not None or request.variant is not None or request.params:
            raise UsageError("--depth, --variant and --set are for blueprints, not for objectives")
        is_text = output_format == "text"
        console.print(
            "\n".join(_objective_lines(objective))
            if is_text
            else json.dumps(objective.to_dict(), indent=2)
        )
        return
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


def _objective_lines(objective: ObjectiveFile) -> list[str]:
    """Return what an objective is and needs, and its file."""
    facts = [
        f"{objective.name}: {objective.title}" if objective.title else objective.name,
        *objective.references,
        f"networks: {', '.join(objective.networks) or 'those of the blueprint'}",
        f"columns: {', '.join(objective.columns) or 'the inputs of the networks'}",
        "",
    ]
    parameters = [
        (
            escape_terminal(each.name),
            escape_terminal("required" if each.is_required else to_flow_yaml(each.default)),
            escape_terminal(each.description),
        )
        for each in objective.parameters
    ]
    table = [*format_table(_PARAMETER_COLUMNS, parameters), ""] if parameters else []
    text = objective.text.rstrip("\n").split("\n")
    return [*map(escape_terminal, facts), *table, *map(escape_terminal, text)]
