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
        return self._evaluate(value.tree, value.formulas, variables)

    def _evaluate(
        self, tree: Tree, formulas: Mapping[Span, Template], variables: Variables
    ) -> Tree | None:
        if isinstance(tree, Scalar):
            template = formulas.get(tree.span) if isinstance(tree.value, str) else None
            if template is None:
                return tree
            result = expressions.evaluate(template, variables, self.limits, self.diagnostics)
            return None if isinstance(result, Failed) else from_plain(result, tree.span)
        if isinstance(tree, Sequence):
            found = [self._evaluate(item, formulas, variables) for item in tree.items]
            items = tuple(item for item in found if item is not None)
            return Sequence(items, tree.span) if len(items) == len(found) else None
        entries = []
        for entry in tree.entries:
            value = self._evaluate(entry.value, formulas, variables)
            if value is not None:
                entries.append(Entry(entry.key, value, entry.key_span))
        whole = len(entries) == len(tree.entries)
        return MappingTree(tuple(entries), tree.span) if whole else None


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
