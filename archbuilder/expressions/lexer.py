"""Split the text of an expression into tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.errors import quote
from archbuilder.expressions.shapes import SHAPE_FUNCTIONS


class ExpressionSyntaxError(Exception):
    """A syntax error with its offset in the text and the number of characters it covers."""

    def __init__(
        self, message: str, start: int, length: int = 1, code: Code = "expression-syntax"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.length = length
        self.code = code


@dataclass(frozen=True, slots=True)
class Token:
    """A token; `kind` is number, text, name, sign, tensor or end, and `start` its offset.

    A tensor is the name of a step or input in the brackets of `shape` or `channels`.
    """

    kind: str
    text: str
    start: int


# Names and digits are ASCII: Python's own grammar normalizes letters of other scripts, so that two
# names that look different can be the same. Strings have no escapes, because YAML has its own. Of
# the signs, those of two characters come first: an alternation takes the first that matches.
_TOKEN: Final = re.compile(
    r"(?P<space>[ \t\n]+)"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<text>'[^'\\\n]*'|\"[^\"\\\n]*\")"
    r"|(?P<sign>\*\*|//|==|!=|<=|>=|[-+*/%<>()\[\],:.])"
)
# A name of a step has dots before its outputs, and a `$` before parameters: `lstm.0`, `skip$i`.
_TENSOR: Final = re.compile(r"[ \t\n]*\([ \t\n]*([A-Za-z_$][A-Za-z0-9_.$]*)", re.ASCII)
_HINTS: Final = {
    "=": "write == to compare",
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not'",
    "?": "write 'a if condition else b'",
    "{": "write $(...) with parentheses",
    "$": "inside $(...), write names without '$'",
}


def tokenize(text: str, start: int, end: int, maximum: int) -> list[Token]:
    """Return the tokens of `text[start:end]`, followed by one of kind 'end'.

    Raises:
        ExpressionSyntaxError: at a character that no token begins with, or if there are more tokens
            than `maximum`.
    """
    result: list[Token] = []
    position = start
    while position < end:
        # A range instead of a slice, so that offsets are those in the whole text.
        match = _TOKEN.match(text, position, end)
        if match is None:
            hint = _HINTS.get(text[position], "")
            problem = f"{quote(text[position])} is not allowed in an expression"
            raise ExpressionSyntaxError(f"{problem}; {hint}" if hint else problem, position)
        if match.lastgroup != "space":
            if len(result) >= maximum:
                message = f"an expression can have at most {maximum} names, numbers and operators"
                raise ExpressionSyntaxError(message, position, code="limit-exceeded")
            result.append(Token(str(match.lastgroup), match[0], position))
        position = match.end()
        if match[0] in SHAPE_FUNCTIONS and (tensor := _TENSOR.match(text, position, end)):
            result.append(Token("sign", "(", text.index("(", position)))
            result.append(Token("tensor", tensor[1], tensor.start(1)))
            position = tensor.end()
    result.append(Token("end", "", end))
    return result
