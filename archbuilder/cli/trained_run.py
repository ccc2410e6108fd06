"""Options of `evaluate` and `predict`: a trained network, and the devices to run it on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from archbuilder.cli.common_options import BlueprintRequest, blueprint_options
from archbuilder.cli.console import Console
from archbuilder.cli.device_options import device_options, spawn_workers
from archbuilder.cli.recipe_options import recipe_option
from archbuilder.cli.run_inputs import ModelTarget, load_target
from archbuilder.cli.silence_tensorflow import import_tensorflow
from archbuilder.config.training import StrategyName

if TYPE_CHECKING:
    from archbuilder.distribution.strategy import DeviceSetup
    from archbuilder.inference.evaluate import TrainedRun

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class TrainedRunRequest:
    """Options that select a trained network and the devices to run it on."""

    target: Path
    """A run directory or a `.keras` file."""
    blueprint: str | None
    """The blueprint of a `.keras` file outside a run directory."""
    blueprint_request: BlueprintRequest
    recipe: Path | None
    batch_size: int | None
    distribute: StrategyName
    workers: int | None

    def spawn_workers(self, console: Console) -> int | None:
        """Run the command in local workers, if there are several, and return the exit code."""
        return spawn_workers(console, self.workers, self.distribute)

    def load(self) -> ModelTarget:
        """Load the target, without TensorFlow.

        Raises:
            UsageError: if there is no such run or file, or no blueprint or recipe for it.
            BlueprintError: with all errors in the blueprint or the recipe.
        """
        return load_target(self.target, self.blueprint_request, self.blueprint, self.recipe)

    @contextmanager
    def open(self, target: ModelTarget) -> Iterator[tuple[TrainedRun, DeviceSetup]]:
        """Import TensorFlow and set up the devices; workers that fail end the context.

        Raises:
            RunError: if the devices do not exist, or a batch has less than one example for each.
            ClusterError: if the workers cannot connect, or one of them was lost.
        """
        import_tensorflow()
        # These import TensorFlow; see archbuilder/cli/__init__.py.
        from archbuilder.distribution.membership import make_membership  # noqa: PLC0415
        from archbuilder.distribution.strategy import setup_devices  # noqa: PLC0415
        from archbuilder.inference.evaluate import TrainedRun  # noqa: PLC0415

        run, config = target.run, target.run.config
        devices = setup_devices(
            self.distribute,
            self.batch_size or config.training.batch_size,
            membership=make_membership(
                self.target, run.blueprint_text, config.data, config.training
            ),
        )
        with devices.workers.worker_failure_scope():
            yield (
                TrainedRun(
                    run.graphs, config, run.blueprint_text, target.run_dir, target.weight_files
                ),
                devices,
            )


def trained_run_options(function: Callable[..., _Result]) -> Callable[..., _Result]:
    """Decorate a command with the argument RUN|MODEL.keras and the options of a trained run.

    The command receives them as one argument `run_request`, a `TrainedRunRequest`.
    """

    @functools.wraps(function)
    def command(
        *args: object,
        request: BlueprintRequest,
        target: Path,
        blueprint: str | None,
        recipe: Path | None,
        batch_size: int | None,
        distribute: StrategyName,
        workers: int | None,
        **kwargs: object,
    ) -> _Result:
        run_request = TrainedRunRequest(
            target, blueprint, request, recipe, batch_size, distribute, workers
        )
        return function(*args, run_request=run_request, **kwargs)

    decorated = blueprint_options(command)
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


_OPTIONS: tuple[Callable[[Callable[..., object]], Callable[..., object]], ...] = (
    click.argument("target", metavar="RUN|MODEL.keras", type=click.Path(path_type=Path)),
    click.option(
        "--blueprint",
        metavar="BLUEPRINT",
        help="Blueprint of a .keras file that is not in its run directory.",
    ),
    recipe_option,
    device_options(),
)
