"""Names of steps within the scope of their block."""

from __future__ import annotations

from dataclasses import replace

from archbuilder.compiler.expand.scope import PREVIOUS, StepSite, Symbol
from archbuilder.compiler.expand.tensors import ERROR_REFS, TensorRefs
from archbuilder.diagnostics.errors import quote
from archbuilder.language.ast import Step, call_of, inner_steps
from archbuilder.language.modules import is_keras_name
from archbuilder.language.parser.fields import is_step_name
from archbuilder.plain_data import UnknownValue
from archbuilder.yaml.nodes import MappingNode, ScalarNode


def assign_step_name(site: StepSite, callee_name: str) -> str:
    """Return the name of a step, or a generated one; report an invalid or duplicate name."""
    call = call_of(site.step)
    arguments = None if call is None or call.arguments is None else call.arguments.tree
    if is_keras_name(callee_name) and isinstance(arguments, MappingNode) and arguments.get("name"):
        # No layer has this argument, which is reported; it is meant as the name of the step.
        site.scope.has_invalid_name = True
    name = _declared_name(site)
    return site.scope.generate_name(callee_name) if name is None else name


def register_name(site: StepSite, outputs: TensorRefs) -> None:
    """Add the name of a step that cannot be called again, such as `branches`, to its scope."""
    name = _declared_name(site)
    if name is not None:
        site.scope.symbols[name] = Symbol(outputs, site.step.span)


def select_alternative(site: StepSite, *, is_active: bool) -> Step | None:
    """Return the step without its `else`, the steps of its `else` as one step, or None.

    What is left out is marked as skipped.
    """
    step = site.step
    if step.alternative is None:
        if not is_active:
            mark_skipped(site)
        return step if is_active else None
    first = replace(step, alternative=None)
    second = replace(step, body=step.alternative, alternative=None, call_constants=None)
    selected, skipped = (first, second) if is_active else (second, first)
    mark_skipped(replace(site, step=replace(skipped, name=None)))
    return selected


def mark_unknown(site: StepSite) -> None:
    """Add the names of a step and the steps within it, whose number depends on unknown values.

    Their outputs are `ERROR_REFS`. Other steps may have the same names: one for each case.
    """
    # Without its errors: the name may be valid only in the case that the values turn out to be.
    step, scope = site.step, site.scope
    tree = None if step.name is None else site.without_errors().evaluate(step.name)
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
        mark_unknown(replace(site, step=inner))


def mark_skipped(site: StepSite) -> None:
    """Record that a step and the steps within it were left out by its `when`.

    The messages about references to them explain this.
    """
    step = site.step
    if step.name is not None:
        # Without its errors: what `when` excludes may be just what the name cannot be built from.
        tree = site.without_errors().evaluate(step.name)
        if isinstance(tree, ScalarNode) and isinstance(tree.value, str):
            site.scope.skipped[tree.value] = step.span
    for inner in inner_steps(step):
        # A name with an expression may read the variables of a loop, which have no values here.
        has_constant_name = inner.name is None or inner.name.is_constant
        named = inner if has_constant_name else replace(inner, name=None)
        mark_skipped(replace(site, step=named))


def _declared_name(site: StepSite) -> str | None:
    """Return the declared name of a step; None if it has none, or after an error in it."""
    step, scope, diagnostics = site.step, site.scope, site.evaluator.diagnostics
    if step.name is None:
        return None
    tree = site.evaluate(step.name)
    name = tree.value if isinstance(tree, ScalarNode) else None
    if tree is None:
        pass  # The error in the expression is already reported.
    elif isinstance(name, UnknownValue):
        pass  # It depends on a shape.
    elif name == PREVIOUS:
        diagnostics.error(
            "invalid-name",
            f"'{PREVIOUS}' cannot be the name of a step: it refers to the previous step",
            step.name.span,
        )
    elif not isinstance(name, str) or not is_step_name(name):
        diagnostics.error(
            "invalid-name",
            f"{quote(name)} cannot be the name of a step",
            step.name.span,
            notes=("a name consists of letters, digits and '_', and does not start with a digit",),
        )
    elif scope.is_taken(name):
        existing_symbol = scope.symbols.get(name)
        location = "" if existing_symbol is None else f", at {existing_symbol.span}"
        diagnostics.error(
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
