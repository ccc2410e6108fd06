"""Options of the commands that use a trained run, and the devices to run it on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict, get_args

import click

from archbuilder.blueprint import BlueprintRequest
from archbuilder.cli.common_options import blueprint_options
from archbuilder.cli.console import Console
from archbuilder.cli.device_options import device_options, spawn_workers
from archbuilder.cli.option_group import option_group
from archbuilder.cli.path_type import PathType
from archbuilder.cli.recipe_options import recipe_option
from archbuilder.config.save_best import WeightsChoice
from archbuilder.config.training import StrategyName
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData

run_weights_option = click.option(
    "--weights",
    type=click.Choice(get_args(WeightsChoice)),
    default="last",
    show_default=True,
    help="Weights of the run: those that it ended with, or those of the best epoch of 'save_best'.",
)


class TrainedRunArguments(TypedDict):
    """Arguments that `api.evaluate` and `api.predict` share."""

    weights: WeightsChoice
    batch_size: int | None
    distribute: StrategyName
    blueprint: str | None
    recipe: Path | None
    variant: str | None
    params: Mapping[str, PlainData]
    limits: Limits
    allow_dirs: tuple[Path, ...]
    log: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainedRunRequest:
    """Options that select a trained network and the devices to run it on."""

    target: Path
    """A run directory or a `.keras` file."""
    blueprint: str | None
    """The blueprint of a `.keras` file outside a run directory."""
    request: BlueprintRequest
    recipe: Path | None
    weights: WeightsChoice
    batch_size: int | None
    distribute: StrategyName
    workers: int | None

    def spawn_workers(self, console: Console) -> int | None:
        """Run the command in local workers, if there are several, and return the exit code."""
        return spawn_workers(console, self.workers, self.distribute)

    def api_arguments(self, log: Callable[[str], None]) -> TrainedRunArguments:
        """Return the arguments that `api.evaluate` and `api.predict` share."""
        request = self.request
        return {
            "weights": self.weights,
            "batch_size": self.batch_size,
            "distribute": self.distribute,
            "blueprint": self.blueprint,
            "recipe": self.recipe,
            "variant": request.variant,
            "params": request.params,
            "limits": request.limits,
            "allow_dirs": request.allow_dirs,
            "log": log,
        }


trained_run_options: Final = option_group(
    "run_request",
    TrainedRunRequest,
    click.argument("target", metavar="RUN|MODEL.keras", type=PathType()),
    click.option(
        "--blueprint",
        metavar="BLUEPRINT",
        help="Blueprint of a .keras file that is not in its run directory.",
    ),
    recipe_option,
    run_weights_option,
    device_options(),
    blueprint_options,
)
"""Adds the argument RUN|MODEL.keras and the options of a trained run, as one argument
`run_request`."""
