"""Numbers of steps that are relative to the length of a run, such as `decay_steps: 90%`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Final

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.yaml.nodes import MappingNode, ScalarNode, SequenceNode, Tree

RELATIVE_STEPS: Final = r"^([0-9]{1,3}(\.[0-9]{1,6})?)%$"
"""Pattern of a percentage of the steps of a run. No other argument of an optimizer has it."""


def has_relative_steps(optimizer: KerasObject) -> bool:
    """Return whether a schedule of an optimizer depends on the length of the run."""
    return any(_percentage(each) is not None for each in _scalars(optimizer.tree))


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
        percentage = _percentage(tree)
        if percentage is None:
            return tree
        steps = round(percentage * total_steps / 100)
        return replace(tree, value=max(steps, 1) if percentage else 0)

    return replace(optimizer, tree=resolve(optimizer.tree))


def _percentage(node: ScalarNode) -> Fraction | None:
    match = re.match(RELATIVE_STEPS, node.value) if isinstance(node.value, str) else None
    return Fraction(match[1]) if match else None


def _scalars(tree: Tree) -> Iterator[ScalarNode]:
    if isinstance(tree, ScalarNode):
        yield tree
        return
    children = tree.items if isinstance(tree, SequenceNode) else [entry.value for entry in tree]
    for child in children:
        yield from _scalars(child)
