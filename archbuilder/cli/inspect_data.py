"""The command `archbuilder inspect-data`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from archbuilder.blueprint import BlueprintRequest
from archbuilder.cli.command import Command
from archbuilder.cli.common_options import blueprint_options, format_option
from archbuilder.cli.console import Console
from archbuilder.cli.path_type import PathType
from archbuilder.cli.recipe_options import data_option, recipe_option
from archbuilder.config.run_inputs import load_recipe, select_data
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.files.atomic_write import atomic_write, check_writable
from archbuilder.formatting import TableColumn, format_count, format_table, plural
from archbuilder.silence_tensorflow import import_tensorflow

if TYPE_CHECKING:
    from archbuilder.data.inspect import DataReport


@click.command(
    "inspect-data",
    cls=Command,
    examples=(
        "archbuilder inspect-data digits_cnn --preview digits.png",
        "archbuilder inspect-data lenet5 --data mnist/",
        "archbuilder inspect-data gpt2 --recipe plays.yaml --format json",
    ),
)
@recipe_option
@data_option
@click.option(
    "--preview",
    metavar="FILE.png",
    type=PathType(),
    help="Write an image of 64 preprocessed and augmented examples to this file.",
)
@format_option()
@click.argument("blueprint")
@blueprint_options
@click.pass_obj
def inspect_data_command(
    console: Console,
    /,
    *,
    request: BlueprintRequest,
    blueprint: str,
    recipe: Path | None,
    data: str | None,
    preview: Path | None,
    output_format: Literal["text", "json"],
) -> None:
    """Show the data of a network, and its preprocessing.

    The statistics are those of the inputs and targets that 'archbuilder train' would use, as the
    source gives them: before the preprocessing that is listed, such as a division by 255.
    """
    if preview is not None:
        if preview.suffix.lower() != ".png":
            raise UsageError(f"--preview {quote(str(preview))} must end in .png")
        check_writable(preview)
    loaded = request.load(blueprint)
    variant = request.select_variant(loaded)
    graphs = loaded.graphs(variant=variant, **request.params)
    full_recipe = load_recipe(loaded, graphs, request, recipe)
    data_config = select_data(full_recipe, data)
    import_tensorflow()
    # This imports TensorFlow; see archbuilder/cli/__init__.py.
    from archbuilder.data.inspect import encode_png, inspect_data  # noqa: PLC0415
    from archbuilder.data.sizes import load_sizes  # noqa: PLC0415

    sizes = loaded.sizes_from_data(variant=variant, **request.params)
    if sizes:
        values = load_sizes(data_config, full_recipe.training, request.allow_dirs, sizes)
        request = dataclasses.replace(request, params={**request.params, **values})
        graphs = loaded.graphs(variant=variant, **request.params)
        full_recipe = load_recipe(loaded, graphs, request, recipe)
    analyses = loaded.analyze(variant=variant, **request.params).values()
    output_shapes = {name: shape for each in analyses for name, shape in each.outputs.items()}
    report = inspect_data(
        graphs, data_config, full_recipe.training, request.allow_dirs, output_shapes
    )
    console.print(_json(report) if output_format == "json" else "\n".join(_lines(report)))
    # After the report, which shows the values.
    if report.target_error is not None:
        raise report.target_error
    if preview is None:
        return
    if report.preview is None:
        raise UsageError(
            "--preview needs images: no input of the network has the shape of an image"
        )
    with atomic_write(preview) as file:
        file.write(encode_png(report.preview))
    console.print_stderr(escape_terminal(f"Saved {preview}"))


def _lines(report: DataReport) -> list[str]:
    """Format a report as text for a terminal."""
    num_training, has_test = format_count(report.training_examples), report.test_examples > 0
    is_sample = report.sampled_examples != report.training_examples
    sample_text = f"a sample of {format_count(report.sampled_examples)} of " if is_sample else ""
    titles = [TableColumn(title) for title in ("", "SHAPE", "DTYPE")]
    titles += [TableColumn(title, align_right=True) for title in ("MIN", "MAX", "MEAN", "STD")]
    rows: list[tuple[str, ...]] = []
    for column in (*report.inputs, *report.targets):
        shape = "x".join(map(str, column.shape)) or "scalar"
        numbers = (f"{number:.4g}" for number in (column.min, column.max, column.mean, column.std))
        rows.append((column.name, shape, column.dtype, *numbers))
    lines = [
        f"source               {report.source_name}",
        f"training examples    {num_training}",
        f"validation examples  {format_count(report.validation_examples)}{report.split_note}",
        *([f"test examples        {format_count(report.test_examples)}"] * has_test),
        "",
        f"Statistics of {sample_text}{plural(report.training_examples, 'training example')}:",
        *format_table(titles, rows),
    ]
    for target in report.targets:
        counts = [target.training_class_counts, target.validation_class_counts]
        counts += [target.test_class_counts] * has_test
        if counts[0]:
            titles = [TableColumn(f"CLASS ({target.name})")]
            titles += [
                TableColumn(title, align_right=True)
                for title in ("TRAINING", "VALIDATION", "TEST")[: len(counts)]
            ]
            rows = [
                (escape_terminal(name), *(format_count(each[name]) for each in counts))
                for name in counts[0]
            ]
            lines += ["", *format_table(titles, rows)]
    if report.notes:
        lines += ["", *report.notes]
    if report.sample_text:
        lines += ["", "First sequence:", report.sample_text]
    return [escape_terminal(line) for block in lines for line in block.split("\n")]


def _json(report: DataReport) -> str:
    name = report.source_name
    fields = {
        # Without the quotes of messages; several files are quoted each.
        "source": name.strip("'") if name.count("'") == 2 else name,
        "training_examples": report.training_examples,
        "validation_examples": report.validation_examples,
        "test_examples": report.test_examples,
        "sampled_examples": report.sampled_examples,
        "inputs": [dataclasses.asdict(each) for each in report.inputs],
        "targets": [dataclasses.asdict(each) for each in report.targets],
        "notes": report.notes,
        "sample_text": report.sample_text,
    }
    return json.dumps(fields, indent=2)
