"""Names of steps within the scope of their block."""

from __future__ import annotations

from dataclasses import replace

from archbuilder.compiler.expand.scope import PREVIOUS, Scope, Symbol
from archbuilder.compiler.expand.tensors import ERROR_REFS, TensorRefs
from archbuilder.diagnostics.errors import Diagnostics, quote
from archbuilder.language.ast import Step, call_of, inner_steps
from archbuilder.language.deferred_values import ValueEvaluator, Variables
from archbuilder.language.modules import is_keras_name
from archbuilder.language.parser.fields import is_step_name
from archbuilder.plain_data import UnknownValue
from archbuilder.yaml.nodes import MappingNode, ScalarNode


def assign_step_name(
    step: Step, scope: Scope, callee_name: str, variables: Variables, evaluator: ValueEvaluator
) -> str:
    """Return the name of a step, or a generated one; report an invalid or duplicate name."""
    call = call_of(step)
    arguments = None if call is None or call.arguments is None else call.arguments.tree
    if is_keras_name(callee_name) and isinstance(arguments, MappingNode) and arguments.get("name"):
        # No layer has this argument, which is reported; it is meant as the name of the step.
        scope.has_invalid_name = True
    name = _declared_name(step, scope, variables, evaluator)
    return scope.generate_name(callee_name) if name is None else name


def register_name(
    step: Step, scope: Scope, outputs: TensorRefs, variables: Variables, evaluator: ValueEvaluator
) -> None:
    """Add the name of a step that cannot be called again, such as `branches`, to its scope."""
    name = _declared_name(step, scope, variables, evaluator)
    if name is not None:
        scope.symbols[name] = Symbol(outputs, step.span)


def select_alternative(
    step: Step,
    scope: Scope,
    variables: Variables,
    evaluator: ValueEvaluator,
    *,
    is_active: bool,
) -> Step | None:
    """Return the step without its `else`, the steps of its `else` as one step, or None.

    What is left out is marked as skipped.
    """
    if step.alternative is None:
        if not is_active:
            mark_skipped(step, scope, variables, evaluator)
        return step if is_active else None
    first = replace(step, alternative=None)
    second = replace(step, body=step.alternative, alternative=None, call_constants=None)
    selected, skipped = (first, second) if is_active else (second, first)
    mark_skipped(replace(skipped, name=None), scope, variables, evaluator)
    return selected


def mark_unknown(step: Step, scope: Scope, variables: Variables, evaluator: ValueEvaluator) -> None:
    """Add the names of a step and the steps within it, whose number depends on unknown values.

    Their outputs are `ERROR_REFS`. Other steps may have the same names: one for each case.
    """
    # Without its errors: the name may be valid only in the case that the values turn out to be.
    silent_evaluator = replace(evaluator, diagnostics=Diagnostics())
    tree = None if step.name is None else silent_evaluator.evaluate(step.name, variables)
    call = call_of(step)
    symbol = Symbol(ERROR_REFS, step.span)
    if isinstance(tree, ScalarNode) and isinstance(tree.value, str):
        scope.symbols[tree.value] = symbol
        scope.uncertain.add(tree.value)
    elif step.name is not None or call is not None:
        # Which numbers the steps without names have is not known from here on either.
        scope.has_invalid_name = True
        if step.name is None and call is not None:
            callee_name = call.parameter or call.callee
            name = scope.generate_name(callee_name)
            scope.add(name, symbol, is_generated=True, block=callee_name)
    for inner in inner_steps(step):
        mark_unknown(inner, scope, variables, evaluator)


def mark_skipped(step: Step, scope: Scope, variables: Variables, evaluator: ValueEvaluator) -> None:
    """Record that a step and the steps within it were left out by its `when`.

    The messages about references to them explain this.
    """
    if step.name is not None:
        # Without its errors: what `when` excludes may be just what the name cannot be built from.
        silent_evaluator = replace(evaluator, diagnostics=Diagnostics())
        tree = silent_evaluator.evaluate(step.name, variables)
        if isinstance(tree, ScalarNode) and isinstance(tree.value, str):
            scope.skipped[tree.value] = step.span
    for inner in inner_steps(step):
        # A name with an expression may read the variables of a loop, which have no values here.
        has_constant_name = inner.name is None or inner.name.is_constant
        mark_skipped(
            inner if has_constant_name else replace(inner, name=None), scope, variables, evaluator
        )


def _declared_name(
    step: Step, scope: Scope, variables: Variables, evaluator: ValueEvaluator
) -> str | None:
    """Return the declared name of a step; None if it has none, or after an error in it."""
    if step.name is None:
        return None
    tree = evaluator.evaluate(step.name, variables)
    name = tree.value if isinstance(tree, ScalarNode) else None
    if tree is None:
        pass  # The error in the expression is already reported.
    elif isinstance(name, UnknownValue):
        pass  # It depends on a shape.
    elif name == PREVIOUS:
        evaluator.diagnostics.error(
            "invalid-name",
            f"'{PREVIOUS}' cannot be the name of a step: it refers to the previous step",
            step.name.span,
        )
    elif not isinstance(name, str) or not is_step_name(name):
        evaluator.diagnostics.error(
            "invalid-name",
            f"{quote(name)} cannot be the name of a step",
            step.name.span,
            notes=("a name consists of letters, digits and '_', and does not start with a digit",),
        )
    elif scope.is_taken(name):
        existing_symbol = scope.symbols.get(name)
        location = "" if existing_symbol is None else f", at {existing_symbol.span}"
        evaluator.diagnostics.error(
            "duplicate-name",
            f"an earlier step has the name '{name}'{location}",
            step.name.span,
            notes=(
                "in a loop, add the index to the name: name: skip$i",
                "or name the whole loop: put it under 'layers' of a step with a name",
            ),
        )
    else:
        scope.uncertain.discard(name)
        return name
    scope.has_invalid_name = True
    return None
