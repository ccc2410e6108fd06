"""The command `archbuilder evaluate`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Literal

import click

from archbuilder.cli.command import Command
from archbuilder.cli.common_options import format_option
from archbuilder.cli.console import Console
from archbuilder.cli.recipe_options import data_option
from archbuilder.cli.trained_run import TrainedRunRequest, trained_run_options
from archbuilder.config import data_from_argument


@click.command(
    "evaluate",
    cls=Command,
    examples=(
        "archbuilder evaluate runs/lenet-1",
        "archbuilder evaluate runs/lenet-1 --data other.npz --format json",
        "archbuilder evaluate lenet.keras --blueprint lenet.yaml --recipe mnist.yaml",
    ),
)
@data_option
@format_option()
@trained_run_options
@click.pass_obj
def evaluate_command(
    console: Console,
    /,
    *,
    run_request: TrainedRunRequest,
    data: str | None,
    output_format: Literal["text", "json"],
) -> int:
    """Compute the losses and metrics of a trained network.

    RUN is a run directory. The losses and metrics are those of its recipe, on its validation set
    or on all examples of --data; of a directory with MNIST files, on the test set.
    """
    exit_code = run_request.spawn_workers(console)
    if exit_code is not None:
        return exit_code
    target = run_request.load()
    eval_data = None if data is None else data_from_argument(data, target.run.config.data)
    with run_request.open(target) as (trained_run, devices):
        # It imports TensorFlow; see archbuilder/cli/__init__.py.
        from archbuilder.inference.evaluate import evaluate  # noqa: PLC0415

        is_chief = devices.workers.is_chief
        metrics = evaluate(
            trained_run,
            run_request.blueprint_request.limits,
            devices,
            lambda line: console.print_stderr(line) if is_chief else None,
            data_source=None if eval_data is None else eval_data.validation or eval_data.train,
            batch_size=run_request.batch_size,
        )
    if is_chief:
        console.print(_to_json(metrics) if output_format == "json" else _to_text(metrics))
    return 0


def _to_json(metrics: Mapping[str, float]) -> str:
    # JSON has neither NaN nor infinity; json.dumps would write them as invalid JSON.
    return json.dumps(
        {name: value if math.isfinite(value) else None for name, value in metrics.items()}
    )


def _to_text(metrics: Mapping[str, float]) -> str:
    width = max(map(len, metrics))
    return "\n".join(f"{name:{width}}  {value:.6g}" for name, value in metrics.items())
