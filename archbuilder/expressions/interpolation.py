"""Parse a string with `$` into a template: a sequence of literal text and expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.expressions import nodes
from archbuilder.expressions.lexer import ExpressionSyntaxError, tokenize
from archbuilder.expressions.nodes import Expression
from archbuilder.expressions.parser import parse_expression
from archbuilder.expressions.template import NO_FUNCTIONS, FileFunctions, Piece, Reference, Template
from archbuilder.limits import Limits
from archbuilder.yaml.nodes import ScalarNode

_NAME: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)((?:\.[A-Za-z_][A-Za-z0-9_]*)*)", re.ASCII)


def has_expression(text: str) -> bool:
    """Whether a string contains a `$`."""
    return "$" in text


def parse(
    scalar: ScalarNode,
    limits: Limits,
    diagnostics: Diagnostics,
    functions: FileFunctions = NO_FUNCTIONS,
) -> Template | None:
    """Parse a string with `$` that can call `functions`; report a syntax error and return None."""
    text = str(scalar.value)
    span = scalar.span
    # An escape such as \n or '' is longer in the source than in the value.
    quotes = 1 if scalar.quoted else 0
    source_length = len(text) + 2 * quotes
    is_verbatim = span.line == span.end_line and span.end_column - span.column == source_length
    offset = quotes if is_verbatim else None
    try:
        pieces = tuple(_split_pieces(text, limits, functions))
    except ExpressionSyntaxError as error:
        diagnostics.error(
            error.code,
            error.message,
            span if offset is None else span.subspan(offset + error.start, error.length),
        )
        return None
    expressions = [piece for piece in pieces if not isinstance(piece, str)]
    references: list[Reference] = []
    calls: list[Reference] = []
    tensors: list[nodes.TensorName] = []
    for expression in expressions:
        for node in _iter_references(expression):
            if isinstance(node, nodes.Name | nodes.Path):
                references.append((node.name, node.start, node.length))
            elif isinstance(node, nodes.ShapeCall):
                tensors.append(node.tensor)
            elif node.function in functions.signatures:
                calls.append((node.function, node.start, node.length))
    is_single_expression = len(pieces) == 1 and not isinstance(pieces[0], str)
    return Template(
        pieces,
        is_single_expression,
        tuple(references),
        tuple(calls),
        tuple(tensors),
        functions,
        span,
        offset,
    )


def _split_pieces(text: str, limits: Limits, functions: FileFunctions) -> Iterator[Piece]:
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
            tokens = tokenize(text, dollar + 2, end, limits.expression_tokens)
            yield parse_expression(tokens, functions.signatures)
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
        name, keys = match[1], tuple(match[2].split(".")[1:])
        length = len(name) + 1
        if keys:
            yield nodes.Path(name, keys, dollar, length)
        else:
            yield nodes.Name(name, dollar, length)
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


def _iter_references(
    expression: Expression,
) -> Iterator[nodes.Name | nodes.Path | nodes.FunctionCall | nodes.ShapeCall]:
    """Yield the calls and the names in an expression, without those that a comprehension binds."""
    # A stack instead of recursion: `a + b + c + ...` is nested as deep as it is long.
    stack: list[tuple[Expression, frozenset[str]]] = [(expression, frozenset())]
    while stack:
        node, bound = stack.pop()
        if isinstance(node, nodes.FunctionCall | nodes.Path | nodes.ShapeCall) or (
            isinstance(node, nodes.Name) and node.name not in bound
        ):
            yield node
        if isinstance(node, nodes.ListComprehension):
            # The list after `in` does not see the names that `for` binds.
            stack.append((node.iterable, bound))
            bound |= frozenset(node.targets)
        stack += [(child, bound) for child in reversed(nodes.children(node))]
