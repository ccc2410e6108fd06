"""The command `archbuilder predict`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from archbuilder import api
from archbuilder.cli.command import Command
from archbuilder.cli.common_options import format_option, output_option
from archbuilder.cli.console import Console
from archbuilder.cli.device_options import is_chief
from archbuilder.cli.path_type import PathType
from archbuilder.cli.trained_run import TrainedRunRequest, trained_run_options
from archbuilder.config.training import StrategyName
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.files import path_status
from archbuilder.files.atomic_write import atomic_write, check_writable

if TYPE_CHECKING:
    from archbuilder.inference.prediction_writer import PredictionFormat

_FORMATS: Final[tuple[PredictionFormat, ...]] = ("csv", "jsonl")


@click.command(
    "predict",
    cls=Command,
    examples=(
        "archbuilder predict runs/lenet-1 digit.png more-digits/",
        "archbuilder predict runs/lenet-1 data.npz -o predictions.csv",
    ),
)
@output_option("Write to this .csv or .jsonl file instead of standard output.")
@format_option(
    _FORMATS,
    "Output format: a table, or a JSON object per line. [default: by the suffix of FILE, or csv]",
    default=None,
)
@click.option(
    "--network",
    metavar="NAME",
    help="Network that predicts, or its output NAME.OUTPUT. [default: the result of the objective]",
)
@click.option(
    "--raw",
    is_flag=True,
    help="Write the outputs of the network: no probabilities of logits, classes or units.",
)
@trained_run_options
@click.argument("inputs", metavar="[INPUT]...", nargs=-1, type=PathType())
@click.pass_obj
def predict_command(
    console: Console,
    /,
    *,
    run_request: TrainedRunRequest,
    inputs: tuple[Path, ...],
    output: Path | None,
    output_format: PredictionFormat | None,
    network: str | None,
    raw: bool,
) -> int:
    """Predict the outputs of a trained network for inputs.

    RUN is a run directory. INPUT is a .npz, .npy, .csv, .parquet, .jsonl or IDX file, an image, a
    text, a recording, or a directory of these. Without INPUT, the validation set of the run is
    used.
    """
    if output_format is None:
        suffix = ".csv" if output is None else output.suffix
        formats = [each for each in _FORMATS if suffix == f".{each}"]
        if not formats:
            raise UsageError(
                f"{quote(str(output))} must end in .csv or .jsonl; otherwise pass --format csv or"
                " --format jsonl"
            )
        output_format = formats[0]
    if output is not None:
        check_writable(output)
        if any(path_status.same_file(output, each) for each in inputs):
            raise UsageError(f"{quote(str(output))} is an input; choose another output")
    exit_code = run_request.spawn_workers(console)
    if exit_code is not None:
        return exit_code
    predictions = api.predict(
        run_request.target,
        inputs,
        network=network,
        raw=raw,
        **run_request.api_arguments(console.print_stderr),
    )
    # It imports TensorFlow; see archbuilder/cli/__init__.py.
    from archbuilder.inference.prediction_writer import format_predictions  # noqa: PLC0415

    lines = format_predictions(predictions, output_format)
    _write(console, lines, output, run_request.distribute)
    return 0


def _write(
    console: Console, lines: Iterable[str], output: Path | None, distribute: StrategyName
) -> None:
    if not is_chief(distribute):
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
        console.print_saved(output)
