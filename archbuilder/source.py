"""Text -> Tree: YAML 1.2 with positions, within limits; the only importer of `yaml`.

Trees are made from PyYAML's events, so that its constructors, tags and merge keys never run, and
limits hold before anything large is made.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import yaml

from archbuilder import scalars
from archbuilder.errors import BlueprintError, Diagnostics, InternalError, shown
from archbuilder.limits import Limits
from archbuilder.tree import Entry, Mapping, Scalar, Sequence, Source, Span, Tree

_TOO_DEEP: Final = "exceeded maximum nesting depth"
"""What libyaml says of it from PyYAML 6.0.4 on."""

# libyaml's parser is about ten times as fast, and does not recurse.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _parsed(text: str) -> Iterator[yaml.Event]:
    loader = _Loader(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


def read_text(text: str | bytes, name: str, limits: Limits) -> Tree:
    """The tree of a text; `name` is what messages call it.

    Raises:
        BlueprintError: with every mistake up to where the text can no longer be read.
    """
    diagnostics = Diagnostics()
    source = _decoded(text, name, limits, diagnostics)
    if source is None:
        raise BlueprintError(diagnostics)
    tree = _Reader(source, limits, diagnostics).read()
    diagnostics.raise_errors()
    if tree is None:
        diagnostics.error(
            "wrong-form",
            "the file is empty",
            Span(source, 1, 1, 1, 2),
            notes=("'archbuilder new' writes a blueprint to begin with",),
        )
        raise BlueprintError(diagnostics)
    return tree


def _decoded(
    text: str | bytes, name: str, limits: Limits, diagnostics: Diagnostics
) -> Source | None:
    """The source of a text that is small enough, in UTF-8 and printable."""
    empty = Source(name, "")
    nowhere = Span(empty, 1, 1, 1, 2)
    if len(text) > limits.file_bytes:
        diagnostics.error(
            "limit",
            f"the file has more than {limits.file_bytes:,} bytes",
            nowhere,
            notes=("raise it with the limit 'file_bytes'",),
        )
        return None
    if isinstance(text, bytes):
        content = text
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            diagnostics.error(
                "encoding",
                f"the file is not UTF-8: byte {error.start} cannot be read",
                Span(empty, line, 1, line, 2),
            )
            return None
    text = text.removeprefix("\ufeff")
    source = Source(name, text)
    for match in scalars.UNPRINTABLE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        column = match.start() - (text.rfind("\n", 0, match.start()) + 1) + 1
        diagnostics.error(
            "invalid-character",
            f"the character U+{ord(match[0]):04X} cannot be seen and may not stand in a blueprint",
            Span(source, line, column, line, column + 1),
        )
    return None if diagnostics.error_count else source


@dataclass(slots=True)
class _Open:
    """A list or mapping that is being read."""

    start: Span
    mapping: bool
    flow: bool
    anchor: str | None
    children: list[Tree] = field(default_factory=list)
    keys: dict[str, Span] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    key: Scalar | None = None
    """The key whose value comes next."""
    skipped: bool = False
    """Whether the value that comes next has no valid key."""
    before: int = 0
    """How many values came before it."""
    depth: int = 1
    """How deep it is, itself counted and aliases expanded."""


class _Reader:
    """Builds a tree from events, without recursion."""

    def __init__(self, source: Source, limits: Limits, diagnostics: Diagnostics) -> None:
        self._source = source
        self._limits = limits
        self._diagnostics = diagnostics
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Tree, int, int]] = {}
        self._root: Tree | None = None
        self._documents = 0
        self._values = 0

    def read(self) -> Tree | None:
        """The tree of the whole text, None where there is none."""
        try:
            for event in self._events():
                self._take(event)
        except yaml.MarkedYAMLError as error:
            self._diagnostics.add(scalars.syntax_mistake(error, self._source))
        except yaml.YAMLError:
            self._diagnostics.error(
                "yaml-syntax", "this is no YAML", Span(self._source, 1, 1, 1, 2)
            )
        return self._root

    def _events(self) -> Iterator[yaml.Event]:
        text, taken = self._source.text, 0
        try:
            for event in _parsed(text):
                taken += 1
                yield event
        except yaml.MarkedYAMLError as error:
            if error.problem != _TOO_DEEP or error.problem_mark is None:
                raise
            # libyaml looks ahead, and refuses brackets in brackets before it tells of the first of
            # them. What stands in front of that comes to our own limit, at its own place.
            with contextlib.suppress(yaml.MarkedYAMLError):
                yield from islice(_parsed(text[: error.problem_mark.index]), taken, None)
            raise

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._document(event)

    def _document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            self._feature("a blueprint is one document; remove what follows the '---'", event)
            raise BlueprintError(self._diagnostics)
        if event.version or event.tags:
            self._feature("directives ('%') have no place in a blueprint", event)

    def _feature(self, message: str, event: yaml.Event) -> None:
        self._diagnostics.error("yaml-feature", message, self._span(event))

    def _span(self, event: yaml.Event) -> Span:
        start, end = event.start_mark, event.end_mark
        if start is None or end is None:
            raise InternalError("an event of YAML has no place")
        return Span(self._source, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def _refuse(self, limit: str, message: str, event: yaml.Event) -> None:
        self._diagnostics.error(
            "limit", message, self._span(event), notes=(f"raise it with the limit '{limit}'",)
        )
        raise BlueprintError(self._diagnostics)

    def _check_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag is not None:
            self._feature(f"tags such as {shown(event.tag)} have no place in a blueprint", event)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._check_tag(event)
        span = self._span(event)
        if len(event.value) > self._limits.scalar_characters:
            most = self._limits.scalar_characters
            self._refuse("scalar_characters", f"a text has {most:,} characters at most", event)
        self._count(1, event)
        if event.style == '"' and scalars.UNPRINTABLE.search(event.value):
            message = "an escape stands for a character that cannot be seen"
            self._diagnostics.error("invalid-character", message, span)
        outer = self._open[-1] if self._open else None
        is_key = outer is not None and outer.mapping and outer.key is None and not outer.skipped
        if is_key:
            self._key(Scalar(event.value, span, quoted=bool(event.style)), event)
            return
        if event.style:
            scalar = Scalar(event.value, span, quoted=True)
        else:
            if outer is not None and outer.flow:
                scalars.check_cut(event.value, span, self._diagnostics)
            value = scalars.resolve(event.value, span, self._limits, self._diagnostics)
            scalar = Scalar(value, span)
        self._add(scalar, 1, 0, event.anchor)

    def _key(self, key: Scalar, event: yaml.ScalarEvent) -> None:
        outer = self._open[-1]
        name = str(key.value)
        if event.anchor is not None:
            self._feature("a key cannot have an anchor", event)
        if name == "<<" and not key.quoted:
            self._feature("merge keys ('<<') have no place in a blueprint; use a block", event)
            outer.skipped = True
            return
        first = outer.keys.get(name)
        if first is not None:
            self._diagnostics.error(
                "duplicate-key",
                f"the key {shown(name)} stands here twice",
                key.span,
                notes=(f"it stands first at {first}",),
            )
            outer.skipped = True
            return
        outer.keys[name] = key.span
        outer.key = key

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        self._check_tag(event)
        self._check_depth(1, event)
        outer = self._open[-1] if self._open else None
        if outer is not None and outer.mapping and outer.key is None and not outer.skipped:
            self._feature("a key is a text, not a list or a mapping", event)
            raise BlueprintError(self._diagnostics)
        mapping = isinstance(event, yaml.MappingStartEvent)
        before = self._values
        self._count(1, event)
        self._open.append(
            _Open(self._span(event), mapping, bool(event.flow_style), event.anchor, before=before)
        )

    def _end(self, event: yaml.CollectionEndEvent) -> None:
        done = self._open.pop()
        end = self._span(event)
        start = done.start
        span = Span(self._source, start.line, start.column, end.end_line, end.end_column)
        tree: Tree
        if done.mapping:
            tree = Mapping(tuple(done.entries), span)
        else:
            tree = Sequence(tuple(done.children), span)
        self._add(tree, self._values - done.before, done.depth, done.anchor)

    def _alias(self, event: yaml.AliasEvent) -> None:
        outer = self._open[-1] if self._open else None
        if any(each.anchor == event.anchor for each in self._open):
            self._feature(
                f"the alias {shown(event.anchor)} stands within what it stands for", event
            )
            raise BlueprintError(self._diagnostics)
        if event.anchor not in self._anchors:
            message = f"no anchor {shown(event.anchor)} stands before this alias"
            self._diagnostics.error("yaml-syntax", message, self._span(event))
            raise BlueprintError(self._diagnostics)
        if outer is not None and outer.mapping and outer.key is None and not outer.skipped:
            self._feature("a key is written out, not an alias", event)
            raise BlueprintError(self._diagnostics)
        tree, size, depth = self._anchors[event.anchor]
        self._check_depth(depth, event)
        self._count(size, event)
        self._add(tree, size, depth, None)

    def _check_depth(self, more: int, event: yaml.Event) -> None:
        if len(self._open) + more > self._limits.depth:
            most = self._limits.depth
            self._refuse("depth", f"lists and mappings are nested {most} deep at most", event)

    def _count(self, values: int, event: yaml.Event) -> None:
        self._values += values
        if self._values > self._limits.nodes:
            most = self._limits.nodes
            self._refuse("nodes", f"a file has {most:,} values at most, aliases expanded", event)

    def _add(self, tree: Tree, size: int, depth: int, anchor: str | None) -> None:
        """Put a finished tree where it belongs; `size` counts its values, aliases expanded."""
        if anchor is not None:
            self._anchors[anchor] = (tree, size, depth)
        if not self._open:
            self._root = tree
            return
        outer = self._open[-1]
        outer.depth = max(outer.depth, depth + 1)
        if not outer.mapping:
            outer.children.append(tree)
        elif outer.key is not None:
            outer.entries.append(Entry(str(outer.key.value), tree, outer.key.span))
            outer.key = None
        else:
            outer.skipped = False
