"""The command `archbuilder evaluate`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Literal

import click

from archbuilder.cli.command import Command
from archbuilder.cli.common_options import BlueprintRequest, blueprint_options
from archbuilder.cli.console import Console
from archbuilder.cli.device_options import device_options, spawn_workers
from archbuilder.cli.run_inputs import load_target
from archbuilder.cli.silence_tensorflow import import_tensorflow
from archbuilder.config import data_from_argument
from archbuilder.config.training import StrategyName


@click.command(
    "evaluate",
    cls=Command,
    examples=(
        "archbuilder evaluate runs/lenet-1",
        "archbuilder evaluate runs/lenet-1 --data other.npz --format json",
        "archbuilder evaluate lenet.keras --blueprint lenet.yaml --recipe mnist.yaml",
    ),
)
@click.option(
    "--data",
    metavar="DATA",
    help="Other examples, named as for 'train'; of a folder with the files of MNIST, those to test"
    " with are taken.",
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
@click.option(
    "--format",
    "output_format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="Output format",
)
@device_options
@click.argument("target", metavar="RUN|MODEL.keras", type=click.Path(path_type=Path))
@blueprint_options
@click.pass_obj
def evaluate_command(  # noqa: PLR0913 - an option each
    console: Console,
    /,
    *,
    request: BlueprintRequest,
    target: Path,
    data: str | None,
    blueprint: str | None,
    recipe: Path | None,
    output_format: Literal["text", "json"],
    batch_size: int | None,
    distribute: StrategyName,
    workers: int | None,
) -> int:
    """Judge trained networks by the losses and metrics of their recipe.

    By the examples that training held out, or by others.
    """
    exit_code = spawn_workers(console, workers, distribute)
    if exit_code is not None:
        return exit_code
    model_target = load_target(target, request, blueprint, recipe)
    config = model_target.run.config
    eval_data = None if data is None else data_from_argument(data, config.data)
    import_tensorflow()
    # These import TensorFlow; see archbuilder/cli/__init__.py.
    from archbuilder.distribution.membership import make_membership  # noqa: PLC0415
    from archbuilder.distribution.strategy import setup_devices  # noqa: PLC0415
    from archbuilder.inference.evaluate import TrainedRun, evaluate  # noqa: PLC0415

    devices = setup_devices(
        distribute,
        batch_size or config.training.batch_size,
        membership=make_membership(
            target, model_target.run.blueprint_text, config.data, config.training
        ),
    )
    is_chief = devices.workers.is_chief
    with devices.workers.worker_failure_scope():
        metrics = evaluate(
            TrainedRun(
                model_target.run.graphs,
                config,
                model_target.run.blueprint_text,
                model_target.run_dir,
                model_target.weight_files,
            ),
            request.limits,
            devices,
            lambda line: console.print_stderr(line) if is_chief else None,
            # Of a directory with both, as MNIST, evaluate on the test set.
            data_source=None if eval_data is None else eval_data.validation or eval_data.train,
            batch_size=batch_size,
        )
    if is_chief and output_format == "json":
        # JSON has neither NaN nor infinity; json.dumps would write them as invalid JSON.
        json_metrics = {
            key: value if math.isfinite(value) else None for key, value in metrics.items()
        }
        console.print(json.dumps(json_metrics))
    elif is_chief:
        width = max(map(len, metrics))
        console.print("\n".join(f"{key:{width}}  {value:.6g}" for key, value in metrics.items()))
    return 0
