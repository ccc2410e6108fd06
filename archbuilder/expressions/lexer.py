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
    """A token; `kind` is number, text, name, sign, tensor, reference or end.

    `start` is its offset. A tensor is the name of a step or input in the brackets of `shape` or
    `channels`. A reference is `$name` or `$(...)` in a formula.
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
# Those of an expression, and the signs of calls by keyword, `...`, and the product of matrices. A
# name may have dots, as under `from`.
_FORMULA_TOKEN: Final = re.compile(
    r"(?P<space>[ \t\n]+)"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)"
    r"|(?P<text>'[^'\\\n]*'|\"[^\"\\\n]*\")"
    r"|(?P<sign>\.\.\.|\*\*|//|==|!=|<=|>=|[-+*/%<>()\[\],:=@])"
)
_NAME_SUFFIX: Final = re.compile(r"(?:\.?[A-Za-z0-9_]+)+")
_HINTS: Final = {
    "=": "write == to compare",
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not'",
    "?": "write 'a if condition else b'",
    "{": "write $(...) with parentheses",
    "$": "inside $(...), write names without '$'",
}
_NAME_WITH_KEYS: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


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
            _append_token(result, Token(str(match.lastgroup), match[0], position), maximum)
        position = match.end()
        if match[0] in SHAPE_FUNCTIONS and (tensor := _TENSOR.match(text, position, end)):
            result.append(Token("sign", "(", text.index("(", position)))
            result.append(Token("tensor", tensor[1], tensor.start(1)))
            position = tensor.end()
    result.append(Token("end", "", end))
    return result


def tokenize_formula(text: str, maximum: int) -> list[Token]:
    """Return the tokens of a formula, followed by one of kind 'end'.

    `$name` and `$(...)` are one token, and so is a name with them in it, such as `skip$i`.

    Raises:
        ExpressionSyntaxError: at a character that no token begins with, or if there are more tokens
            than `maximum`.
    """
    result: list[Token] = []
    position = 0
    while position < len(text):
        match = _FORMULA_TOKEN.match(text, position)
        if text[position] == "$":
            kind, end = "reference", reference_end(text, position)
        elif match is None:
            hint = _HINTS.get(text[position], "")
            problem = f"{quote(text[position])} is not allowed in a formula"
            raise ExpressionSyntaxError(f"{problem}; {hint}" if hint else problem, position)
        else:
            kind, end = str(match.lastgroup), match.end()
        while kind == "name" and text[end : end + 1] == "$":
            end = reference_end(text, end)
            suffix = _NAME_SUFFIX.match(text, end)
            end = end if suffix is None else suffix.end()
        if kind != "space":
            _append_token(result, Token(kind, text[position:end], position), maximum)
        position = end
    result.append(Token("end", "", len(text)))
    return result


def _append_token(tokens: list[Token], token: Token, maximum: int) -> None:
    if len(tokens) >= maximum:
        message = f"an expression can have at most {maximum} names, numbers and operators"
        raise ExpressionSyntaxError(message, token.start, code="limit-exceeded")
    tokens.append(token)


def reference_end(text: str, dollar: int) -> int:
    """Return the offset after the `$name`, `$row.filters` or `$(...)` that begins at `dollar`.

    The expression is delimited by its brackets before it is parsed: what follows it is text, and
    need not be tokens.

    Raises:
        ExpressionSyntaxError: if neither a name nor a closed bracket follows.
    """
    following = text[dollar + 1 : dollar + 2]
    if following == "(":
        return _closing_bracket(text, dollar + 1) + 1
    match = _NAME_WITH_KEYS.match(text, dollar + 1)
    if match is None:
        message = (
            "write $name or $(expression), with parentheses or none"
            if following == "{"
            else "'$' is followed by a name or by '('; write $$ for a dollar sign"
        )
        raise ExpressionSyntaxError(message, dollar, 1 + len(following))
    return match.end()


def _closing_bracket(text: str, opening: int) -> int:
    """Return the offset of the bracket that closes the one at `opening`.

    Brackets within strings do not count.
    """
    depth = 0
    quote = ""
    for position in range(opening, len(text)):
        character = text[position]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return position
    raise ExpressionSyntaxError(
        "the parenthesis of '$(' is not closed; put the value in quotes if it contains ',' or ': '",
        opening - 1,
        len(text) - opening + 1,
    )
