"""Values that may contain `$` expressions: parsed once, evaluated for every use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from archbuilder import expressions
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics
from archbuilder.diagnostics.span import Span
from archbuilder.expressions import (
    EvaluationFailed,
    ExpressionValueError,
    FileFunctions,
    OpaqueValue,
    ShapeLookup,
    Template,
    TotalBudget,
    count_items,
)
from archbuilder.limits import Limits
from archbuilder.plain_data import UNKNOWN, PlainData
from archbuilder.yaml.nodes import (
    MappingEntry,
    MappingNode,
    ScalarNode,
    SequenceNode,
    Tree,
    from_plain,
    is_unknown,
    to_plain,
)

Value: TypeAlias = PlainData | OpaqueValue
"""The value of a parameter: plain data or a block."""
Variables: TypeAlias = Mapping[str, Value]
"""Parameters and loop variables that are visible to an expression, by name."""


@dataclass(frozen=True, slots=True)
class DeferredValue:
    """A YAML tree with the parsed template of each text in it that contains `$`.

    `templates` is keyed by the span of the text. An expression with a syntax error is reported
    when the value is decoded, and makes the value `invalid`.
    """

    tree: Tree
    templates: Mapping[Span, Template]
    invalid: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether the value does not depend on any parameter."""
        return not self.templates and not self.invalid

    @property
    def reads_shapes(self) -> bool:
        """Whether the value depends on the shapes of tensors."""
        return any(template.tensors for template in self.templates.values())

    @property
    def span(self) -> Span:
        """Location of the value."""
        return self.tree.span

    def names(self) -> Iterator[tuple[str, Span]]:
        """Yield every variable that the value reads, with the location of the reference."""
        for template in self.templates.values():
            for name, start, length in template.references:
                yield name, template.subspan(start, length)

    def calls(self) -> Iterator[str]:
        """Yield the name of every function of the file that the value calls."""
        for template in self.templates.values():
            for name, _, _ in template.calls:
                yield name

    def tensors(self) -> Iterator[tuple[str, Span]]:
        """Yield every step and input whose shape the value reads, with its location.

        A name that depends on a parameter is yielded up to the `$`.
        """
        for template in self.templates.values():
            for tensor in template.tensors:
                name = tensor.pieces[0] if isinstance(tensor.pieces[0], str) else ""
                yield name, template.subspan(tensor.start, tensor.length)


def variable_value(tree: Tree) -> PlainData:
    """Return the value of a variable: unknown if a part of it is."""
    # Expressions look for unknown values among their operands, not within them.
    return UNKNOWN if is_unknown(tree) else to_plain(tree)


# Most values have no expressions; they share one empty mapping.
_NO_TEMPLATES: Final[Mapping[Span, Template]] = {}


def decode_value(
    tree: Tree, limits: Limits, diagnostics: Diagnostics, functions: FileFunctions
) -> DeferredValue:
    """Parse the expressions of a tree, which can call `functions`; report syntax errors."""
    templates: dict[Span, Template] = {}
    invalid = False
    for scalar in _scalars_with_expressions(tree):
        # A YAML alias repeats the nodes of its anchor, with the same spans.
        if scalar.span in templates:
            continue
        template = expressions.parse(scalar, limits, diagnostics, functions)
        if template is None:
            invalid = True
        else:
            templates[scalar.span] = template
    return DeferredValue(tree, templates or _NO_TEMPLATES, invalid)


@dataclass(frozen=True, slots=True)
class ValueEvaluator:
    """Evaluates values within limits, and collects the errors.

    Without `shapes`, values that depend on the shapes of tensors are unknown.
    """

    limits: Limits
    diagnostics: Diagnostics
    shapes: ShapeLookup | None = None
    total: TotalBudget = field(kw_only=True)
    """The operations that all evaluations together have left."""
    defaults: dict[int, PlainData] = field(default_factory=dict, kw_only=True)
    """The values of constant defaults that have the type of their parameter, by the id of the
    default, which the document keeps alive. A block with a long list may be called often."""

    def evaluate(self, value: DeferredValue, variables: Variables) -> Tree | None:
        """Return the tree of a value with the results of its expressions; None after an error.

        Raises:
            BlueprintError: if all evaluations together need more operations than the limits allow.
        """
        if value.invalid:
            # The syntax error was reported when the value was decoded.
            return None
        if not value.templates:
            return value.tree
        return _ValueEvaluation(self, value.templates, variables).evaluate(value.tree)


class _ValueEvaluation:
    """One evaluation of one value, with a limit on the list items of all its expressions.

    The evaluator of expressions bounds each list alone. A value may repeat a parameter whose list
    repeats another one, and so on; without a total, a page of text could fill the memory.
    """

    def __init__(
        self, evaluator: ValueEvaluator, templates: Mapping[Span, Template], variables: Variables
    ) -> None:
        self._limits = evaluator.limits
        self._diagnostics = evaluator.diagnostics
        self._shapes = evaluator.shapes
        self._total = evaluator.total
        self._templates = templates
        self._variables = variables
        self._remaining_items = evaluator.limits.list_items

    def evaluate(self, tree: Tree) -> Tree | None:
        if isinstance(tree, ScalarNode):
            template = self._templates.get(tree.span) if isinstance(tree.value, str) else None
            if template is None:
                return tree
            result = expressions.evaluate(
                template,
                self._variables,
                self._limits,
                self._diagnostics,
                self._shapes,
                self._total,
            )
            if self._total.is_exhausted:
                raise BlueprintError(self._diagnostics)
            if isinstance(result, EvaluationFailed):
                return None
            if isinstance(result, list | dict):
                if self._remaining_items < 0:
                    # An earlier list of this value exceeded the limit and was reported.
                    return None
                count = count_items(result, self._remaining_items)
                self._remaining_items -= count
                self._charge(count, tree)
                if self._remaining_items < 0:
                    message = f"the value has more than {self._limits.list_items} items"
                    self._diagnostics.limit_error("list_items", message, tree.span)
                    return None
            # The result is not scanned for `$` again: a parameter may hold any text.
            return from_plain(result, tree.span)
        if isinstance(tree, SequenceNode):
            # Evaluate the remaining items after an error as well, to report all errors at once.
            results = [self.evaluate(item) for item in tree.items]
            items = tuple(item for item in results if item is not None)
            return SequenceNode(items, tree.span) if len(items) == len(results) else None
        # The keys of a mapping are plain text, in which `$` has no meaning.
        entries = []
        for entry in tree.entries:
            value = self.evaluate(entry.value)
            if value is not None:
                entries.append(MappingEntry(entry.key, value, entry.key_span))
        complete = len(entries) == len(tree.entries)
        return MappingNode(tuple(entries), tree.span) if complete else None

    def _charge(self, item_count: int, tree: Tree) -> None:
        """Charge for the nodes of a value, which are kept, unlike what an evaluation computes."""
        try:
            self._total.charge(item_count)
        except ExpressionValueError as error:
            self._diagnostics.limit_error("total_operations", str(error), tree.span)
            raise BlueprintError(self._diagnostics) from None


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
