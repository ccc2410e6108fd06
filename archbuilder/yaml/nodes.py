"""Nodes of a YAML tree: plain data in which every value has a `Span`.

Trees are immutable. `archbuilder.yaml.reader` builds them from text, and later stages only read
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias, Union

from archbuilder.diagnostics.span import Span
from archbuilder.plain_data import UNKNOWN, PlainData, ScalarValue


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A scalar. `quoted` distinguishes the string `"1"` from the integer `1`."""

    value: ScalarValue
    span: Span
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A YAML sequence."""

    items: tuple[Tree, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class MappingEntry:
    """A key of a mapping with its value."""

    key: str
    value: Tree
    key_span: Span


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A YAML mapping with unique string keys, in the order of the file."""

    entries: tuple[MappingEntry, ...]
    span: Span

    def __iter__(self) -> Iterator[MappingEntry]:
        return iter(self.entries)

    def get(self, key: str) -> MappingEntry | None:
        """Return the entry with this key, or None."""
        for entry in self.entries:
            if entry.key == key:
                return entry
        return None


Tree: TypeAlias = Union[ScalarNode, SequenceNode, MappingNode]


def to_plain(tree: Tree) -> PlainData:
    """Return the data of a tree without its locations."""
    if isinstance(tree, ScalarNode):
        return tree.value
    if isinstance(tree, SequenceNode):
        return [to_plain(item) for item in tree.items]
    return {entry.key: to_plain(entry.value) for entry in tree.entries}


def is_null(tree: Tree) -> bool:
    """Return whether a value is null, as that of a key with nothing after its colon."""
    return isinstance(tree, ScalarNode) and tree.value is None


def is_unknown(tree: Tree) -> bool:
    """Return whether a value or a part of it is unknown."""
    if isinstance(tree, ScalarNode):
        return tree.value is UNKNOWN
    if isinstance(tree, SequenceNode):
        return any(map(is_unknown, tree.items))
    return any(is_unknown(entry.value) for entry in tree.entries)


def from_plain(value: PlainData, span: Span) -> Tree:
    """Return a tree of `value` in which every node has the same `span`.

    It is for values that are not written in a file, such as the results of expressions. Errors in
    them point to `span`.
    """
    if isinstance(value, list | tuple):
        return SequenceNode(tuple(from_plain(item, span) for item in value), span)
    if isinstance(value, dict):
        entries = (MappingEntry(key, from_plain(item, span), span) for key, item in value.items())
        return MappingNode(tuple(entries), span)
    return ScalarNode(value, span, quoted=isinstance(value, str))


def describe_type(tree: Tree) -> str:
    """Return the type of a value for messages: 'a mapping', 'a list', 'a string', 'an integer'."""
    if isinstance(tree, MappingNode):
        return "a mapping" if tree.entries else "an empty mapping"
    if isinstance(tree, SequenceNode):
        return "a list" if tree.items else "an empty list"
    return type_name(tree.value)


def type_name(value: ScalarValue) -> str:
    """Return the type of a scalar for messages: 'a string', 'an integer', 'null'."""
    # Looked up by the exact type: `isinstance(True, int)` holds.
    names = {bool: "a boolean", int: "an integer", float: "a number", str: "a string"}
    return "null" if value is None else names.get(type(value), "an unknown value")
