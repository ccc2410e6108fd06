"""Blocks among the arguments of a call, decoded once.

Which arguments are blocks is known only when the callee is: it may be in another file, or itself
the value of a parameter. So the parser keeps the arguments as they are, and the compiler splits
them here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from archbuilder.diagnostics.errors import quote
from archbuilder.diagnostics.span import Span
from archbuilder.language.ast import BlockArgument
from archbuilder.language.deferred_values import DeferredValue
from archbuilder.language.parser.fields import FieldReader
from archbuilder.language.parser.steps import decode_block_argument
from archbuilder.yaml.nodes import MappingNode, ScalarNode, SequenceNode, Tree


@dataclass(frozen=True, slots=True)
class NamedBlock:
    """A block as the value of a parameter, with the location of the parameter's name."""

    name: str
    block: BlockArgument
    span: Span


@dataclass(frozen=True, slots=True)
class SplitArguments:
    """The arguments of a call: values that may contain expressions, and blocks by parameter."""

    values: DeferredValue | None
    blocks: tuple[NamedBlock, ...] = ()


NO_ARGUMENTS: Final = SplitArguments(None)
_Key: TypeAlias = tuple[int, frozenset[str], str | None]


@dataclass(frozen=True, slots=True, eq=False)
class BlockArguments:
    """The block arguments of one file, decoded on first use."""

    # With the value, whose id is the key: the id of an object that was freed is used again.
    _split: dict[_Key, tuple[DeferredValue, SplitArguments]] = field(default_factory=dict)
    _decoded: dict[int, tuple[DeferredValue, BlockArgument]] = field(default_factory=dict)

    def decode(self, value: DeferredValue, title: str, reader: FieldReader) -> BlockArgument:
        """Return a value as a block; report one that is not valid."""
        if id(value) not in self._decoded:
            tracker = reader.diagnostics.track_errors()
            block = decode_block_argument(reader, value.tree, title)
            # Errors are reported again: the first caller may be one that ignores them.
            if tracker.has_errors():
                return block
            self._decoded[id(value)] = (value, block)
        return self._decoded[id(value)][1]

    def split(
        self,
        arguments: DeferredValue | None,
        block_params: Collection[str],
        first_param: str | None,
        reader: FieldReader,
    ) -> SplitArguments:
        """Return the arguments of a call with its blocks decoded; report blocks that are not valid.

        Args:
            arguments: A mapping by name, one value for the first parameter, or None.
            block_params: The parameters of the callee that take blocks.
            first_param: The first parameter of the callee.
            reader: Decodes the blocks and reports errors.
        """
        if arguments is None:
            return NO_ARGUMENTS
        if not block_params:
            return SplitArguments(arguments)
        key = (id(arguments), frozenset(block_params), first_param)
        if key not in self._split:
            tracker = reader.diagnostics.track_errors()
            split = _split_tree(arguments.tree, block_params, first_param, reader)
            if tracker.has_errors():
                return split
            self._split[key] = (arguments, split)
        return self._split[key][1]


def _split_tree(
    tree: Tree, block_params: Collection[str], first_param: str | None, reader: FieldReader
) -> SplitArguments:
    if not isinstance(tree, MappingNode):
        if first_param is None or first_param not in block_params:
            return SplitArguments(reader.decode_value(tree))
        return SplitArguments(None, (_decode_named(first_param, tree, tree.span, reader),))
    values = tuple(entry for entry in tree if entry.key not in block_params)
    blocks = tuple(
        _decode_named(entry.key, entry.value, entry.key_span, reader)
        for entry in tree
        if entry.key in block_params
    )
    return SplitArguments(reader.decode_value(MappingNode(values, tree.span)), blocks)


def _decode_named(name: str, tree: Tree, span: Span, reader: FieldReader) -> NamedBlock:
    return NamedBlock(name, decode_block_argument(reader, tree, f"the block {quote(name)}"), span)


def wraps_block(
    arguments: DeferredValue | None, argument: str, is_block: Callable[[str], bool]
) -> bool:
    """Return whether the argument of a layer is a block, rather than a layer with arguments.

    `is_block` returns whether a name is that of a block, or `$name` that of a parameter with one.
    """
    if arguments is None:
        return False
    tree = arguments.tree
    if isinstance(tree, MappingNode):
        entry = tree.get(argument)
        if entry is None:
            return False
        tree = entry.value
    if isinstance(tree, SequenceNode):
        return True
    if isinstance(tree, MappingNode):
        return len(tree.entries) == 1 and is_block(tree.entries[0].key)
    return isinstance(tree.value, str) and is_block(tree.value)


def may_have_steps(tree: Tree) -> bool:
    """Return whether a value contains a list with a mapping, which a step may be."""
    if isinstance(tree, SequenceNode):
        return any(not isinstance(item, ScalarNode) for item in tree.items)
    return isinstance(tree, MappingNode) and any(may_have_steps(each.value) for each in tree)
