"""What every code of a mistake means, with a wrong example and the mended one.

The tests compile all examples: a wrong one gives exactly its code, a right one none.
"""

from __future__ import annotations

from typing import Final

from archbuilder.diagnostics.codes import (
    computing,
    expressions,
    form,
    layers,
    names,
    reading,
    shapes,
    unused,
)
from archbuilder.diagnostics.codes.explanation import MAIN_FILE, Explanation
from archbuilder.diagnostics.errors import UsageError, closest_match, quote

__all__ = ["EXPLANATIONS", "MAIN_FILE", "Explanation", "explain"]

EXPLANATIONS: Final[dict[str, Explanation]] = {
    explanation.code: explanation
    for room in (reading, form, layers, names, expressions, shapes, computing, unused)
    for explanation in room.EXPLANATIONS
}


def explain(code: str) -> Explanation:
    """The explanation of a code.

    Raises:
        UsageError: when there is no such code.
    """
    explanation = EXPLANATIONS.get(code)
    if explanation is None:
        near = closest_match(code, EXPLANATIONS)
        hint = f"; did you mean '{near}'?" if near else ""
        raise UsageError(f"there is no code {quote(code)}{hint}")
    return explanation
