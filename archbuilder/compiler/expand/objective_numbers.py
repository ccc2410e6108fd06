"""Numbers of an objective: weights, momenta, lengths, and their schedules."""

from __future__ import annotations

from dataclasses import dataclass

from archbuilder.compiler.check_arguments import check_object
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.compiler.objective_ir import ScheduledNumber
from archbuilder.compiler.relative_steps import check_boundaries
from archbuilder.compiler.value_check import check_value
from archbuilder.language.deferred_values import DeferredValue, ValueEvaluator, Variables
from archbuilder.language.keyword_schemas import Schema
from archbuilder.yaml.nodes import MappingNode, Tree, to_plain


@dataclass(frozen=True, slots=True, eq=False)
class ObjectiveNumbers:
    """Evaluates the numbers of an objective; reports errors and then returns none."""

    evaluator: ValueEvaluator
    variables: Variables

    def scheduled(self, value: DeferredValue, title: str) -> tuple[ScheduledNumber, ...]:
        """Evaluate a number or a schedule."""
        tree = self.evaluator.evaluate(value, self.variables)
        diagnostics = self.evaluator.diagnostics
        if isinstance(tree, MappingNode):
            if not check_object("schedule", tree, diagnostics, allow_expressions=False):
                return ()
            schedule = KerasObject.from_tree("schedule", tree)
            check_boundaries(schedule, diagnostics)
            return (schedule,)
        return self._checked(tree, title, {"type": "number"})

    def integer(self, value: DeferredValue, title: str, maximum: int) -> tuple[int, ...]:
        """Evaluate an integer from 1 on."""
        schema: Schema = {"type": "integer", "minimum": 1, "maximum": maximum}
        return tuple(map(int, self.number(value, title, schema)))

    def number(self, value: DeferredValue, title: str, schema: Schema) -> tuple[float, ...]:
        """Evaluate a number of a schema."""
        return self._checked(self.evaluator.evaluate(value, self.variables), title, schema)

    def _checked(self, tree: Tree | None, title: str, schema: Schema) -> tuple[float, ...]:
        if tree is None or not check_value(tree, schema, title, self.evaluator.diagnostics):
            return ()
        number = to_plain(tree)
        return (float(number),) if isinstance(number, int | float) else ()
