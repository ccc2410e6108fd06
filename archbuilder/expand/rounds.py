"""How often a step runs: `for`, `repeat` and `when`."""

from __future__ import annotations

from typing import Final

from archbuilder.decode.form import describe
from archbuilder.document import Input, Loop, Step
from archbuilder.errors import BlueprintError
from archbuilder.tree import Plain, Scalar, Sequence, plain
from archbuilder.values import Evaluator, Value, Variables

ROUND: Final = "i"
"""The variable that counts the rounds of `repeat` and `for` from 0."""


def rounds(
    step: Step,
    variables: Variables,
    evaluator: Evaluator,
) -> list[Variables] | None:
    """The variables of every round of a step; None after a mistake, which is reported.

    Where a step has both, each round of `for` is repeated.
    """
    outer: list[Variables] | None = [variables]
    if step.loop is not None:
        outer = _loop_rounds(step.loop, variables, evaluator)
    if step.repeat is None or outer is None:
        return outer
    all_rounds: list[Variables] = []
    for round_variables in outer:
        count = _count(step.repeat, round_variables, evaluator)
        if count is None:
            return None
        all_rounds += [{**round_variables, ROUND: number} for number in range(count)]
        if len(all_rounds) > evaluator.limits.steps:
            break
    return all_rounds


def is_kept(
    part: Step | Input,
    variables: Variables,
    evaluator: Evaluator,
) -> bool | None:
    """Whether `when` keeps a step or an input; None after a mistake, which is reported."""
    if part.condition is None:
        return True
    tree = evaluator.evaluate(part.condition, variables)
    if tree is None:
        return None
    if isinstance(tree, Scalar) and isinstance(tree.value, bool):
        return tree.value
    evaluator.diagnostics.error(
        "wrong-type", f"'when' is true or false, not {describe(tree)}", tree.span
    )
    return None


def _count(
    value: Value,
    variables: Variables,
    evaluator: Evaluator,
) -> int | None:
    tree = evaluator.evaluate(value, variables)
    if tree is None:
        return None
    count = tree.value if isinstance(tree, Scalar) else None
    if type(count) is not int:
        evaluator.diagnostics.error(
            "wrong-type", f"'repeat' is an integer, not {describe(tree)}", tree.span
        )
        return None
    if count < 0:
        evaluator.diagnostics.error("out-of-range", f"'repeat' cannot be {count}", tree.span)
        return None
    if count > evaluator.limits.steps:
        evaluator.diagnostics.error(
            "limit",
            f"'repeat' makes {count:,} steps of one, and a blueprint has"
            f" {evaluator.limits.steps:,} at most",
            tree.span,
            notes=("raise it with the limit 'steps'",),
        )
        raise BlueprintError(evaluator.diagnostics)
    return count


def _loop_rounds(
    loop: Loop,
    variables: Variables,
    evaluator: Evaluator,
) -> list[Variables] | None:
    lists: dict[str, list[Plain]] = {}
    for name, value in loop.variables:
        tree = evaluator.evaluate(value, variables)
        if tree is None:
            return None
        if not isinstance(tree, Sequence):
            evaluator.diagnostics.error(
                "wrong-type", f"'for' takes a list for '{name}', not {describe(tree)}", tree.span
            )
            return None
        lists[name] = [plain(item) for item in tree.items]
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"'{name}' has {length}" for name, length in lengths.items())
        evaluator.diagnostics.error(
            "unequal-lists",
            f"the lists of a 'for' run side by side and are equally long, but {told}",
            loop.span,
        )
        return None
    names = list(lists)
    return [
        {**variables, ROUND: number, **dict(zip(names, values, strict=True))}
        for number, values in enumerate(zip(*lists.values(), strict=True))
    ]
