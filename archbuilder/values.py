"""Values of a blueprint that may hold `$`: decoded once, evaluated for every use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from archbuilder import expressions
from archbuilder.errors import Diagnostics
from archbuilder.expressions import Failed, Template
from archbuilder.limits import Limits
from archbuilder.tree import Entry, Plain, Scalar, Sequence, Span, Tree, from_plain
from archbuilder.tree import Mapping as MappingTree

Variables = Mapping[str, Plain]
"""The parameters and loop variables that an expression sees."""


@dataclass(frozen=True, slots=True)
class Value:
    """A tree as it was written, with the formula of every text in it that has one.

    A formula that did not parse is reported when the value is decoded and makes it `broken`.
    """

    tree: Tree
    formulas: Mapping[Span, Template]
    broken: bool = False

    @property
    def constant(self) -> bool:
        """Whether it is the same for all parameters."""
        return not self.formulas and not self.broken

    @property
    def span(self) -> Span:
        """Where it stands."""
        return self.tree.span

    def names(self) -> Iterator[tuple[str, Span]]:
        """Every parameter that it reads, with the text that reads it."""
        for formula in self.formulas.values():
            for name, start, length in formula.uses:
                yield name, formula.place(start, length)


_NO_FORMULAS: Final[Mapping[Span, Template]] = {}


def decode_value(tree: Tree, limits: Limits, diagnostics: Diagnostics) -> Value:
    """The value of a tree; reports formulas that are no expressions."""
    formulas: dict[Span, Template] = {}
    broken = False
    for scalar in _formula_scalars(tree):
        if scalar.span in formulas:
            continue
        template = expressions.parse(scalar, limits, diagnostics)
        if template is None:
            broken = True
        else:
            formulas[scalar.span] = template
    return Value(tree, formulas or _NO_FORMULAS, broken)


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Evaluates values within limits, and keeps what goes wrong."""

    limits: Limits
    diagnostics: Diagnostics

    def evaluate(self, value: Value, variables: Variables) -> Tree | None:
        """The tree of a value with every formula replaced by its result; None after a mistake."""
        if value.broken:
            return None
        if not value.formulas:
            return value.tree
        return _Evaluation(self, value.formulas, variables).tree(value.tree)


class _Evaluation:
    """The evaluation of one value, whose formulas may bring so many items together.

    A list may hold another parameter many times, which may hold another: without a sum over all
    of them, a page of text becomes more than a memory holds.
    """

    def __init__(
        self, evaluator: Evaluator, formulas: Mapping[Span, Template], variables: Variables
    ) -> None:
        self._limits = evaluator.limits
        self._diagnostics = evaluator.diagnostics
        self._formulas = formulas
        self._variables = variables
        self._left = evaluator.limits.list_items

    def tree(self, tree: Tree) -> Tree | None:
        if isinstance(tree, Scalar):
            return self._scalar(tree)
        if isinstance(tree, Sequence):
            found = [self.tree(item) for item in tree.items]
            items = tuple(item for item in found if item is not None)
            return Sequence(items, tree.span) if len(items) == len(found) else None
        entries = []
        for entry in tree.entries:
            value = self.tree(entry.value)
            if value is not None:
                entries.append(Entry(entry.key, value, entry.key_span))
        whole = len(entries) == len(tree.entries)
        return MappingTree(tuple(entries), tree.span) if whole else None

    def _scalar(self, scalar: Scalar) -> Tree | None:
        template = self._formulas.get(scalar.span) if isinstance(scalar.value, str) else None
        if template is None:
            return scalar
        result = expressions.evaluate(template, self._variables, self._limits, self._diagnostics)
        if isinstance(result, Failed):
            return None
        if isinstance(result, list):
            if self._left < 0:
                return None
            self._left -= count_items(result, self._left)
            if self._left < 0:
                self._diagnostics.error(
                    "limit",
                    f"the value has more than {self._limits.list_items} items",
                    scalar.span,
                    notes=("raise it with the limit 'list_items'",),
                )
                return None
        return from_plain(result, scalar.span)


def count_items(values: list[Plain], most: int) -> int:
    """How many values a list has, with those of the lists in it; any number above `most` if more.

    Lists may share items, so that there may be far more of them than the memory holds.
    """
    waiting, count = [values], 0
    while waiting and count <= most:
        each = waiting.pop()
        count += len(each)
        waiting += [item for item in each if isinstance(item, list)]
    return count


def _formula_scalars(tree: Tree) -> Iterator[Scalar]:
    if isinstance(tree, Scalar):
        if isinstance(tree.value, str) and expressions.has_formula(tree.value):
            yield tree
    elif isinstance(tree, Sequence):
        for item in tree.items:
            yield from _formula_scalars(item)
    else:
        for entry in tree.entries:
            yield from _formula_scalars(entry.value)
