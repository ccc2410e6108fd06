"""The positioned tree: plain YAML data in which every value knows where it stands.

A tree is immutable. `archbuilder.source` makes trees out of text; everything behind it reads
them and never changes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias, Union

Atom: TypeAlias = Union[bool, int, float, str, None]
Plain: TypeAlias = Union[Atom, "list[Plain]", "dict[str, Plain]"]
"""What a tree is once its positions are dropped: the data types of JSON."""


@dataclass(frozen=True, eq=False)
class Source:
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

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    def part(self, start: int, length: int) -> Span:
        """The `length` characters that begin `start` characters behind the start of this span.

        Falls back to the whole span where it covers several lines, because folding may have moved
        the characters.
        """
        if self.line != self.end_line:
            return self
        column = self.column + start
        return Span(self.source, self.line, column, self.line, column + max(length, 1))


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. `quoted` tells `"1"` (a string) from `1`."""

    value: Atom
    span: Span
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """A YAML sequence."""

    items: tuple[Tree, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping with its value."""

    key: str
    value: Tree
    key_span: Span


@dataclass(frozen=True, slots=True)
class Mapping:
    """A YAML mapping whose keys are strings, in the order of the file."""

    entries: tuple[Entry, ...]
    span: Span

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def get(self, key: str) -> Entry | None:
        """The entry of `key`, or None."""
        for entry in self.entries:
            if entry.key == key:
                return entry
        return None


Tree: TypeAlias = Union[Scalar, Sequence, Mapping]


def plain(tree: Tree) -> Plain:
    """The data of a tree without its positions."""
    if isinstance(tree, Scalar):
        return tree.value
    if isinstance(tree, Sequence):
        return [plain(item) for item in tree.items]
    return {entry.key: plain(entry.value) for entry in tree.entries}


def from_plain(value: Plain, span: Span) -> Tree:
    """A tree of `value`, every part of which stands at `span`."""
    if isinstance(value, list | tuple):
        return Sequence(tuple(from_plain(item, span) for item in value), span)
    if isinstance(value, dict):
        entries = (Entry(key, from_plain(item, span), span) for key, item in value.items())
        return Mapping(tuple(entries), span)
    return Scalar(value, span, quoted=isinstance(value, str))


def kind(tree: Tree) -> str:
    """What a user calls this value: 'a mapping', 'a list', 'text', 'an integer'."""
    if isinstance(tree, Mapping):
        return "a mapping"
    if isinstance(tree, Sequence):
        return "a list"
    return kind_of(tree.value)


def kind_of(value: Atom) -> str:
    """What a user calls a value of this type."""
    names = {bool: "a boolean", int: "an integer", float: "a number", str: "text"}
    return "nothing" if value is None else names[type(value)]
