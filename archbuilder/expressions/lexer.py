"""Text -> tokens of an expression."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from archbuilder.diagnostics.errors import quote


class ExpressionSyntaxError(Exception):
    """Text that is no expression: what is wrong, and where in the text."""

    def __init__(self, message: str, start: int, length: int = 1, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.length = length
        self.code = code or "expression-syntax"


@dataclass(frozen=True, slots=True)
class Token:
    """A word of an expression: `kind` is number, text, name, sign or end."""

    kind: str
    text: str
    start: int


_TOKEN: Final = re.compile(
    r"(?P<space>[ \t\n]+)"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<text>'[^'\\\n]*'|\"[^\"\\\n]*\")"
    r"|(?P<sign>\*\*|//|==|!=|<=|>=|[-+*/%<>()\[\],:])"
)
_HINTS: Final = {
    "=": "write == to compare",
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not'",
    "?": "write 'a if condition else b'",
    ".": "values have no attributes",
    "{": "write $(...) with round brackets",
    "$": "within $(...), names stand without $",
}


def tokenize(text: str, start: int, end: int, maximum: int) -> list[Token]:
    """The tokens of text[start:end], closed by one of kind 'end'.

    Raises:
        SyntaxMistakeError: at a character that begins none, or at more tokens than the maximum.
    """
    result: list[Token] = []
    position = start
    while position < end:
        match = _TOKEN.match(text, position, end)
        if match is None:
            hint = _HINTS.get(text[position], "")
            problem = f"{quote(text[position])} means nothing in an expression"
            raise ExpressionSyntaxError(f"{problem}; {hint}" if hint else problem, position)
        if match.lastgroup != "space":
            if len(result) >= maximum:
                message = f"an expression has {maximum} names, numbers and signs at most"
                raise ExpressionSyntaxError(message, position, code="limit")
            result.append(Token(str(match.lastgroup), match[0], position))
        position = match.end()
    result.append(Token("end", "", end))
    return result
