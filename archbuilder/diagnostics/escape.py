"""Makes text that others wrote safe to show: one function for each place that text can go to.

A blueprint may come from a stranger, and so may every name, file name and value in it. What is
shown of it must not move the cursor, change colours, begin a line, or talk to a build server.
Letters of all languages are shown as they are.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_ESCAPED_CATEGORIES: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Unicode categories that a terminal obeys or hides instead of showing."""
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks without a shape: joiners, fillers, variation selectors, the empty braille cell.

Unicode calls all but the last `Default_Ignorable_Code_Point`, which Python's tables do not have.
"""
_MARK_CATEGORIES: Final = ("Mn", "Me")
_BASE_CATEGORIES: Final = "LMNS"
"""First letters of the categories that a mark can stand on: a quote before it is not its own."""
_MAX_MARKS: Final = 4
"""Marks on one letter; no language writes more, and a pile of them covers the lines around it."""
_JAMO: Final = ("\u1160", "\u11ff")
"""Vowels and final consonants of decomposed Korean: drawn into the syllable before them."""


def escape_terminal(text: str) -> str:
    r"""`text` on one line, with everything that is not seen written as `\x1b` or `\u202e`.

    Blanks of every kind become spaces, and a tab becomes four of them. A combining mark stays on
    the letter that it belongs to; marks without a letter, and the fifth on one, are written as
    numbers too.
    """
    if text.isascii() and text.isprintable():
        return text
    pieces = []
    marks_left = 0
    for character in text:
        category = unicodedata.category(character)
        if category in _MARK_CATEGORIES:
            pieces.append(
                _escape_character(character) if marks_left > 0 else _unicode_escape(character)
            )
            marks_left -= 1
        else:
            pieces.append(_escape_character(character))
            marks_left = _MAX_MARKS if category[0] in _BASE_CATEGORIES else 0
    return "".join(pieces)


def escaped_repr(value: object) -> str:
    """Python's notation of `value`, safe for a terminal: text in quotes, its letters readable."""
    return escape_terminal(repr(value))


def _escape_character(character: str) -> str:
    if character == "\t":
        return "    "
    category = unicodedata.category(character)
    if category in _ESCAPED_CATEGORIES or _INVISIBLE.match(character):
        return _unicode_escape(character)
    return " " if category == "Zs" else character


def _unicode_escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def display_width(text: str) -> int:
    """How many columns of a terminal `for_terminal(text)` takes."""
    return sum(_character_width(character) for character in escape_terminal(text))


def _character_width(character: str) -> int:
    if unicodedata.category(character) in _MARK_CATEGORIES or _JAMO[0] <= character <= _JAMO[1]:
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def escape_github_message(text: str) -> str:
    """`text` as the message of a GitHub workflow command; its line breaks stay line breaks."""
    lines = (escape_terminal(line) for line in text.split("\n"))
    return "%0A".join(line.replace("%", "%25") for line in lines)


def escape_github_property(text: str) -> str:
    """`text` as the value of a property (`file=...`) of a GitHub workflow command."""
    return escape_github_message(text).replace(":", "%3A").replace(",", "%2C")
