"""Parse a string with `$` into a template: a sequence of literal text and expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.diagnostics.span import Span
from archbuilder.expressions import nodes
from archbuilder.expressions.lexer import ExpressionSyntaxError
from archbuilder.expressions.nodes import Expression
from archbuilder.expressions.parser import parse_expression
from archbuilder.limits import Limits
from archbuilder.yaml.nodes import ScalarNode

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

Piece: TypeAlias = str | Expression


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed string with `$` in it.

    `is_single_expression` is true if it is one name or expression without text around it; then the
    value keeps its type.
    """

    pieces: tuple[Piece, ...]
    is_single_expression: bool
    references: tuple[tuple[str, int, int], ...]
    """Every parameter that it reads, with the start and length of the reference in the text."""
    span: Span
    offset: int | None
    """Offset of the text within the span: 1 if the string is quoted, otherwise 0.

    None if escapes or line breaks moved the characters, so that only the whole string has a
    location.
    """

    @property
    def names(self) -> frozenset[str]:
        """The names of the parameters that it reads."""
        return frozenset(name for name, _, _ in self.references)

    def subspan(self, start: int, length: int) -> Span:
        """Return the span of a part of the text, or that of the whole if it is not known."""
        if self.offset is None:
            return self.span
        return self.span.subspan(self.offset + start, length)


def has_expression(text: str) -> bool:
    """Whether a string contains a `$`."""
    return "$" in text


def parse(scalar: ScalarNode, limits: Limits, diagnostics: Diagnostics) -> Template | None:
    """Parse a string with `$`; return None after reporting a syntax error."""
    text = str(scalar.value)
    span = scalar.span
    # An escape such as \n or '' is longer in the source than in the value.
    quotes = 1 if scalar.quoted else 0
    source_length = len(text) + 2 * quotes
    is_verbatim = span.line == span.end_line and span.end_column - span.column == source_length
    offset = quotes if is_verbatim else None
    try:
        pieces = tuple(_split_pieces(text, limits))
    except ExpressionSyntaxError as error:
        diagnostics.error(
            error.code,
            error.message,
            span if offset is None else span.subspan(offset + error.start, error.length),
        )
        return None
    expressions = [piece for piece in pieces if not isinstance(piece, str)]
    names = [name for expression in expressions for name in _iter_names(expression)]
    references = tuple((name.name, name.start, name.length) for name in names)
    is_single_expression = len(pieces) == 1 and not isinstance(pieces[0], str)
    return Template(pieces, is_single_expression, references, span, offset)


def _split_pieces(text: str, limits: Limits) -> Iterator[Piece]:
    literal = ""
    position = 0
    while (dollar := text.find("$", position)) >= 0:
        literal += text[position:dollar]
        next_character = text[dollar + 1 : dollar + 2]
        if next_character == "$":
            literal += "$"
            position = dollar + 2
            continue
        if literal:
            yield literal
            literal = ""
        if next_character == "(":
            # The expression is found by its brackets before it is parsed: what follows it is text,
            # and need not be tokens.
            end = _closing_bracket(text, dollar + 1)
            yield parse_expression(text, dollar + 2, end, limits.expression_tokens)
            position = end + 1
            continue
        match = _NAME.match(text, dollar + 1)
        if match is None:
            message = (
                "write $name or $(expression), with parentheses or none"
                if next_character == "{"
                else "'$' is followed by a name or by '('; write $$ for a dollar sign"
            )
            raise ExpressionSyntaxError(message, dollar, 1 + len(next_character))
        yield nodes.Name(match[0], dollar, len(match[0]) + 1)
        position = match.end()
    literal += text[position:]
    # A template has at least one piece, also for an empty string.
    if literal or not text:
        yield literal


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


def _iter_names(expression: Expression) -> Iterator[nodes.Name]:
    """Yield the names in an expression, without those that a comprehension binds."""
    # A stack instead of recursion: `a + b + c + ...` is nested as deep as it is long.
    stack: list[tuple[Expression, frozenset[str]]] = [(expression, frozenset())]
    while stack:
        node, bound = stack.pop()
        children: tuple[Expression | None, ...] = ()
        match node:
            case nodes.Name(name=name):
                if name not in bound:
                    yield node
            case nodes.ListExpr(items=items) | nodes.FunctionCall(arguments=items):
                children = items
            case nodes.ListComprehension(iterable=iterable, targets=targets):
                # `for` itself does not see the names that it binds.
                stack.append((iterable, bound))
                bound |= frozenset(targets)
                children = (node.element, node.condition)
            case nodes.UnaryOp(operand=operand):
                children = (operand,)
            case nodes.BinOp(left=left, right=right):
                children = (left, right)
            case nodes.Comparison(first=first, rest=rest):
                children = (first, *(each for _, each in rest))
            case nodes.IfExp(condition=condition, then=then, otherwise=otherwise):
                children = (condition, then, otherwise)
            case nodes.Index(operand=operand, index=index):
                children = (operand, index)
            case nodes.SliceExpr(operand=operand, first=first_end, last=last_end):
                children = (operand, first_end, last_end)
        stack += [(child, bound) for child in reversed(children) if child is not None]
