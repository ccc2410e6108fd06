"""The command `archbuilder predict`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from archbuilder.cli.command import Command
from archbuilder.cli.common_options import BlueprintRequest, blueprint_options
from archbuilder.cli.console import Console
from archbuilder.cli.device_options import device_options, spawn_workers
from archbuilder.cli.run_inputs import load_target
from archbuilder.cli.silence_tensorflow import import_tensorflow
from archbuilder.config.training import StrategyName
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.files import path_status
from archbuilder.files.atomic_write import atomic_write, check_writable

if TYPE_CHECKING:
    from archbuilder.inference.prediction_writer import PredictionFormat

_SUFFIXES: Final = (".csv", ".jsonl")


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
@device_options
@click.argument("target", metavar="RUN|MODEL.keras", type=click.Path(path_type=Path))
@click.argument("inputs", metavar="[INPUT]...", nargs=-1, type=click.Path(path_type=Path))
@blueprint_options
@click.pass_obj
def predict_command(  # noqa: PLR0913 - an option each
    console: Console,
    /,
    *,
    request: BlueprintRequest,
    target: Path,
    inputs: tuple[Path, ...],
    output: Path | None,
    form: PredictionFormat | None,
    blueprint: str | None,
    recipe: Path | None,
    batch_size: int | None,
    distribute: StrategyName,
    workers: int | None,
) -> int:
    """Tell what a trained network says of inputs.

    An INPUT is a .npz, .npy, .csv, .parquet, .jsonl or IDX file, an image, or a folder of images
    (also of images in folders). Without one, it is what training held out.
    """
    if output is not None:
        if form is None and output.suffix not in _SUFFIXES:
            raise UsageError(
                f"{quote(output.name)} ends in neither {' nor '.join(_SUFFIXES)}: say --format csv"
                " or --format jsonl"
            )
        check_writable(output)
        if any(path_status.same_file(output, each) for each in inputs):
            raise UsageError(f"{quote(str(output))} is an input; give another name")
    exit_code = spawn_workers(console, workers, distribute)
    if exit_code is not None:
        return exit_code
    model_target = load_target(target, request, blueprint, recipe)
    config = model_target.run.config
    import_tensorflow()
    # These import TensorFlow; see archbuilder/cli/__init__.py.
    from archbuilder.distribution.membership import make_membership  # noqa: PLC0415
    from archbuilder.distribution.strategy import setup_devices  # noqa: PLC0415
    from archbuilder.inference.evaluate import TrainedRun  # noqa: PLC0415
    from archbuilder.inference.predict import predict  # noqa: PLC0415
    from archbuilder.inference.prediction_writer import format_predictions  # noqa: PLC0415

    output_format: PredictionFormat = form or (
        "jsonl" if output is not None and output.suffix == ".jsonl" else "csv"
    )
    devices = setup_devices(
        distribute,
        batch_size or config.training.batch_size,
        membership=make_membership(
            target, model_target.run.blueprint_text, config.data, config.training
        ),
    )
    is_chief = devices.workers.is_chief
    with devices.workers.worker_failure_scope():
        predictions = predict(
            TrainedRun(
                model_target.run.graphs,
                config,
                model_target.run.blueprint_text,
                model_target.run_dir,
                model_target.weight_files,
            ),
            inputs,
            request.limits,
            devices,
            lambda line: console.print_stderr(line) if is_chief else None,
            batch_size or config.training.batch_size,
        )
        lines = format_predictions(predictions, output_format)
        _write(console, lines, output, is_chief=is_chief)
        devices.workers.shutdown_barrier()
    return 0


def _write(console: Console, lines: Iterable[str], output: Path | None, *, is_chief: bool) -> None:
    if not is_chief:
        # The lines are computed while they are read, by all workers together: the chief would wait
        # for a worker that does not read them.
        for _ in lines:
            pass
    elif output is None:
        for line in lines:
            console.print(escape_terminal(line))
    else:
        with atomic_write(output) as file:
            file.writelines(f"{line}\n".encode() for line in lines)
