"""Binding of parameters to values: those of the caller, then defaults, with type checks."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from archbuilder.compiler.mapping_check import check_nested_value
from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.diagnostics.span import Span
from archbuilder.expressions import OpaqueValue
from archbuilder.language.ast import BlockArgument, Param
from archbuilder.language.deferred_values import Value, ValueEvaluator, Variables, variable_value
from archbuilder.language.foreign_keys import key_hint
from archbuilder.yaml.nodes import MappingNode, ScalarNode, SequenceNode, Tree


@dataclass(frozen=True, slots=True)
class ParameterValue:
    """A value that a caller passes for a parameter."""

    name: str
    value: Tree
    span: Span
    """Location of the name."""


@dataclass(frozen=True, slots=True)
class ExplicitValues:
    """The values of parameters that are not defaults: plain data and blocks, by name."""

    trees: Mapping[str, Tree]
    blocks: Mapping[str, OpaqueValue | None] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return (*self.trees, *self.blocks)


BlockBinder: TypeAlias = Callable[[BlockArgument, Variables], OpaqueValue | None]
"""Makes the value of a parameter of a block, which reads variables; None for null."""


@dataclass(frozen=True, slots=True)
class ParameterOwner:
    """The owner of parameters in messages: a block has "arguments", a file "parameters"."""

    text: str
    """The owner in words, as in "block 'fire'"."""
    noun: Literal["argument", "parameter"]

    @property
    def unknown_code(self) -> Code:
        """The code of the error for a name that the owner does not have."""
        return "unknown-argument" if self.noun == "argument" else "unknown-parameter"

    @property
    def missing_code(self) -> Code:
        """The code of the error for a value that is missing."""
        return "missing-argument" if self.noun == "argument" else "missing-parameter"


def bind_by_name(tree: Tree | None, params: Mapping[str, Param]) -> tuple[ParameterValue, ...]:
    """Return the arguments of a block by name; a bare value becomes the first parameter."""
    if tree is None:
        return ()
    if isinstance(tree, MappingNode):
        return tuple(ParameterValue(entry.key, entry.value, entry.key_span) for entry in tree)
    # A value for a block without parameters is reported by the semantic check.
    first = next(iter(params), None)
    return () if first is None else (ParameterValue(first, tree, tree.span),)


def check_parameter_values(
    params: Mapping[str, Param],
    arguments: Iterable[ParameterValue],
    owner: ParameterOwner,
    diagnostics: Diagnostics,
    *,
    allow_expressions: bool,
) -> dict[str, Tree]:
    """Return the valid values by name; report unknown names and wrong types.

    With `allow_expressions`, a text with `$` is accepted as any value.
    """
    values: dict[str, Tree] = {}
    for argument in arguments:
        param = params.get(argument.name)
        if param is None:
            suggestion = closest_match(argument.name, params)
            param_names = f"its {owner.noun}s are: {', '.join(params)}"
            if not params:
                param_names = f"it has none; declare it: params: {{{argument.name}: }}"
            # Parameters of the network and settings of the training are easily mixed up, as in
            # '--set epochs=3'; the arguments of a block are not.
            foreign = key_hint(argument.name, owner.text) if owner.noun == "parameter" else None
            diagnostics.error(
                owner.unknown_code,
                f"{owner.text} has no {owner.noun} {quote(argument.name)}",
                argument.span,
                suggestion=suggestion,
                notes=() if suggestion else (param_names, *([foreign] if foreign else [])),
            )
        # A block is decoded where it is bound.
        elif param.is_block or check_type(
            param, argument.value, diagnostics, allow_expressions=allow_expressions
        ):
            values[argument.name] = argument.value
    return values


def check_required(
    params: Mapping[str, Param],
    supplied_names: Iterable[str],
    owner: ParameterOwner,
    span: Span,
    diagnostics: Diagnostics,
) -> bool:
    """Check that every parameter without a default has a value; report those that do not."""
    # A mistyped name is reported as unknown; the parameter that it means is not also missing.
    present = {name if name in params else closest_match(name, params) for name in supplied_names}
    missing = [name for name, param in params.items() if param.required and name not in present]
    if missing:
        names = ", ".join(f"'{name}'" for name in missing)
        diagnostics.error(
            owner.missing_code,
            f"{owner.text} needs {'its ' if len(missing) > 1 else 'a value for '}{names}",
            span,
        )
    return not missing


def check_type(
    param: Param, tree: Tree, diagnostics: Diagnostics, *, allow_expressions: bool
) -> bool:
    """Check that a value matches the schema of its parameter; report it if not."""
    if not param.schema or (allow_expressions and _has_expression(tree)):
        return True
    return check_nested_value(tree, param.schema, f"the parameter '{param.name}'", diagnostics)


def resolve_parameters(
    params: Mapping[str, Param],
    explicit: ExplicitValues,
    outer: Variables,
    evaluator: ValueEvaluator,
    bind_block: BlockBinder,
) -> dict[str, Value] | None:
    """Return the value of every parameter; report an error in a default and return None.

    A default may read other parameters of the same owner, in any order, and the variables of
    `outer`. `bind_block` makes a value of a default that is a block.
    """
    resolver = _DefaultResolver(params, explicit, outer, evaluator, bind_block)
    for name in params:
        if not resolver.resolve(name):
            return None
    return resolver.values


class _DefaultResolver:
    """Evaluates defaults in the order of their dependencies, by a depth-first search."""

    def __init__(
        self,
        params: Mapping[str, Param],
        explicit: ExplicitValues,
        outer: Variables,
        evaluator: ValueEvaluator,
        bind_block: BlockBinder,
    ) -> None:
        self.values: dict[str, Value] = {
            **{
                name: evaluator.defaults[id(param.default)]
                for name, param in params.items()
                if id(param.default) in evaluator.defaults
            },
            **{name: variable_value(tree) for name, tree in explicit.trees.items()},
            **explicit.blocks,
        }
        self._bind_block = bind_block
        self._params = params
        self._outer = dict(outer)
        self._evaluator = evaluator
        self._pending: list[str] = []

    def resolve(self, name: str) -> bool:
        """Evaluate a parameter and what it depends on; report an error and return False."""
        if name in self.values:
            return True
        default = self._params[name].default
        if default is None:
            return False
        diagnostics = self._evaluator.diagnostics
        max_depth = self._evaluator.limits.block_depth
        if name in self._pending:
            cycle = " -> ".join([*self._pending, name])
            message = f"the default of '{name}' depends on itself: {cycle}"
            diagnostics.error("recursive-definition", message, default.span)
            return False
        # This method is recursive; a long chain of defaults would end in a RecursionError.
        if len(self._pending) >= max_depth:
            message = f"the defaults depend on each other through more than {max_depth} levels"
            diagnostics.limit_error("block_depth", message, default.span)
            return False
        self._pending.append(name)
        dependencies = [
            param_name for param_name, _ in default.names() if param_name in self._params
        ]
        resolved = all(self.resolve(dependency) for dependency in dependencies)
        self._pending.pop()
        if not resolved:
            return False
        block = self._params[name].default_block
        if block is not None:
            self.values[name] = self._bind_block(block, {**self._outer, **self.values})
            return True
        # Not a copy: there may be thousands of parameters.
        tree = self._evaluator.evaluate(default, ChainMap(self.values, self._outer))
        # A constant default is checked with the file; that of an expression has a type only now.
        if tree is None or not check_type(
            self._params[name], tree, diagnostics, allow_expressions=False
        ):
            return False
        self.values[name] = value = variable_value(tree)
        if default.is_constant:
            self._evaluator.defaults[id(default)] = value
        return True


def _has_expression(tree: Tree) -> bool:
    if isinstance(tree, ScalarNode):
        return isinstance(tree.value, str) and "$" in tree.value
    if isinstance(tree, SequenceNode):
        return any(_has_expression(item) for item in tree.items)
    return any(_has_expression(entry.value) for entry in tree.entries)
