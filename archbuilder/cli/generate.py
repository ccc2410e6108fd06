"""The command `archbuilder generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypedDict, Unpack

import click

from archbuilder import api
from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.cli.numbers import StrictFloatRange, StrictIntRange
from archbuilder.diagnostics.escape import escape_terminal

_DEFAULT_BEAMS: Final = 4
_TOKEN_COUNT: Final = StrictIntRange(1, 1_000_000)


class _Options(TypedDict):
    """Options of text generation; None if not given."""

    max_new_tokens: int
    temperature: float | None
    top_k: int | None
    num_beams: int | None
    seed: int


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
    type=_TOKEN_COUNT,
    metavar="N",
    default=200,
    show_default=True,
    help="Maximum number of tokens to generate.",
)
@click.option(
    "--temperature",
    type=StrictFloatRange(0, 100),
    metavar="T",
    help="Sampling temperature; below 1 sharpens the distribution, 0 is greedy. [default: 1]",
)
@click.option(
    "--top-k",
    type=_TOKEN_COUNT,
    metavar="K",
    help="Sample from the K most likely tokens. [default: all]",
)
@click.option(
    "--num-beams",
    type=StrictIntRange(1, 1_000),
    metavar="N",
    help="Use beam search with N beams in place of sampling; 1 is greedy. [default:"
    f" {_DEFAULT_BEAMS} for pairs of texts]",
)
@click.option(
    "--seed",
    type=StrictIntRange(0, 2**32 - 1),
    metavar="N",
    default=0,
    show_default=True,
    help="Seed of sampling.",
)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("text", default="")
@click.pass_obj
def generate_command(
    console: Console, /, *, run: Path, text: str, **options: Unpack[_Options]
) -> None:
    """Generate text with the language model of a run.

    RUN is a run directory. A causal model continues TEXT; a model that was trained on pairs of
    texts transforms it.
    """
    output = api.generate(run, text, **options)
    console.print("\n".join(escape_terminal(line) for line in output.split("\n")))
