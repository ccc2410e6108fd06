"""Gives parameters their values: what the caller gives, then defaults, judged by their types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from archbuilder.arguments import check_value
from archbuilder.document import Param
from archbuilder.errors import Diagnostics, nearest, shown
from archbuilder.foreign_keys import hint
from archbuilder.tree import Mapping as MappingTree
from archbuilder.tree import Plain, Scalar, Sequence, Span, Tree, plain
from archbuilder.values import Evaluator, Variables


@dataclass(frozen=True, slots=True)
class Given:
    """A value that a caller gives to a parameter."""

    name: str
    value: Tree
    span: Span
    """Where its name stands."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose parameters they are, for messages: a block has arguments, a file parameters."""

    text: str
    """As in "block 'fire'"."""
    noun: Literal["argument", "parameter"]


def given_by_name(tree: Tree | None, params: Mapping[str, Param]) -> tuple[Given, ...]:
    """The arguments of a block as they were written: by name, or one value for the first."""
    if tree is None:
        return ()
    if isinstance(tree, MappingTree):
        return tuple(Given(entry.key, entry.value, entry.key_span) for entry in tree)
    first = next(iter(params), None)
    return () if first is None else (Given(first, tree, tree.span),)


def check_given(
    params: Mapping[str, Param],
    given: Iterable[Given],
    owner: Owner,
    diagnostics: Diagnostics,
    *,
    formulas: bool,
) -> dict[str, Tree]:
    """What is given by name; reports unknown names and wrong types.

    With `formulas`, a text with `$` in it stands for any value.
    """
    values: dict[str, Tree] = {}
    for each in given:
        param = params.get(each.name)
        if param is None:
            suggestion = nearest(each.name, params)
            known = f"its {owner.noun}s are: {', '.join(params) or 'none'}"
            foreign = hint(each.name, owner.text) if owner.noun == "parameter" else None
            diagnostics.error(
                f"unknown-{owner.noun}",
                f"{owner.text} has no {owner.noun} {shown(each.name)}",
                each.span,
                suggestion=suggestion,
                notes=() if suggestion else (known, *([foreign] if foreign else [])),
            )
        elif check_type(param, each.value, diagnostics, formulas=formulas):
            values[each.name] = each.value
    return values


def check_required(
    params: Mapping[str, Param],
    given: Iterable[str],
    owner: Owner,
    span: Span,
    diagnostics: Diagnostics,
) -> bool:
    """Whether every parameter without a default is given; reports those that are not."""
    # A mistyped name is one mistake, not also a missing one.
    present = {name if name in params else nearest(name, params) for name in given}
    missing = [name for name, param in params.items() if param.required and name not in present]
    if missing:
        names = ", ".join(f"'{name}'" for name in missing)
        diagnostics.error(
            f"missing-{owner.noun}",
            f"{owner.text} needs {'its ' if len(missing) > 1 else 'a value for '}{names}",
            span,
        )
    return not missing


def check_type(param: Param, tree: Tree, diagnostics: Diagnostics, *, formulas: bool) -> bool:
    """Whether a value has the type that the parameter declares; otherwise reports it."""
    if not param.schema or (formulas and _has_formula(tree)):
        return True
    return check_value(tree, param.schema, f"the parameter '{param.name}'", diagnostics)


def resolve(
    params: Mapping[str, Param],
    given: Mapping[str, Tree],
    outer: Variables,
    evaluator: Evaluator,
) -> dict[str, Plain] | None:
    """The value of every parameter; None after a mistake in a default, which is reported.

    Defaults may read other parameters, and those of `outer`.
    """
    defaults = _Defaults(params, given, outer, evaluator)
    for name in params:
        if not defaults.settle(name):
            return None
    return defaults.values


class _Defaults:
    """Evaluates defaults in the order in which they depend on each other."""

    def __init__(
        self,
        params: Mapping[str, Param],
        given: Mapping[str, Tree],
        outer: Variables,
        evaluator: Evaluator,
    ) -> None:
        self.values: dict[str, Plain] = {name: plain(tree) for name, tree in given.items()}
        self._params = params
        self._outer = outer
        self._evaluator = evaluator
        self._pending: list[str] = []

    def settle(self, name: str) -> bool:
        """Whether the parameter has a value now; a mistake on the way is reported."""
        if name in self.values:
            return True
        default = self._params[name].default
        if default is None or not self._may_begin(name, default.span):
            return False
        self._pending.append(name)
        reads = [read for read, _ in default.names() if read in self._params]
        settled = all(self.settle(read) for read in reads)
        self._pending.pop()
        if not settled:
            return False
        tree = self._evaluator.evaluate(default, {**self._outer, **self.values})
        diagnostics = self._evaluator.diagnostics
        if tree is None or not check_type(self._params[name], tree, diagnostics, formulas=False):
            return False
        self.values[name] = plain(tree)
        return True

    def _may_begin(self, name: str, span: Span) -> bool:
        diagnostics = self._evaluator.diagnostics
        depth = self._evaluator.limits.block_depth
        if name in self._pending:
            circle = " -> ".join([*self._pending, name])
            message = f"the default of '{name}' depends on itself: {circle}"
            diagnostics.error("recursion", message, span)
            return False
        if len(self._pending) >= depth:
            diagnostics.error(
                "limit",
                f"defaults that depend on each other are more than {depth} deep",
                span,
                notes=("raise it with the limit 'block_depth'",),
            )
            return False
        return True


def _has_formula(tree: Tree) -> bool:
    if isinstance(tree, Scalar):
        return isinstance(tree.value, str) and "$" in tree.value
    if isinstance(tree, Sequence):
        return any(_has_formula(item) for item in tree.items)
    return any(_has_formula(entry.value) for entry in tree.entries)
