"""Nodes of a parsed expression, as in Python's `ast`.

`start` and `length` are the characters of the text that an error at the node points to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias, Union

from archbuilder.plain_data import ScalarValue


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a string, true, false or null."""

    value: ScalarValue
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Name:
    """A reference to a parameter."""

    name: str
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Path:
    """`$row.filters` outside brackets: a parameter, and keys of the mappings within it.

    Where a value is not a mapping, the rest is text, as in `from: encoder$i.skip`.
    """

    name: str
    keys: tuple[str, ...]
    start: int
    length: int
    """That of the parameter with its `$`."""


@dataclass(frozen=True, slots=True)
class ListExpr:
    """A list of expressions."""

    items: tuple[Expression, ...]
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class ListComprehension:
    """A list with an element for each item of another: `[2 * x for x in sizes if x > 1]`.

    Each of several `targets` gets one value of the item, which is then a list.
    """

    element: Expression
    targets: tuple[str, ...]
    iterable: Expression
    condition: Expression | None
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class UnaryOp:
    """`-x`, `+x` or `not x`."""

    operator: str
    operand: Expression
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class BinOp:
    """A binary operation, including `and` and `or`; `start` is that of the operator."""

    operator: str
    left: Expression
    right: Expression
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A chain of comparisons, which is true if each of them is: `0 < a <= b`."""

    first: Expression
    rest: tuple[tuple[str, Expression], ...]
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class IfExp:
    """The conditional `then if condition else otherwise`."""

    condition: Expression
    then: Expression
    otherwise: Expression
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Index:
    """An item of a list, `operand[index]`, or of a mapping, `operand[key]` or `operand.key`."""

    operand: Expression
    index: Expression
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class SliceExpr:
    """A slice of a list: `operand[first:last]`, where None is the start or the end of the list."""

    operand: Expression
    first: Expression | None
    last: Expression | None
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of a function of `functions.py`."""

    function: str
    arguments: tuple[Expression, ...]
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class TensorName:
    """The name of a step or input, as under `from`: `encoder.mean`, `skip$i`."""

    pieces: tuple[str | Expression, ...]
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class ShapeCall:
    """A call of a function of `shapes.py`."""

    function: str
    tensor: TensorName
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class SliceRange:
    """A range `first:last:step` within the brackets of a `Subscript`; None stands for a default."""

    first: Expression | None
    last: Expression | None
    step: Expression | None


@dataclass(frozen=True, slots=True)
class EllipsisItem:
    """`...` within the brackets of a `Subscript`: all axes that the other items leave."""


SubscriptItem: TypeAlias = Union["Expression", SliceRange, EllipsisItem]


@dataclass(frozen=True, slots=True)
class Subscript:
    """A part of a tensor: `operand[:, 0, ..., None]`.

    A single index or a single range without a step is an `Index` or a `SliceExpr`, also in a
    formula.
    """

    operand: Expression
    items: tuple[SubscriptItem, ...]
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class KeywordArgument:
    """An argument by name: `axis=-1`. `start` and `length` are those of the name."""

    name: str
    value: Expression
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class OperationCall:
    """A call of a function of `keras.ops` in a formula."""

    function: str
    arguments: tuple[Expression, ...]
    keywords: tuple[KeywordArgument, ...]
    start: int
    length: int


Expression: TypeAlias = (
    Literal
    | Name
    | Path
    | ListExpr
    | ListComprehension
    | UnaryOp
    | BinOp
    | Comparison
    | IfExp
    | Index
    | SliceExpr
    | FunctionCall
    | ShapeCall
    | TensorName
    | Subscript
    | OperationCall
)
"""A node. The last three stand only in formulas, and not within their `$(...)`."""


Brackets: TypeAlias = Index | SliceExpr | Subscript
"""The nodes of brackets after an operand."""


def children(node: Expression) -> tuple[Expression, ...]:
    """Return the operands of a node, but not the list of a comprehension, in another scope."""
    operands: tuple[object, ...] = ()
    match node:
        case ListExpr(items=items) | FunctionCall(arguments=items) | TensorName(pieces=items):
            operands = items
        case ShapeCall(tensor=tensor):
            operands = tensor.pieces
        case ListComprehension(element=element, condition=condition):
            operands = (element, condition)
        case UnaryOp(operand=operand):
            operands = (operand,)
        case BinOp(left=left, right=right):
            operands = (left, right)
        case Comparison(first=first, rest=rest):
            operands = (first, *(each for _, each in rest))
        case IfExp(condition=condition, then=then, otherwise=otherwise):
            operands = (condition, then, otherwise)
        case Index(operand=operand, index=index):
            operands = (operand, index)
        case SliceExpr(operand=operand, first=first_end, last=last_end):
            operands = (operand, first_end, last_end)
        case Subscript(operand=operand, items=subscript_items):
            bounds = (
                (item.first, item.last, item.step) if isinstance(item, SliceRange) else (item,)
                for item in subscript_items
            )
            operands = (operand, *chain.from_iterable(bounds))
        case OperationCall(arguments=arguments, keywords=keywords):
            operands = (*arguments, *(keyword.value for keyword in keywords))
    # Without the ends of ranges that are left out, `...`, and the text in names.
    return tuple(operand for operand in operands if isinstance(operand, Expression))


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield an expression and its operands, as deep as they are nested."""
    # A stack instead of recursion: `a + b + c + ...` is nested as deep as it is long.
    stack = [expression]
    while stack:
        node = stack.pop()
        yield node
        stack += reversed(children(node))
