"""The command `archbuilder generate`."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict, Unpack

import click

from archbuilder import api
from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.cli.path_type import PathType
from archbuilder.cli.setting_option import option_type
from archbuilder.cli.trained_run import run_weights_option
from archbuilder.config.arguments import ARGUMENT_TYPES
from archbuilder.config.objectives import DEFAULT_NUM_BEAMS
from archbuilder.config.save_best import WeightsChoice
from archbuilder.diagnostics.errors import UsageError
from archbuilder.diagnostics.escape import escape_terminal


class _Options(TypedDict):
    """Options of text generation; None if not given."""

    max_new_tokens: int
    temperature: float | None
    top_k: int | None
    num_beams: int | None
    seed: int
    weights: WeightsChoice


@click.command(
    "generate",
    cls=Command,
    examples=(
        "archbuilder generate runs/gpt2-1 'To be' --max-new-tokens 300 --temperature 0.8",
        "archbuilder generate runs/transformer-1 'a house' --num-beams 4",
    ),
)
@click.option(
    "--max-new-tokens",
    type=option_type(ARGUMENT_TYPES["max_new_tokens"]),
    metavar="N",
    default=200,
    show_default=True,
    help="Maximum number of tokens to generate.",
)
@click.option(
    "--temperature",
    type=option_type(ARGUMENT_TYPES["temperature"]),
    metavar="T",
    help="Sampling temperature; below 1 sharpens the distribution, 0 is greedy. [default: 1]",
)
@click.option(
    "--top-k",
    type=option_type(ARGUMENT_TYPES["top_k"]),
    metavar="K",
    help="Sample from the K most likely tokens. [default: all]",
)
@click.option(
    "--num-beams",
    type=option_type(ARGUMENT_TYPES["num_beams"]),
    metavar="N",
    help="Use beam search with N beams in place of sampling; 1 is greedy. [default:"
    f" {DEFAULT_NUM_BEAMS} for pairs of texts]",
)
@click.option(
    "--seed",
    type=option_type(ARGUMENT_TYPES["seed"]),
    metavar="N",
    default=0,
    show_default=True,
    help="Seed of sampling.",
)
@run_weights_option
@click.argument("run", metavar="RUN", type=PathType())
@click.argument("text", default="")
@click.pass_obj
def generate_command(
    console: Console, /, *, run: Path, text: str, **options: Unpack[_Options]
) -> None:
    """Generate text with the language model of a run.

    RUN is a run directory. A causal model continues TEXT; a model that was trained on pairs of
    texts transforms it.
    """
    if options["num_beams"] is not None and (
        options["temperature"] is not None or options["top_k"] is not None
    ):
        raise UsageError("--num-beams cannot be used with --temperature or --top-k")
    output = api.generate(run, text, **options)
    console.print("\n".join(escape_terminal(line) for line in output.split("\n")))
