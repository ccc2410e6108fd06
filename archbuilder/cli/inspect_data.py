"""`archbuilder inspect-data`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.cli.options import Wanted, takes_choice
from archbuilder.cli.quiet import import_tensorflow
from archbuilder.cli.recipes import examples_of, recipe_of
from archbuilder.errors import UsageError, shown
from archbuilder.escaping import for_terminal
from archbuilder.tables import Column, count, plural, table
from archbuilder.writing import check_target, replacing

if TYPE_CHECKING:
    from archbuilder.using.inspecting import Inspection, Summary


@click.command(
    "inspect-data",
    cls=Command,
    examples=(
        "archbuilder inspect-data digits_cnn --picture digits.png",
        "archbuilder inspect-data lenet5 --data mnist/",
        "archbuilder inspect-data gpt2 --recipe plays.yaml --json",
    ),
)
@click.option(
    "--recipe",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A file with 'data' and 'training', which go before those of the blueprint.",
)
@click.option("--data", metavar="DATA", help="Other data, as for 'archbuilder train'.")
@click.option(
    "--picture",
    metavar="FILE.png",
    type=click.Path(path_type=Path),
    help="Draw 64 images as the network is given them.",
)
@click.option("--json", "as_json", is_flag=True, help="Give it as JSON.")
@click.argument("blueprint")
@takes_choice
@click.pass_obj
def inspect_data_command(
    console: Console,
    /,
    *,
    wanted: Wanted,
    blueprint: str,
    recipe: Path | None,
    data: str | None,
    picture: Path | None,
    as_json: bool,
) -> None:
    """Show what a network will be given, without training it."""
    if picture is not None:
        if picture.suffix.lower() != ".png":
            raise UsageError(f"a picture is a .png file, and {shown(picture.name)} is none")
        check_target(picture)
    loaded = wanted.load(blueprint)
    graphs = loaded.graphs(variant=wanted.variant_of(loaded), **wanted.params)
    found = recipe_of(loaded, graphs, wanted, recipe)
    source = examples_of(found, data)
    import_tensorflow()
    # What reads data is behind the wall: it imports TensorFlow.
    from archbuilder.using.inspecting import as_png, inspect_data  # noqa: PLC0415

    inspection = inspect_data(graphs, source, found.training, wanted.allow)
    console.say(_json(inspection) if as_json else "\n".join(_lines(inspection)))
    if picture is None:
        return
    if inspection.pictures is None:
        raise UsageError("the network is given no images that could be drawn")
    with replacing(picture) as file:
        file.write(as_png(inspection.pictures))
    console.remark(for_terminal(f"saved: {picture}"))


def _lines(found: Inspection) -> list[str]:
    """What a person reads."""
    titles = [Column(title) for title in ("", "SHAPE", "TYPE")]
    titles += [Column(title, right=True) for title in ("LEAST", "MOST", "MEAN", "DEVIATION")]
    lines = [
        f"data        {found.origin}",
        f"to train on {plural(found.train, 'example')}",
        f"held out    {plural(found.held_out, 'example')}{found.split}",
        "",
        f"{_part(found)}:",
        *table(titles, [_row(each) for each in (*found.inputs, *found.targets)]),
    ]
    for target in found.targets:
        if target.train_classes:
            lines += ["", *_class_lines(target)]
    if found.remarks:
        lines += ["", *found.remarks]
    if found.text:
        lines += ["", "the first piece:", found.text]
    return [for_terminal(line) for part in lines for line in part.split("\n")]


def _part(found: Inspection) -> str:
    """Say which examples the numbers in the table are of."""
    of = plural(found.train, "example")
    if found.looked_at == found.train:
        return f"the {of} to train on"
    return f"{count(found.looked_at)} of the {of} to train on"


def _class_lines(target: Summary) -> list[str]:
    """How many examples each class has, in both parts of the data."""
    counts = target.train_classes, target.held_out_classes
    titles = [Column(plural(len(counts[0]), "class", "classes") + f" of {target.name}")]
    titles += [Column(title, right=True) for title in ("TO TRAIN ON", "HELD OUT")]
    return table(
        titles,
        [(for_terminal(name), *(count(each[name]) for each in counts)) for name in counts[0]],
    )


def _row(each: Summary) -> tuple[str, ...]:
    shape = "x".join(map(str, each.shape)) or "one"
    numbers = (each.least, each.most, each.mean, each.deviation)
    return (each.name, shape, each.dtype, *(f"{number:.4g}" for number in numbers))


def _json(found: Inspection) -> str:
    fields = {
        "data": found.origin,
        "train": found.train,
        "held_out": found.held_out,
        "summarized": found.looked_at,
        "inputs": [dataclasses.asdict(each) for each in found.inputs],
        "targets": [dataclasses.asdict(each) for each in found.targets],
        "remarks": found.remarks,
        "text": found.text,
    }
    return json.dumps(fields, indent=2)
