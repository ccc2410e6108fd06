"""The parts of a parsed expression. `start` and `length` are places in the text it stands in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, Union

from archbuilder.plain_data import ScalarValue


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text, true, false or null."""

    value: ScalarValue
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Name:
    """A parameter."""

    name: str
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class ListExpr:
    """A list of expressions."""

    items: tuple[Expression, ...]
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class UnaryOp:
    """A sign or `not` in front of an expression."""

    operator: str
    operand: Expression
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class BinOp:
    """Two expressions with an operator between them; `start` is the place of the operator."""

    operator: str
    left: Expression
    right: Expression
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Expressions with comparisons between them, all of which hold: `0 < a <= b`."""

    first: Expression
    rest: tuple[tuple[str, Expression], ...]
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class IfExp:
    """`a if condition else b`."""

    condition: Expression
    then: Expression
    otherwise: Expression
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Index:
    """One item of a list."""

    operand: Expression
    index: Expression
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class SliceExpr:
    """Some items of a list, from `first` to before `last`; None is the list's end."""

    operand: Expression
    first: Expression | None
    last: Expression | None
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function with its arguments."""

    function: str
    arguments: tuple[Expression, ...]
    start: int
    length: int


Expression: TypeAlias = Union[
    Literal, Name, ListExpr, UnaryOp, BinOp, Comparison, IfExp, Index, SliceExpr, FunctionCall
]
