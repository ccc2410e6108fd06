"""Options of commands that run on several devices, and the start of local workers."""

from __future__ import annotations

import os
from typing import Final

import click

from archbuilder.cli.console import Console
from archbuilder.cli.numbers import StrictIntRange
from archbuilder.cli.option_group import Decorator, with_options
from archbuilder.cli.setting_option import setting_option
from archbuilder.config.training import StrategyName, TrainingConfig
from archbuilder.diagnostics.errors import UsageError
from archbuilder.distribution.cluster_spec import TF_CONFIG_VAR, select_cluster
from archbuilder.launch.command_line import add_options, remove_option
from archbuilder.launch.local_workers import run_workers

_MULTI_WORKER: Final = "multi_worker"


def device_options(*, default_strategy: StrategyName | None = "auto") -> Decorator:
    """Return a decorator that adds --batch-size, --distribute and --workers to a command.

    Args:
        default_strategy: the default of --distribute; None for that of the recipe.
    """
    options = (
        setting_option(TrainingConfig, "batch_size"),
        setting_option(TrainingConfig, "distribute", metavar="STRATEGY", default=default_strategy),
        click.option(
            "--workers",
            type=StrictIntRange(1, 64),
            metavar="N",
            help="Run as a cluster of N processes on this machine.",
        ),
    )

    return lambda function: with_options(function, *options)


def is_chief(distribute: StrategyName) -> bool:
    """Return whether this process prints the results: not if it is another worker of a cluster.

    Raises:
        RunError: if the description of the cluster is invalid.
    """
    cluster = select_cluster(distribute, os.environ)
    return cluster is None or cluster.index == 0


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
            f"--workers {workers} cannot be used with --distribute {distribute}, which has no"
            " workers"
        )
    # 'auto' finds the cluster in the environment. 'multi_worker' would be recorded in the run,
    # which could then be resumed on a cluster only. click takes the last value of an option.
    command = add_options(remove_option(console.arguments, "--workers"), "--distribute", "auto")
    return run_workers(workers, command, console.print_stderr)
