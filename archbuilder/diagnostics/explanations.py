"""Explanations of the codes of diagnostics, one Markdown document per code in `codes/`.

A document starts with `# error[CODE]: TITLE`, or `# warning[CODE]: TITLE`. It goes on with prose
and, if the text of a blueprint alone can cause the diagnostic, with two sections that hold one
blueprint each: `## Fails` (`## Warns` for a warning) has this diagnostic and no other, `## Fixed`
has none. A section that is called like a file (`## heads.yaml`) holds a file that both blueprints
import.

`tests/diagnostics/test_explanations.py` compiles all of them. List a code in its `NEED_KERAS` if
only the build of the model finds the error, and in `WITHOUT_EXAMPLE` if no blueprint alone can
cause it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import Final, cast

from archbuilder.diagnostics.errors import InternalError, Severity, UsageError, closest_match, quote

_DOCUMENTS: Final = resources.files("archbuilder.diagnostics") / "codes"
_SUFFIX: Final = ".md"
_TITLE: Final = re.compile(r"# (error|warning)\[([a-z-]+)\]: (.+)\n\n")


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of a code; `body` is the Markdown after the title."""

    code: str
    severity: Severity
    title: str
    body: str


def explained_codes() -> list[str]:
    """Return all codes that have an explanation, in alphabetical order."""
    names = sorted(document.name for document in _DOCUMENTS.iterdir())
    return [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]


def load_explanation(code: str) -> Explanation:
    """Load the explanation of a code.

    Raises:
        UsageError: if there is no such code.
    """
    # The code may be any text of a user. It becomes part of a path only if it is one of these.
    codes = explained_codes()
    if code not in codes:
        near = closest_match(code, codes)
        hint = f"; did you mean '{near}'?" if near else ""
        raise UsageError(f"there is no code {quote(code)}{hint}")
    text = _DOCUMENTS.joinpath(code + _SUFFIX).read_text(encoding="utf-8")
    title = _TITLE.match(text)
    if title is None or title[2] != code:
        raise InternalError(f"the explanation of '{code}' does not start with its code")
    return Explanation(code, cast(Severity, title[1]), title[3], text[title.end() :])
