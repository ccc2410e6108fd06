"""The positioned tree: plain YAML data in which every value knows where it stands.

A tree is immutable. `archbuilder.source` makes trees out of text; everything behind it reads
them and never changes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias, Union

ScalarValue: TypeAlias = Union[bool, int, float, str, None]
PlainData: TypeAlias = Union[ScalarValue, "list[PlainData]", "dict[str, PlainData]"]
"""What a tree is once its positions are dropped: the data types of JSON."""


@dataclass(frozen=True, eq=False)
class SourceText:
    """A text that was read, under the name that messages show for it."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines of the text, split where YAML splits them."""
        return tuple(self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))


@dataclass(frozen=True, slots=True)
class Span:
    """A range of characters in a source: lines and columns count from 1, the end is exclusive."""

    source: SourceText
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    def subspan(self, start: int, length: int) -> Span:
        """The `length` characters that begin `start` characters behind the start of this span.

        Falls back to the whole span where it covers several lines, because folding may have moved
        the characters.
        """
        if self.line != self.end_line:
            return self
        column = self.column + start
        return Span(self.source, self.line, column, self.line, column + max(length, 1))


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
