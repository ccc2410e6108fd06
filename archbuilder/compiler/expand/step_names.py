"""The names of steps within the block in which they stand."""

from __future__ import annotations

from dataclasses import replace

from archbuilder.compiler.expand.scope import PREVIOUS, Scope, Symbol
from archbuilder.compiler.expand.tensors import TensorRefs
from archbuilder.diagnostics.errors import quote
from archbuilder.language.ast import Body, Branches, Sequential, Step
from archbuilder.language.deferred_values import DeferredValue, ValueEvaluator, Variables
from archbuilder.language.parser.fields import is_step_name
from archbuilder.yaml.nodes import ScalarNode


def local_name(
    step: Step, scope: Scope, callee_name: str, variables: Variables, evaluator: ValueEvaluator
) -> str:
    """Return the name of a step within its scope, a generated one where it has none."""
    name = _declared_name(step, scope, variables, evaluator)
    return scope.generate_name(callee_name) if name is None else name


def register_name(
    step: Step, scope: Scope, outputs: TensorRefs, variables: Variables, evaluator: ValueEvaluator
) -> None:
    """Make the name of a step that is no layer or block visible to the steps behind it."""
    name = _declared_name(step, scope, variables, evaluator)
    if name is not None:
        scope.symbols[name] = Symbol(outputs, step.span)


def mark_skipped(step: Step, scope: Scope, variables: Variables, evaluator: ValueEvaluator) -> None:
    """Remember a step as left out by its `when`, and with it the steps within it.

    Of those within it, names that are formulas are not known: their loops do not run.
    """
    if step.name is not None:
        tree = evaluator.evaluate(step.name, variables)
        if isinstance(tree, ScalarNode) and isinstance(tree.value, str):
            scope.skipped[tree.value] = step.span
    for inner in _steps_in_same_scope(step.body):
        has_constant_name = inner.name is None or inner.name.is_constant
        mark_skipped(
            inner if has_constant_name else replace(inner, name=None), scope, variables, evaluator
        )


def _declared_name(
    step: Step, scope: Scope, variables: Variables, evaluator: ValueEvaluator
) -> str | None:
    """Return the name that a step gives itself; None without one, or after reporting a mistake."""
    if step.name is None:
        return None
    name = _evaluate_name(step.name, scope, variables, evaluator)
    if name is None:
        scope.has_invalid_name = True
    return name


def _evaluate_name(
    value: DeferredValue, scope: Scope, variables: Variables, evaluator: ValueEvaluator
) -> str | None:
    tree = evaluator.evaluate(value, variables)
    if tree is None:
        return None
    name = tree.value if isinstance(tree, ScalarNode) else None
    if name == PREVIOUS:
        evaluator.diagnostics.error(
            "invalid-name",
            f"'{PREVIOUS}' cannot be the name of a step: it is the step before",
            value.span,
        )
        return None
    if not isinstance(name, str) or not is_step_name(name):
        evaluator.diagnostics.error(
            "invalid-name",
            f"{quote(name)} cannot be the name of a step",
            value.span,
            notes=("a name has letters, digits and '_', and begins with no digit",),
        )
        return None
    if scope.is_taken(name):
        existing_symbol = scope.symbols.get(name)
        location = "" if existing_symbol is None else f", at {existing_symbol.span}"
        evaluator.diagnostics.error(
            "duplicate-name",
            f"another step before this one is called '{name}'{location}",
            value.span,
            notes=(
                "in a loop, number the rounds with $i: name: skip$i",
                "or name all rounds together: put the loop into the 'layers' of a named step",
            ),
        )
        return None
    return name


def _steps_in_same_scope(body: Body) -> tuple[Step, ...]:
    """Return the steps that share the scope of a step in which they stand."""
    if isinstance(body, Sequential):
        return body.steps
    if isinstance(body, Branches):
        return tuple(step for branch in body.branches for step in branch.steps)
    return ()
