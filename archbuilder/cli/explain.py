"""The command `archbuilder explain`."""

from __future__ import annotations

import click

from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.diagnostics.explanations import explained_codes, load_explanation


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
    """Explain an error or warning code.

    CODE is the word in brackets, as in error[unknown-argument]. The explanation shows a blueprint
    with the error and a corrected one. Without CODE, all codes are listed.
    """
    if code is None:
        codes = explained_codes()
        width = max(map(len, codes))
        for explained in codes:
            console.print(f"{explained:{width}}  {load_explanation(explained).title}")
        return
    # Accept a code as messages show it: 'error[unknown-argument]:'.
    word = code.removesuffix(":").removesuffix("]").rpartition("[")[2]
    explanation = load_explanation(word)
    # The body is Markdown; a terminal shows plain headings and indented examples.
    lines = [f"{explanation.severity}[{explanation.code}]: {explanation.title}", ""]
    in_example = False
    for line in explanation.body.splitlines():
        if line.startswith("```"):
            in_example = not in_example
        elif in_example:
            lines.append(f"    {line}".rstrip())
        elif line.startswith("## "):
            lines.append(f"{line.removeprefix('## ')}:")
        else:
            lines.append(line)
    console.print("\n".join(lines))
