"""The names of steps within the block in which they stand."""

from __future__ import annotations

from dataclasses import replace

from archbuilder.decode.form import is_step_name
from archbuilder.document import Body, Branches, Group, Step
from archbuilder.errors import shown
from archbuilder.expand.flow import Flow
from archbuilder.expand.scope import PREVIOUS, Named, Scope
from archbuilder.tree import Scalar
from archbuilder.values import Evaluator, Value, Variables


def local_name(
    step: Step, scope: Scope, target: str, variables: Variables, evaluator: Evaluator
) -> str:
    """Return the name of a step within its scope, a generated one where it has none."""
    name = _own_name(step, scope, variables, evaluator)
    return scope.generate_name(target) if name is None else name


def register(
    step: Step, scope: Scope, flow: Flow, variables: Variables, evaluator: Evaluator
) -> None:
    """Make the name of a step that is no layer or block visible to the steps behind it."""
    name = _own_name(step, scope, variables, evaluator)
    if name is not None:
        scope.named[name] = Named(flow, step.span)


def leave_out(step: Step, scope: Scope, variables: Variables, evaluator: Evaluator) -> None:
    """Remember a step as left out by its `when`, and with it the steps within it.

    Of those within it, names that are formulas are not known: their loops do not run.
    """
    if step.name is not None:
        tree = evaluator.evaluate(step.name, variables)
        if isinstance(tree, Scalar) and isinstance(tree.value, str):
            scope.left_out[tree.value] = step.span
    for inner in _within(step.body):
        known = inner.name is None or inner.name.constant
        leave_out(inner if known else replace(inner, name=None), scope, variables, evaluator)


def _own_name(step: Step, scope: Scope, variables: Variables, evaluator: Evaluator) -> str | None:
    """Return the name that a step gives itself; None without one, or after reporting a mistake."""
    if step.name is None:
        return None
    name = _name(step.name, scope, variables, evaluator)
    if name is None:
        scope.has_broken_name = True
    return name


def _name(value: Value, scope: Scope, variables: Variables, evaluator: Evaluator) -> str | None:
    tree = evaluator.evaluate(value, variables)
    if tree is None:
        return None
    name = tree.value if isinstance(tree, Scalar) else None
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
            f"{shown(name)} cannot be the name of a step",
            value.span,
            notes=("a name has letters, digits and '_', and begins with no digit",),
        )
        return None
    if scope.is_taken(name):
        taken = scope.named.get(name)
        where = "" if taken is None else f", at {taken.span}"
        evaluator.diagnostics.error(
            "duplicate-name",
            f"another step before this one is called '{name}'{where}",
            value.span,
            notes=(
                "in a loop, number the rounds with $i: name: skip$i",
                "or name all rounds together: put the loop into the 'layers' of a named step",
            ),
        )
        return None
    return name


def _within(body: Body) -> tuple[Step, ...]:
    """Return the steps that share the scope of a step in which they stand."""
    if isinstance(body, Group):
        return body.steps
    if isinstance(body, Branches):
        return tuple(step for branch in body.branches for step in branch.steps)
    return ()
