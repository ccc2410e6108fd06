"""Limit on the number of steps, checked before any of them is expanded.

A few lines can stand for billions of steps: blocks in blocks, each repeated a hundred times. How
many steps one expands to depends only on the parameters of its file and on the variables that it
reads. So each step is counted once for equal values, and the rest is arithmetic.

A block that is called again with `reuse` counts as one step here, because what the name refers to
depends on the steps before it. So does a step whose `when`, `repeat` or `for` reads the shape of
one. The expansion counts their steps, and has the same limit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from archbuilder.compiler.expand.block_values import (
    evaluate_arguments,
    held_block,
    wrapped_argument,
)
from archbuilder.compiler.expand.blocks import bind_block_parameters
from archbuilder.compiler.expand.environment import BlockValue, BoundCall, Environment
from archbuilder.compiler.expand.iteration import evaluate_when, iterations
from archbuilder.compiler.expand.scope import FileScope
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics
from archbuilder.diagnostics.span import Span
from archbuilder.expressions import OpaqueValue, TotalBudget
from archbuilder.language.ast import (
    Block,
    Sequential,
    Step,
    StepCall,
    call_of,
    inner_steps,
    steps_of,
)
from archbuilder.language.deferred_values import DeferredValue, Value, ValueEvaluator, Variables
from archbuilder.language.formulas import Formula
from archbuilder.language.modules import LayerCallee, resolve_callee
from archbuilder.plain_data import UnknownValue
from archbuilder.registry.signatures import Signature

MAX_STEP_NESTING: Final = 100
"""How deep steps can be nested, those of blocks within the steps that call them included. The
expansion recurses with three to six frames a level, and Python's recursion limit is 1000."""

_UNLIMITED: Final = 10**9


def check_step_count(
    block: Block, file: FileScope, variables: Variables, evaluator: ValueEvaluator
) -> None:
    """Check that a network expands to no more steps than the limits allow.

    Raises:
        BlueprintError: if there are more.
    """
    # Other errors are reported by the expansion itself. Collecting them must not raise, as it does
    # at 100 errors by default: that would look like the limit.
    silent_evaluator = ValueEvaluator(
        evaluator.limits,
        Diagnostics(maximum=_UNLIMITED),
        total=TotalBudget(evaluator.limits),
    )
    try:
        _StepCounter(silent_evaluator).count_block(block, Environment(file, variables))
    except BlueprintError as error:
        evaluator.diagnostics.extend(e for e in error.diagnostics if e.code == "limit-exceeded")
        raise BlueprintError(evaluator.diagnostics) from None


def step_cost(step: Step) -> int:
    """Return the number of steps that a step counts as, without those within it."""
    return max(step.body.operation_count, 1) if isinstance(step.body, Formula) else 1


def report_too_many_steps(evaluator: ValueEvaluator, span: Span) -> None:
    """Report that there are too many steps, and stop.

    Raises:
        BlueprintError: always.
    """
    message = f"the blueprint expands to more than {evaluator.limits.expanded_steps:,} steps"
    evaluator.diagnostics.limit_error("expanded_steps", message, span)
    raise BlueprintError(evaluator.diagnostics)


