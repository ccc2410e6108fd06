"""The command `archbuilder sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from archbuilder import api
from archbuilder.cli.command import Command
from archbuilder.cli.common_options import output_option
from archbuilder.cli.console import Console
from archbuilder.cli.path_type import PathType
from archbuilder.cli.recipe_options import data_option
from archbuilder.cli.setting_option import option_type
from archbuilder.cli.trained_run import run_weights_option
from archbuilder.config.arguments import SAMPLE_TYPES
from archbuilder.config.save_best import WeightsChoice
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.files.atomic_write import atomic_write, check_writable
from archbuilder.formatting import any_of

_SUFFIXES: Final = (".png", ".npz")


@click.command(
    "sample",
    cls=Command,
    examples=(
        "archbuilder sample runs/dcgan-1",
        "archbuilder sample runs/dcgan-1 --num-samples 1000 -o samples.npz",
    ),
)
@click.option(
    "--num-samples",
    type=option_type(SAMPLE_TYPES["num_samples"]),
    metavar="N",
    default=64,
    show_default=True,
    help="Number of samples.",
)
@click.option(
    "--seed",
    type=option_type(SAMPLE_TYPES["seed"]),
    metavar="N",
    default=0,
    show_default=True,
    help="Seed of the noise.",
)
@data_option
@output_option(
    "Write to this file: a .png image of all samples, or a .npz archive with the array 'samples'.",
    default=Path("samples.png"),
)
@run_weights_option
@click.argument("run", metavar="RUN", type=PathType())
@click.pass_obj
def sample_command(
    console: Console,
    /,
    *,
    run: Path,
    data: str | None,
    num_samples: int,
    seed: int,
    weights: WeightsChoice,
    output: Path,
) -> None:
    """Draw samples with the networks of a run.

    RUN is the directory of a run whose objective has 'sample'. Samples that depend on data take the
    first examples of --data, by default those of the validation set.
    """
    if output.suffix not in _SUFFIXES:
        raise UsageError(f"{quote(str(output))} must end in {any_of(_SUFFIXES)}")
    check_writable(output)
    samples = api.sample(
        run,
        data=data,
        weights=weights,
        num_samples=num_samples,
        seed=seed,
        log=console.print_stderr,
    )
    # It imports TensorFlow; see archbuilder/cli/__init__.py.
    from archbuilder.inference.sample import samples_to_npz, samples_to_png  # noqa: PLC0415

    content = samples_to_png(samples) if output.suffix == ".png" else samples_to_npz(samples)
    with atomic_write(output) as file:
        file.write(content)
    console.print_saved(output)
