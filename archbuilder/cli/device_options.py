"""Options of commands that run on several devices, and the start of local workers."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, TypeVar

import click

from archbuilder.cli.console import Console
from archbuilder.cli.numbers import StrictIntRange
from archbuilder.diagnostics.errors import UsageError
from archbuilder.distribution.cluster_spec import TF_CONFIG_VAR
from archbuilder.launch.command_line import add_options, remove_option
from archbuilder.launch.local_workers import run_workers

_Function = TypeVar("_Function", bound=Callable[..., object])
_MULTI_WORKER: Final = "multi_worker"


def device_options(function: _Function) -> _Function:
    """Decorate a command with --batch-size, --distribute and --workers."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def spawn_workers(console: Console, workers: int | None, distribute: str | None) -> int | None:
    """Run the command in `workers` processes on this machine, and return the exit code.

    Return None if this process is to run the command itself.

    Raises:
        UsageError: if `distribute` names a strategy without a cluster.
        RunError: if one of the processes failed.
    """
    # With TF_CONFIG this process is a worker of a cluster already.
    if workers is None or workers == 1 or TF_CONFIG_VAR in os.environ:
        return None
    if distribute not in (None, "auto", _MULTI_WORKER):
        raise UsageError(
            f"--workers {workers} makes a cluster, and --distribute {distribute} uses none; leave"
            " one of them out"
        )
    # 'auto' finds the cluster in the environment. 'multi_worker' would be recorded in the run,
    # which could then be resumed on a cluster only. click takes the last value of an option.
    command = add_options(remove_option(console.arguments, "--workers"), "--distribute", "auto")
    return run_workers(workers, command, console.print_stderr)


_OPTIONS = (
    click.option(
        "--batch-size",
        type=StrictIntRange(min=1, max=1_000_000),
        help="Examples at a time; as in training if not given.",
    ),
    click.option(
        "--distribute",
        type=click.Choice(("auto", "none", "mirrored", "multi_worker", "tpu")),
        default="auto",
        show_default=True,
        help="Which devices take part.",
    ),
    click.option(
        "--workers",
        type=StrictIntRange(min=1, max=64),
        help="Do it with so many processes of this machine.",
    ),
)
