"""Makes text that others wrote safe to show: one function for each place that text can go to.

A blueprint may come from a stranger, and so may every name, file name and value in it. What is
shown of it must not move the cursor, change colours, begin a line, or talk to a build server.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_UNSEEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Unicode categories that a terminal obeys or hides instead of showing."""


def for_terminal(text: str) -> str:
    r"""`text` on one line, with everything that is not seen written as `\x1b` or `\u202e`.

    Blanks of every kind become spaces, and a tab becomes four of them.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character == "\t":
        return "    "
    category = unicodedata.category(character)
    if category in _UNSEEN:
        return character.encode("unicode_escape").decode("ascii")
    return " " if category == "Zs" else character


def columns(text: str) -> int:
    """How many columns of a terminal `for_terminal(text)` takes."""
    return sum(_columns(character) for character in for_terminal(text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def for_workflow(text: str) -> str:
    """`text` as the message of a GitHub workflow command; its line breaks stay line breaks."""
    lines = (for_terminal(line) for line in text.split("\n"))
    return "%0A".join(line.replace("%", "%25") for line in lines)


def for_workflow_property(text: str) -> str:
    """`text` as the value of a property (`file=...`) of a GitHub workflow command."""
    return for_workflow(text).replace(":", "%3A").replace(",", "%2C")
