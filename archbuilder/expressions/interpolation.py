"""Parse a string with `$` into a template: a sequence of literal text and expressions."""

from __future__ import annotations

from collections.abc import Iterator

from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.diagnostics.span import Span
from archbuilder.expressions import nodes
from archbuilder.expressions.lexer import ExpressionSyntaxError, reference_end, tokenize
from archbuilder.expressions.nodes import Expression
from archbuilder.expressions.parser import parse_expression
from archbuilder.expressions.template import NO_FUNCTIONS, FileFunctions, Piece, Reference, Template
from archbuilder.limits import Limits
from archbuilder.yaml.nodes import ScalarNode


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
    offset = text_offset(scalar)
    try:
        pieces = tuple(split_pieces(text, 0, len(text), limits, functions))
    except ExpressionSyntaxError as error:
        diagnostics.error(
            error.code,
            error.message,
            span if offset is None else span.subspan(offset + error.start, error.length),
        )
        return None
    return make_template(pieces, functions, span, offset)


def make_template(
    pieces: tuple[Piece, ...], functions: FileFunctions, span: Span, offset: int | None
) -> Template:
    """Return the template of some pieces, with the parameters and the functions that they use."""
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


def text_offset(scalar: ScalarNode) -> int | None:
    """Return the offset of the text of a scalar within its span, see `Template.offset`."""
    # An escape such as \n or '' is longer in the source than in the value.
    span, quotes = scalar.span, 1 if scalar.quoted else 0
    source_length = len(str(scalar.value)) + 2 * quotes
    is_verbatim = span.line == span.end_line and span.end_column - span.column == source_length
    return quotes if is_verbatim else None


def split_pieces(
    text: str, start: int, end: int, limits: Limits, functions: FileFunctions, depth: int = 0
) -> Iterator[Piece]:
    """Yield the literal text and the expressions of `text[start:end]`.

    Raises:
        ExpressionSyntaxError: if a `$` is not followed by a name or an expression.
    """
    literal = ""
    position = start
    while (dollar := text.find("$", position, end)) >= 0:
        literal += text[position:dollar]
        if text[dollar + 1 : dollar + 2] == "$":
            literal += "$"
            position = dollar + 2
            continue
        if literal:
            yield literal
            literal = ""
        position = reference_end(text, dollar)
        yield parse_reference(text, dollar, position, limits, functions, depth)
    literal += text[position:end]
    # A template has at least one piece, also for an empty string.
    if literal or start == end:
        yield literal


def parse_reference(
    text: str, start: int, end: int, limits: Limits, functions: FileFunctions, depth: int = 0
) -> Expression:
    """Parse `$name`, `$row.filters` or `$(...)`, which `reference_end` has delimited.

    Raises:
        ExpressionSyntaxError: if there is no expression between the brackets.
    """
    if text[start + 1] == "(":
        tokens = tokenize(text, start + 2, end - 1, limits.expression_tokens)
        return parse_expression(tokens, functions.signatures, depth)
    name, *keys = text[start + 1 : end].split(".")
    length = len(name) + 1
    return nodes.Path(name, tuple(keys), start, length) if keys else nodes.Name(name, start, length)


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
