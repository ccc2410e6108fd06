"""Codes of formulas: `$name` and `$(expression)`."""

from __future__ import annotations

from typing import Final

from archbuilder.diagnostics.codes.explanation import HEADER, Explanation

EXPLANATIONS: Final = (
    Explanation(
        code="expression-syntax",
        title="A formula that cannot be read",
        text="""\
A formula is $name, or $( ) around numbers, names, arithmetic, comparisons, 'a if b else c',
indexing and the functions min max abs round floor ceil len sum range int float str divisible.
Inside braces a comma ends the value: quote it, as in {units: "$(max(a, 2))"}. $$ is a dollar
sign.""",
        wrong=f"""\
{HEADER}params:
  width: 8
layers:
  - Flatten
  - Dense: $(2 * * width)
""",
        right=f"""\
{HEADER}params:
  width: 8
layers:
  - Flatten
  - Dense: $(2 * width)
""",
    ),
    Explanation(
        code="expression-error",
        title="A formula that has no value",
        text="""\
The formula can be read but not computed for the values that its parameters have: a division
by zero, an index beyond the end of a list, a sum of text and a number, or a number that grows
too large.""",
        wrong=f"""\
{HEADER}params:
  groups: 0
layers:
  - Flatten
  - Dense: $(64 // groups)
""",
        right=f"""\
{HEADER}params:
  groups: 2
layers:
  - Flatten
  - Dense: $(64 // groups)
""",
    ),
)
