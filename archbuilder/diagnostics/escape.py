"""Escape untrusted text for output, with one function per destination.

A blueprint may come from a stranger, and so may every name, file name and value in it. Output
that quotes it must not move the cursor, change colors, begin a new line, or send commands to a
CI server. Letters of all languages are shown unchanged.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_ESCAPED_CATEGORIES: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Unicode categories that a terminal interprets or hides instead of showing."""
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Invisible letters and marks: joiners, fillers, variation selectors, the blank braille pattern.

All but the last are `Default_Ignorable_Code_Point`s of Unicode, a property that `unicodedata`
lacks.
"""
# Not Mc: spacing marks have a column of their own.
_MARK_CATEGORIES: Final = ("Mn", "Me")
_BASE_CATEGORIES: Final = "LMNS"
"""First letters of the categories that can carry a combining mark.

Punctuation cannot: a mark after an opening quote would otherwise be drawn onto the quote.
"""
_MAX_MARKS: Final = 4
"""Combining marks on one letter. No language needs more, and a stack of them covers other lines."""
_JAMO: Final = ("\u1160", "\u11ff")
"""Vowels and final consonants of decomposed Korean, which join the syllable before them."""


def escape_terminal(text: str) -> str:
    r"""Return `text` on one line, with invisible characters escaped as `\x1b` or `\u202e`.

    All kinds of blanks become spaces, and a tab becomes four. Combining marks are kept; those
    without a base letter, and those after the fourth on one letter, are escaped.
    """
    # The common case: for printable ASCII, the loop below changes nothing.
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
    """Return `repr(value)`, escaped for a terminal."""
    # `repr` alone is not enough: it keeps combining marks and invisible letters.
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
    """Return the number of terminal columns of `escape_terminal(text)`."""
    width = 0
    for character in escape_terminal(text):
        # Unicode gives these jamo the width class N, as if each took a column of its own.
        if unicodedata.category(character) in _MARK_CATEGORIES or _JAMO[0] <= character <= _JAMO[1]:
            continue
        # "A" (ambiguous) counts as 1: only terminals with a CJK locale draw those characters wide.
        width += 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
    return width


def escape_github_message(text: str) -> str:
    """Return `text` as the message of a GitHub workflow command, with its line breaks."""
    # GitHub's runner decodes %25, %0D and %0A in messages, and %3A and %2C in properties as well
    # (`escapeData` and `escapeProperty` of actions/toolkit). A carriage return is escaped already.
    lines = (escape_terminal(line) for line in text.split("\n"))
    return "%0A".join(line.replace("%", "%25") for line in lines)


def escape_github_property(text: str) -> str:
    """Return `text` as the value of a property (`file=...`) of a GitHub workflow command."""
    return escape_github_message(text).replace(":", "%3A").replace(",", "%2C")
