"""Numbers of steps that are relative to the length of a run, such as `decay_steps: 90%`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Final

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import MappingEntry, MappingNode, SequenceNode, Tree, to_plain

RELATIVE_STEPS: Final = r"^(100(\.0{1,6})?|[0-9]{1,2}(\.[0-9]{1,6})?)%$"
"""Pattern of a percentage of the steps of a run. No other argument of an optimizer has it."""
_BOUNDARIES: Final = "boundaries"


def has_relative_steps(optimizer: KerasObject) -> bool:
    """Return whether a schedule of an optimizer depends on the length of the run."""
    values = [to_plain(entry.value) for entry in _entries(optimizer.tree)]
    return any(
        _percentage(item) is not None
        for value in values
        for item in (value if isinstance(value, list) else [value])
    )


def resolve_relative_steps(optimizer: KerasObject, total_steps: int) -> KerasObject:
    """Return an optimizer with percentages replaced by numbers of its `total_steps` steps.

    They are rounded, to at least one step: Keras divides by `decay_steps`, and a short trial of a
    long run should not fail.
    """

    def resolve(tree: Tree) -> Tree:
        if isinstance(tree, MappingNode):
            entries = (replace(entry, value=resolve(entry.value)) for entry in tree)
            return replace(tree, entries=tuple(entries))
        if isinstance(tree, SequenceNode):
            return replace(tree, items=tuple(resolve(item) for item in tree.items))
        percentage = _percentage(tree.value)
        if percentage is None:
            return tree
        steps = round(percentage * total_steps / 100)
        return replace(tree, value=max(steps, 1) if percentage else 0)

    return replace(optimizer, tree=resolve(optimizer.tree))


def check_boundaries(
    optimizer: KerasObject, diagnostics: Diagnostics, *, allow_equal: bool = False
) -> None:
    """Report boundaries of `PiecewiseConstantDecay` that do not increase.

    Percentages and numbers of steps are compared when the length of the run is known: call this
    again with a resolved optimizer. `allow_equal` accepts what was rounded to the same step.
    """
    for entry in _entries(optimizer.tree):
        if entry.key != _BOUNDARIES or not isinstance(entry.value, SequenceNode):
            continue
        for previous, following in pairwise(entry.value.items):
            first, second = _steps(previous), _steps(following)
            # Values of other types are other errors.
            if first is None or type(first) is not type(second):
                continue
            if first > second or (first == second and not allow_equal):
                diagnostics.error(
                    "out-of-range",
                    f"'{_BOUNDARIES}' of PiecewiseConstantDecay must increase, but"
                    f" {to_plain(following)} follows {to_plain(previous)}",
                    following.span,
                )


def _steps(tree: Tree) -> int | Fraction | None:
    """Return a number of steps, or a percentage as a fraction; None for another value."""
    value = to_plain(tree)
    return value if isinstance(value, int) else _percentage(value)


def _percentage(value: PlainData) -> Fraction | None:
    match = re.match(RELATIVE_STEPS, value) if isinstance(value, str) else None
    return Fraction(match[1]) if match else None


def _entries(tree: Tree) -> Iterator[MappingEntry]:
    if isinstance(tree, MappingNode):
        for entry in tree:
            yield entry
            yield from _entries(entry.value)
    elif isinstance(tree, SequenceNode):
        for item in tree.items:
            yield from _entries(item)
