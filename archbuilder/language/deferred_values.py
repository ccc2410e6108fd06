"""Values of a blueprint that may hold `$`: decoded once, evaluated for every use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from archbuilder import expressions
from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.diagnostics.span import Span
from archbuilder.expressions import EvaluationFailed, Template
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import (
    MappingEntry,
    MappingNode,
    ScalarNode,
    SequenceNode,
    Tree,
    from_plain,
)

Variables = Mapping[str, PlainData]
"""The parameters and loop variables that an expression sees."""


@dataclass(frozen=True, slots=True)
class DeferredValue:
    """A tree as it was written, with the formula of every text in it that has one.

    A formula that did not parse is reported when the value is decoded and makes it `broken`.
    """

    tree: Tree
    templates: Mapping[Span, Template]
    invalid: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether it is the same for all parameters."""
        return not self.templates and not self.invalid

    @property
    def span(self) -> Span:
        """Where it stands."""
        return self.tree.span

    def names(self) -> Iterator[tuple[str, Span]]:
        """Every parameter that it reads, with the text that reads it."""
        for template in self.templates.values():
            for name, start, length in template.references:
                yield name, template.subspan(start, length)


_NO_TEMPLATES: Final[Mapping[Span, Template]] = {}


def decode_value(tree: Tree, limits: Limits, diagnostics: Diagnostics) -> DeferredValue:
    """The value of a tree; reports formulas that are no expressions."""
    templates: dict[Span, Template] = {}
    invalid = False
    for scalar in _scalars_with_expressions(tree):
        if scalar.span in templates:
            continue
        template = expressions.parse(scalar, limits, diagnostics)
        if template is None:
            invalid = True
        else:
            templates[scalar.span] = template
    return DeferredValue(tree, templates or _NO_TEMPLATES, invalid)


@dataclass(frozen=True, slots=True)
class ValueEvaluator:
    """Evaluates values within limits, and keeps what goes wrong."""

    limits: Limits
    diagnostics: Diagnostics

    def evaluate(self, value: DeferredValue, variables: Variables) -> Tree | None:
        """The tree of a value with every formula replaced by its result; None after a mistake."""
        if value.invalid:
            return None
        if not value.templates:
            return value.tree
        return _ValueEvaluation(self, value.templates, variables).evaluate(value.tree)


class _ValueEvaluation:
    """The evaluation of one value, whose formulas may bring so many items together.

    A list may hold another parameter many times, which may hold another: without a sum over all
    of them, a page of text becomes more than a memory holds.
    """

    def __init__(
        self, evaluator: ValueEvaluator, templates: Mapping[Span, Template], variables: Variables
    ) -> None:
        self._limits = evaluator.limits
        self._diagnostics = evaluator.diagnostics
        self._templates = templates
        self._variables = variables
        self._remaining_items = evaluator.limits.list_items

    def evaluate(self, tree: Tree) -> Tree | None:
        if isinstance(tree, ScalarNode):
            return self._evaluate_scalar(tree)
        if isinstance(tree, SequenceNode):
            results = [self.evaluate(item) for item in tree.items]
            items = tuple(item for item in results if item is not None)
            return SequenceNode(items, tree.span) if len(items) == len(results) else None
        entries = []
        for entry in tree.entries:
            value = self.evaluate(entry.value)
            if value is not None:
                entries.append(MappingEntry(entry.key, value, entry.key_span))
        complete = len(entries) == len(tree.entries)
        return MappingNode(tuple(entries), tree.span) if complete else None

    def _evaluate_scalar(self, scalar: ScalarNode) -> Tree | None:
        template = self._templates.get(scalar.span) if isinstance(scalar.value, str) else None
        if template is None:
            return scalar
        result = expressions.evaluate(template, self._variables, self._limits, self._diagnostics)
        if isinstance(result, EvaluationFailed):
            return None
        if isinstance(result, list):
            if self._remaining_items < 0:
                return None
            self._remaining_items -= count_items(result, self._remaining_items)
            if self._remaining_items < 0:
                self._diagnostics.error(
                    "limit",
                    f"the value has more than {self._limits.list_items} items",
                    scalar.span,
                    notes=("raise it with the limit 'list_items'",),
                )
                return None
        return from_plain(result, scalar.span)


def count_items(values: list[PlainData], limit: int) -> int:
    """How many values a list has, with those of the lists in it; any number above `most` if more.

    Lists may share items, so that there may be far more of them than the memory holds.
    """
    stack, count = [values], 0
    while stack and count <= limit:
        current = stack.pop()
        count += len(current)
        stack += [item for item in current if isinstance(item, list)]
    return count


def _scalars_with_expressions(tree: Tree) -> Iterator[ScalarNode]:
    if isinstance(tree, ScalarNode):
        if isinstance(tree.value, str) and expressions.has_expression(tree.value):
            yield tree
    elif isinstance(tree, SequenceNode):
        for item in tree.items:
            yield from _scalars_with_expressions(item)
    else:
        for entry in tree.entries:
            yield from _scalars_with_expressions(entry.value)
