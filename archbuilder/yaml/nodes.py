"""The positioned tree: plain YAML data in which every value knows where it stands.

A tree is immutable. `archbuilder.yaml.reader` makes trees out of text; everything behind it reads
them and never changes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias, Union

from archbuilder.diagnostics.span import Span
from archbuilder.plain_data import PlainData, ScalarValue


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A single value. `quoted` tells `"1"` (a string) from `1`."""

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
    """One key of a mapping with its value."""

    key: str
    value: Tree
    key_span: Span


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A YAML mapping whose keys are strings, in the order of the file."""

    entries: tuple[MappingEntry, ...]
    span: Span

    def __iter__(self) -> Iterator[MappingEntry]:
        return iter(self.entries)

    def get(self, key: str) -> MappingEntry | None:
        """The entry of `key`, or None."""
        for entry in self.entries:
            if entry.key == key:
                return entry
        return None


Tree: TypeAlias = Union[ScalarNode, SequenceNode, MappingNode]


def to_plain(tree: Tree) -> PlainData:
    """The data of a tree without its positions."""
    if isinstance(tree, ScalarNode):
        return tree.value
    if isinstance(tree, SequenceNode):
        return [to_plain(item) for item in tree.items]
    return {entry.key: to_plain(entry.value) for entry in tree.entries}


def from_plain(value: PlainData, span: Span) -> Tree:
    """A tree of `value`, every part of which stands at `span`."""
    if isinstance(value, list | tuple):
        return SequenceNode(tuple(from_plain(item, span) for item in value), span)
    if isinstance(value, dict):
        entries = (MappingEntry(key, from_plain(item, span), span) for key, item in value.items())
        return MappingNode(tuple(entries), span)
    return ScalarNode(value, span, quoted=isinstance(value, str))


def describe_type(tree: Tree) -> str:
    """What a user calls this value: 'a mapping', 'a list', 'text', 'an integer'."""
    if isinstance(tree, MappingNode):
        return "a mapping"
    if isinstance(tree, SequenceNode):
        return "a list"
    return type_name(tree.value)


def type_name(value: ScalarValue) -> str:
    """What a user calls a value of this type."""
    names = {bool: "a boolean", int: "an integer", float: "a number", str: "text"}
    return "nothing" if value is None else names[type(value)]
