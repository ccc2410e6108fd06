"""`archbuilder generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypedDict, Unpack

import click

from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.cli.numbers import DecimalNumber, WholeNumber
from archbuilder.cli.options import Wanted
from archbuilder.cli.quiet import import_tensorflow
from archbuilder.cli.runs import read_run
from archbuilder.errors import UsageError
from archbuilder.escaping import for_terminal
from archbuilder.limits import Limits
from archbuilder.recipe.spec import SequenceToSequence

_BEAMS: Final = 4
_TOKENS: Final = WholeNumber(min=1, max=1_000_000)


class _Options(TypedDict):
    """How text is made, None where the command line is silent."""

    tokens: int
    temperature: float | None
    top: int | None
    beams: int | None
    seed: int


@click.command(
    "generate",
    cls=Command,
    examples=(
        "archbuilder generate runs/gpt2-1 'To be' --tokens 300 --temperature 0.8",
        "archbuilder generate runs/transformer-1 'a house' --beams 4",
    ),
)
@click.option("--tokens", type=_TOKENS, default=200, show_default=True, help="The longest text.")
@click.option(
    "--temperature",
    type=DecimalNumber(min=0, max=100),
    help="Draw by chance; below 1 likely tokens are likelier still, and 0 takes the likeliest.",
)
@click.option("--top", type=_TOKENS, help="Draw from so many of the likeliest tokens.")
@click.option(
    "--beams",
    type=WholeNumber(min=1, max=1_000),
    help="Take the likeliest of so many texts; 1 is the likeliest token each time.",
)
@click.option("--seed", type=WholeNumber(min=0, max=2**32 - 1), default=0, show_default=True)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("text", default="")
@click.pass_obj
def generate_command(
    console: Console, /, *, run: Path, text: str, **options: Unpack[_Options]
) -> None:
    """Make text with the language model of a run.

    What follows TEXT is printed, or what it becomes where the run trained on pairs of texts. If
    nothing is said, the former is drawn by chance, and the latter is the best of 4 beams.
    """
    drawing = options["temperature"] is not None or options["top"] is not None
    if options["beams"] is not None and drawing:
        raise UsageError("--beams takes the likeliest text; --temperature and --top draw by chance")
    limits = Limits()
    begun = read_run(run, Wanted(None, {}, limits, ()))
    beams = options["beams"]
    if isinstance(begun.recorded.training.objective, SequenceToSequence) and not drawing:
        beams = beams or _BEAMS
    import_tensorflow()
    # Networks are behind the wall: they import TensorFlow.
    from archbuilder.using.decoding import Chance  # noqa: PLC0415
    from archbuilder.using.generating import Wish, generate  # noqa: PLC0415

    chance = None
    if beams is None:
        temperature = 1.0 if options["temperature"] is None else options["temperature"]
        chance = Chance(temperature, options["top"], options["seed"])
    wish = Wish(options["tokens"], chance, beams or 1)
    made = generate(run, begun.graphs, begun.recorded, limits, text, wish)
    console.say("\n".join(for_terminal(line) for line in made.split("\n")))
