"""`archbuilder predict`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.cli.devices import as_workers, takes_devices
from archbuilder.cli.options import Wanted, takes_choice
from archbuilder.cli.quiet import import_tensorflow
from archbuilder.cli.runs import read_target
from archbuilder.errors import UsageError, shown
from archbuilder.escaping import for_terminal
from archbuilder.recipe.spec import Distribution
from archbuilder.writing import check_target, replacing

if TYPE_CHECKING:
    from archbuilder.using.telling import Form

_ENDINGS: Final = (".csv", ".jsonl")


@click.command(
    "predict",
    cls=Command,
    examples=(
        "archbuilder predict runs/lenet-1 digit.png more-digits/",
        "archbuilder predict runs/lenet-1 data.npz --output predictions.csv",
    ),
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A .csv or .jsonl file in place of the standard output, and of a file of that name;"
    " it appears whole.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("csv", "jsonl")),
    help="A table, or a line of JSON an example; by the name of the output if not given.",
)
@click.option(
    "--blueprint",
    metavar="BLUEPRINT",
    help="What a .keras file has the weights of; not needed in the folder of its run.",
)
@click.option(
    "--recipe",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A file with 'data' and 'training', which go before those of the run or blueprint.",
)
@takes_devices
@click.argument("target", metavar="RUN|MODEL.keras", type=click.Path(path_type=Path))
@click.argument("inputs", metavar="[INPUT]...", nargs=-1, type=click.Path(path_type=Path))
@takes_choice
@click.pass_obj
def predict_command(  # noqa: PLR0913 - an option each
    console: Console,
    /,
    *,
    wanted: Wanted,
    target: Path,
    inputs: tuple[Path, ...],
    output: Path | None,
    form: Form | None,
    blueprint: str | None,
    recipe: Path | None,
    batch_size: int | None,
    distribute: Distribution,
    workers: int | None,
) -> int:
    """Tell what a trained network says of inputs.

    An INPUT is a .npz, .npy, .csv, .parquet, .jsonl or IDX file, an image, or a folder of images
    (also of images in folders). Without one, it is what training held out.
    """
    if output is not None:
        if form is None and output.suffix not in _ENDINGS:
            raise UsageError(
                f"{shown(output.name)} ends in neither {' nor '.join(_ENDINGS)}: say --format csv"
                " or --format jsonl"
            )
        check_target(output)
        if output.exists() and any(each.exists() and output.samefile(each) for each in inputs):
            raise UsageError(f"{shown(str(output))} is an input; give another name")
    done = as_workers(console, workers, distribute)
    if done is not None:
        return done
    found = read_target(target, wanted, blueprint, recipe)
    recorded = found.begun.recorded
    import_tensorflow()
    # Networks are behind the wall: they import TensorFlow.
    from archbuilder.training import membership_of, place  # noqa: PLC0415
    from archbuilder.using.evaluating import Subject  # noqa: PLC0415
    from archbuilder.using.predicting import predict  # noqa: PLC0415
    from archbuilder.using.telling import lines_of  # noqa: PLC0415

    chosen: Form = form or ("jsonl" if output is not None and output.suffix == ".jsonl" else "csv")
    placement = place(
        distribute,
        batch_size or recorded.training.batch_size,
        membership=membership_of(target, found.begun.text, recorded.data, recorded.training),
    )
    chief = placement.peers.chief
    with placement.peers.together():
        predictions = predict(
            Subject(found.begun.graphs, recorded, found.begun.text, found.folder, found.files),
            inputs,
            wanted.limits,
            placement,
            lambda line: console.remark(line) if chief else None,
            batch_size or recorded.training.batch_size,
        )
        lines = lines_of(predictions, chosen)
        _write(console, lines, output, chief=chief)
        placement.peers.leave()
    return 0


def _write(console: Console, lines: Iterable[str], output: Path | None, *, chief: bool) -> None:
    if not chief:
        for _ in lines:
            pass
    elif output is None:
        for line in lines:
            console.say(for_terminal(line))
    else:
        with replacing(output) as file:
            file.writelines(f"{line}\n".encode() for line in lines)
