"""The command `archbuilder evaluate`."""

from __future__ import annotations

import json
import math
from typing import Literal

import click

from archbuilder import api
from archbuilder.cli.command import Command
from archbuilder.cli.common_options import format_option
from archbuilder.cli.console import Console
from archbuilder.cli.device_options import is_chief
from archbuilder.cli.recipe_options import data_option
from archbuilder.cli.trained_run import TrainedRunRequest, trained_run_options


@click.command(
    "evaluate",
    cls=Command,
    examples=(
        "archbuilder evaluate runs/lenet-1",
        "archbuilder evaluate runs/lenet-1 --test",
        "archbuilder evaluate runs/lenet-1 --data other.npz --format json",
        "archbuilder evaluate lenet.keras --blueprint lenet.yaml --recipe mnist.yaml",
    ),
)
@data_option
@click.option("--test", is_flag=True, help="Use the test set of the run, not the validation set.")
@format_option()
@trained_run_options
@click.pass_obj
def evaluate_command(
    console: Console,
    /,
    *,
    run_request: TrainedRunRequest,
    data: str | None,
    test: bool,
    output_format: Literal["text", "json"],
) -> int:
    """Compute the losses and metrics of a trained network.

    RUN is a run directory. The losses and metrics are those of its recipe, on its validation set,
    on its test set or on all examples of --data; of a directory with MNIST files, on the test set.
    """
    exit_code = run_request.spawn_workers(console)
    if exit_code is not None:
        return exit_code
    metrics = api.evaluate(
        run_request.target, data=data, test=test, **run_request.api_arguments(console.print_stderr)
    )
    if is_chief(run_request.distribute):
        if output_format == "json":
            # JSON has neither NaN nor infinity; json.dumps would write them as invalid JSON.
            finite = {
                name: value if math.isfinite(value) else None for name, value in metrics.items()
            }
            console.print(json.dumps(finite))
        else:
            width = max(map(len, metrics))
            console.print(
                "\n".join(f"{name:{width}}  {value:.6g}" for name, value in metrics.items())
            )
    return 0