class _StepCounter:
    """Counts steps, with a cache by step and by the values of the variables that it reads."""

    def __init__(self, evaluator: ValueEvaluator) -> None:
        self._evaluator = evaluator
        self._block_depth = 0
        self._nesting = 0
        self._counts: dict[tuple[object, ...], int] = {}
        self._step_variables: dict[int, frozenset[str]] = {}
        # The text of each list and mapping by its id, which stays unique as the value is kept too.
        self._texts: dict[int, tuple[Value, str]] = {}
        # One scope for equal parameters: a new one is bound at every call of an imported block.
        self._imported_files: dict[tuple[object, ...], FileScope] = {}

    def count_block(self, block: Block, environment: Environment) -> int:
        """Count the steps that a block expands to; `environment` is that around its call."""
        # The semantic check reports recursion.
        if block in environment.enclosing:
            return 1
        enclosing = environment.enclosing | {block}
        return self._count_inner(block.steps, replace(environment, enclosing=enclosing))

    def _count_inner(self, steps: tuple[Step, ...], environment: Environment) -> int:
        """Count the steps of a block, or of a list that a parameter holds."""
        # The expansion reports the depth.
        if self._block_depth > self._evaluator.limits.block_depth:
            return 1
        self._block_depth += 1
        count = self._count_steps(steps, environment)
        self._block_depth -= 1
        return count

    def _count_steps(self, steps: tuple[Step, ...], environment: Environment) -> int:
        # The expansion reports it.
        if self._nesting > MAX_STEP_NESTING:
            return 0
        self._nesting += 1
        total = 0
        for step in steps:
            variables = environment.variables
            # The set of a step is cached, so that its order, which is that of the key, stays.
            names = self._variables_of_step(step)
            values = tuple(self._value_key(variables.get(name)) for name in names)
            key = (id(step), id(environment.file), *values)
            if key not in self._counts:
                self._counts[key] = self._count_iterations(step, environment)
            total += self._counts[key]
            if total > self._evaluator.limits.expanded_steps:
                report_too_many_steps(self._evaluator, step.span)
        self._nesting -= 1
        return total

    def _count_iterations(self, step: Step, environment: Environment) -> int:
        all_iterations = iterations(step, environment.variables, self._evaluator)
        # No iterations, an error that the expansion reports, or a number that depends on shapes,
        # in which case the expansion counts the steps.
        if not isinstance(all_iterations, list) or not all_iterations:
            return 1
        reads_index = step.repeat is None or step.repeat.index in self._variables_of_iteration(step)
        if step.loop is None and not reads_index:
            # The iterations of a `repeat` that does not read its index are all alike.
            first = replace(environment, variables=all_iterations[0])
            return len(all_iterations) * self._count_iteration(step, first)
        total = 0
        for variables in all_iterations:
            total += self._count_iteration(step, replace(environment, variables=variables))
            if total > self._evaluator.limits.expanded_steps:
                break
        return total

    def _count_iteration(self, step: Step, environment: Environment) -> int:
        is_active = evaluate_when(step, environment.variables, self._evaluator)
        # A step that a shape may skip counts as one.
        if isinstance(is_active, UnknownValue):
            return 1
        # A skipped step counts as one, as it does in the expansion.
        if not is_active:
            alternative = () if step.alternative is None else step.alternative.steps
            return 1 + self._count_steps(alternative, environment)
        count = step_cost(step) + self._count_steps(steps_of(step.body), environment)
        call = call_of(step)
        if call is None:
            return count
        if call.parameter is None:
            return count + self._count_call(BoundCall(call, environment))
        block = held_block(call, environment, self._evaluator.diagnostics)
        return count + self._count_held(block)

    def _count_call(self, bound: BoundCall) -> int:
        """Count the steps within a called block; 0 for a layer."""
        file = bound.environment.file
        callee = resolve_callee(file.program, bound.call.callee)
        if isinstance(callee, LayerCallee):
            return self._count_wrapped(callee.signature, bound)
        if callee is None:
            return 0
        binding = bind_block_parameters(callee, bound, self._evaluator)
        if binding is None:
            return 0
        inner, variables = binding
        if inner is not file:
            values = (self._value_key(each) for each in inner.variables.values())
            inner = self._imported_files.setdefault((id(inner.program), *values), inner)
        return self.count_block(
            callee.block, Environment(inner, variables, None, bound.environment.enclosing)
        )

    def _count_held(self, block: BlockValue | None) -> int:
        """Count the steps of a block that a parameter holds."""
        if block is not None and isinstance(block.body, Sequential):
            return self._count_inner(block.body.steps, block.environment)
        if block is not None and isinstance(block.body, StepCall):
            return self._count_call(BoundCall(block.body, block.environment, block.added))
        return 0

    def _count_wrapped(self, signature: Signature, bound: BoundCall) -> int:
        """Count the steps of the block that a layer wraps; 0 if it wraps none."""
        name = wrapped_argument(signature, bound)
        if name is None:
            return 0
        evaluated = evaluate_arguments(bound, (name,), name, self._evaluator)
        return 0 if evaluated is None else self._count_held(evaluated.blocks.get(name))

    def _value_key(self, value: Value) -> object:
        """Return what identifies a value in a cache."""
        # Blocks are compared by identity. Of the others, the `repr`: they may be lists, and True, 1
        # and 1.0 are equal as keys.
        if isinstance(value, OpaqueValue):
            return value
        if not isinstance(value, list | dict):
            return repr(value)
        if id(value) not in self._texts:
            self._texts[id(value)] = value, repr(value)
        return self._texts[id(value)][1]

    def _variables_of_step(self, step: Step) -> frozenset[str]:
        """Return the variables that determine the expansion of a step, including its loop."""
        # By id, as in `Expander`: the document keeps its steps alive.
        if id(step) not in self._step_variables:
            loop_values = [
                None if step.repeat is None else step.repeat.times,
                *(value for _, value in (step.loop.variables if step.loop else ())),
            ]
            self._step_variables[id(step)] = _variable_names(
                loop_values
            ) | self._variables_of_iteration(step)
        return self._step_variables[id(step)]

    def _variables_of_iteration(self, step: Step) -> frozenset[str]:
        """Return the variables that determine the expansion of one iteration of a step."""
        call = call_of(step)
        names = _variable_names([step.condition, None if call is None else call.arguments])
        if call is not None and call.parameter is not None:
            names |= {call.parameter}
        return names.union(*(self._variables_of_step(each) for each in inner_steps(step)))


def _variable_names(values: list[DeferredValue | None]) -> frozenset[str]:
    return frozenset(name for value in values if value is not None for name, _ in value.names())
