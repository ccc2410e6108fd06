"""`archbuilder explain`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import click

from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.diagnostics.codes import EXPLANATIONS, Explanation, explain
from archbuilder.diagnostics.escape import escape_terminal


@click.command(
    "explain",
    cls=Command,
    examples=(
        "archbuilder explain unknown-argument",
        "archbuilder explain",
    ),
)
@click.argument("code", required=False)
@click.pass_obj
def explain_command(console: Console, *, code: str | None) -> None:
    """Tell what the code of a mistake means.

    With it come an example and its remedy. The code is what stands in brackets:
    error[unknown-argument]. Without one, all are listed.
    """
    if code is None:
        width = max(map(len, EXPLANATIONS))
        for explanation in EXPLANATIONS.values():
            console.print(f"{explanation.code:{width}}  {explanation.title}")
        return
    # People copy the whole of 'error[unknown-argument]'.
    word = code.removesuffix(":").removesuffix("]").rpartition("[")[2]
    console.print("\n".join(_lines(explain(word))))


def _lines(explanation: Explanation) -> Iterator[str]:
    yield f"{explanation.severity}[{explanation.code}]: {explanation.title}"
    yield ""
    yield explanation.text
    if explanation.wrong:
        yield "\nWrong:\n"
        yield _example(explanation.wrong)
        yield "\nRight:\n"
        yield _example(explanation.right)
    for name, text in explanation.imported_files:
        yield f"\nwith {name}:\n"
        yield _example(text)


def _example(text: str) -> str:
    lines = (escape_terminal(line) for line in text.rstrip("\n").split("\n"))
    return textwrap.indent("\n".join(lines), "    ")
