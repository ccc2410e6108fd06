"""Evaluation of `for`, `repeat` and `when`: the iterations of a step."""

from __future__ import annotations

from collections.abc import Mapping

from archbuilder.diagnostics.errors import BlueprintError, Diagnostics
from archbuilder.language.ast import ForLoop, InputDeclaration, Step
from archbuilder.language.deferred_values import (
    DeferredValue,
    ValueEvaluator,
    Variables,
    variable_value,
)
from archbuilder.language.parser.fields import describe_value
from archbuilder.plain_data import PlainData, UnknownValue
from archbuilder.yaml.nodes import ScalarNode, SequenceNode


def iterations(
    step: Step, variables: Variables, evaluator: ValueEvaluator
) -> list[Variables] | UnknownValue | None:
    """Return the variables of each iteration of a step, or unknown; report an error as None.

    If a step has both, `for` is the outer loop and `repeat` the inner one.
    """
    outer_iterations: list[Variables] | UnknownValue | None = [variables]
    if step.loop is not None:
        outer_iterations = _loop_iterations(step.loop, variables, evaluator)
    if step.repeat is None or not isinstance(outer_iterations, list):
        return outer_iterations
    all_iterations: list[Variables] = []
    for iteration_variables in outer_iterations:
        count = _repeat_count(step.repeat.times, iteration_variables, evaluator)
        if not isinstance(count, int):
            return count
        all_iterations += [
            {**iteration_variables, step.repeat.index: index} for index in range(count)
        ]
        # The caller reports the limit. Without the break, a `for` of 10,000 items, each repeated
        # 100,000 times, would fill the memory first.
        if len(all_iterations) > evaluator.limits.expanded_steps:
            break
    return all_iterations


def evaluate_when(
    item: Step | InputDeclaration, variables: Variables, evaluator: ValueEvaluator
) -> bool | UnknownValue | None:
    """Return whether `when` keeps a step or an input, or unknown; report an error as None."""
    if item.condition is None:
        return True
    tree = evaluator.evaluate(item.condition, variables)
    if tree is None:
        return None
    if isinstance(tree, ScalarNode) and isinstance(tree.value, bool | UnknownValue):
        return tree.value
    evaluator.diagnostics.error(
        "type-mismatch",
        f"'when' must be true or false, not {describe_value(tree)}",
        tree.span,
        notes=("compare the value, as in 'when: $(rate > 0)'",),
    )
    return None


def check_loop_lengths(lengths: Mapping[str, int], loop: ForLoop, diagnostics: Diagnostics) -> bool:
    """Check that the lists of a `for` have equal lengths; report it if not."""
    if len(set(lengths.values())) <= 1:
        return True
    lengths_text = ", ".join(f"'{name}' has {length}" for name, length in lengths.items())
    diagnostics.error(
        "length-mismatch",
        f"the lists of a 'for' must have the same length, but {lengths_text}",
        loop.span,
    )
    return False


def _repeat_count(
    value: DeferredValue, variables: Variables, evaluator: ValueEvaluator
) -> int | UnknownValue | None:
    """Evaluate `repeat`, which may be unknown; report a value that is not a count as None.

    Raises:
        BlueprintError: if the count alone is above the limit of steps.
    """
    tree = evaluator.evaluate(value, variables)
    if tree is None:
        return None
    count = tree.value if isinstance(tree, ScalarNode) else None
    if isinstance(count, UnknownValue):
        return count
    # Not `isinstance`: true is an `int` in Python.
    if type(count) is not int:
        evaluator.diagnostics.error(
            "type-mismatch", f"'repeat' must be an integer, not {describe_value(tree)}", tree.span
        )
        return None
    if count < 0:
        evaluator.diagnostics.error("out-of-range", f"'repeat' cannot be {count}", tree.span)
        return None
    # Checked before a list of that length is built.
    if count > evaluator.limits.expanded_steps:
        evaluator.diagnostics.limit_error(
            "expanded_steps",
            f"'repeat' expands one step to {count:,}, but a blueprint can have"
            f" {evaluator.limits.expanded_steps:,} at most",
            tree.span,
        )
        raise BlueprintError(evaluator.diagnostics)
    return count


def _loop_iterations(
    loop: ForLoop, variables: Variables, evaluator: ValueEvaluator
) -> list[Variables] | UnknownValue | None:
    """Return the variables of each iteration of a `for`, or unknown; report an error as None."""
    lists: dict[str, list[PlainData]] = {}
    for name, value in loop.variables:
        tree = evaluator.evaluate(value, variables)
        if tree is None:
            return None
        if isinstance(tree, ScalarNode) and isinstance(tree.value, UnknownValue):
            return tree.value
        if not isinstance(tree, SequenceNode):
            evaluator.diagnostics.error(
                "type-mismatch",
                f"'for' needs a list for '{name}', not {describe_value(tree)}",
                tree.span,
            )
            return None
        lists[name] = [variable_value(item) for item in tree.items]
    # The semantic check has compared literal lists; this is for those of expressions.
    lengths = {name: len(values) for name, values in lists.items()}
    if not check_loop_lengths(lengths, loop, evaluator.diagnostics):
        return None
    names = list(lists)
    return [
        {**variables, loop.index: index, **dict(zip(names, values, strict=True))}
        for index, values in enumerate(zip(*lists.values(), strict=True))
    ]
