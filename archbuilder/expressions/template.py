"""Text with `$` in it -> template: pieces of text and expressions in turn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from archbuilder.errors import Diagnostics
from archbuilder.expressions import nodes
from archbuilder.expressions.lexer import SyntaxMistakeError
from archbuilder.expressions.nodes import Expression
from archbuilder.expressions.parser import parse_expression
from archbuilder.limits import Limits
from archbuilder.tree import Scalar, Span

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

Piece: TypeAlias = str | Expression


@dataclass(frozen=True, slots=True)
class Template:
    """A text that has a `$`, parsed. `whole` tells that it is just one name or expression."""

    pieces: tuple[Piece, ...]
    whole: bool
    uses: tuple[tuple[str, int, int], ...]
    """Every name that it reads, with its place and length in the text."""
    span: Span
    offset: int | None
    """Where the text begins within the span: behind the quote of a quoted one.

    None where escapes or line breaks moved the characters, so that only the whole has a place.
    """

    @property
    def names(self) -> frozenset[str]:
        """Every name that it reads."""
        return frozenset(name for name, _, _ in self.uses)

    def place(self, start: int, length: int) -> Span:
        """The place of a part of the text."""
        if self.offset is None:
            return self.span
        return self.span.part(self.offset + start, length)


def has_formula(text: str) -> bool:
    """Whether there is a `$` in a text at all."""
    return "$" in text


def parse(scalar: Scalar, limits: Limits, diagnostics: Diagnostics) -> Template | None:
    """The template of a text; None after reporting where it is none."""
    text = str(scalar.value)
    offset = _offset(scalar, text)
    try:
        pieces = tuple(_pieces(text, limits))
    except SyntaxMistakeError as mistake:
        span = scalar.span
        diagnostics.error(
            mistake.code,
            mistake.message,
            span if offset is None else span.part(offset + mistake.start, mistake.length),
        )
        return None
    expressions = [piece for piece in pieces if not isinstance(piece, str)]
    names = [name for expression in expressions for name in _names(expression)]
    uses = tuple((name.name, name.start, name.length) for name in names)
    whole = len(pieces) == 1 and not isinstance(pieces[0], str)
    return Template(pieces, whole, uses, scalar.span, offset)


def _offset(scalar: Scalar, text: str) -> int | None:
    """Where the text begins within its span, see `Template.offset`."""
    span = scalar.span
    if span.line != span.end_line:
        return None
    quotes = 1 if scalar.quoted else 0
    written = span.end_column - span.column
    return quotes if written == len(text) + 2 * quotes else None


def _pieces(text: str, limits: Limits) -> Iterator[Piece]:
    plain = ""
    place = 0
    while (dollar := text.find("$", place)) >= 0:
        plain += text[place:dollar]
        following = text[dollar + 1 : dollar + 2]
        if following == "$":
            plain += "$"
            place = dollar + 2
            continue
        if plain:
            yield plain
            plain = ""
        if following == "(":
            end = _closing(text, dollar + 1)
            yield parse_expression(text, dollar + 2, end, limits.expression_tokens)
            place = end + 1
            continue
        match = _NAME.match(text, dollar + 1)
        if match is None:
            raise SyntaxMistakeError(_advice(following), dollar, 1 + len(following))
        yield nodes.Name(match[0], dollar, len(match[0]) + 1)
        place = match.end()
    plain += text[place:]
    if plain or not text:
        yield plain


def _advice(following: str) -> str:
    if following == "{":
        return "write $name or $(expression), with round brackets or none"
    return "'$' is followed by a name or by '('; write $$ for a dollar sign"


def _closing(text: str, opening: int) -> int:
    """The place of the bracket that closes the one at `opening`."""
    depth = 0
    quote = ""
    for place in range(opening, len(text)):
        character = text[place]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return place
    raise SyntaxMistakeError(
        "the bracket of '$(' is not closed; put the value in quotes if it has a comma or ': '",
        opening - 1,
        len(text) - opening + 1,
    )


def _names(expression: Expression) -> Iterator[nodes.Name]:
    if isinstance(expression, nodes.Name):
        yield expression
    for child in _children(expression):
        yield from _names(child)


def _children(expression: Expression) -> tuple[Expression, ...]:
    match expression:
        case nodes.ListOf(items=items) | nodes.Call(arguments=items):
            return items
        case nodes.Unary(operand=operand):
            return (operand,)
        case nodes.Binary(left=left, right=right):
            return (left, right)
        case nodes.Comparison(first=first, rest=rest):
            return (first, *(each for _, each in rest))
        case nodes.Choice(condition=condition, then=then, otherwise=otherwise):
            return (condition, then, otherwise)
        case nodes.Index(operand=operand, index=index):
            return (operand, index)
        case nodes.Slice(operand=operand, first=first_end, last=last_end):
            return tuple(each for each in (operand, first_end, last_end) if each is not None)
    return ()
