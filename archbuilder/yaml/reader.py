"""Parse text into a `Tree`: YAML 1.2 with locations, within limits.

Trees are built from PyYAML's events. Its constructors, tags and merge keys therefore never run, and
limits are checked before anything large is allocated.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import yaml

from archbuilder.diagnostics.errors import BlueprintError, Diagnostics, InternalError, quote
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.limits import Limits
from archbuilder.yaml import scalars
from archbuilder.yaml.nodes import MappingEntry, MappingNode, ScalarNode, SequenceNode, Tree

_NESTING_PROBLEM: Final = "exceeded maximum nesting depth"
"""libyaml's error for more than 1000 nested collections; first in the wheels of PyYAML 6.0.4."""

_LINE_BREAK: Final = re.compile(rb"\r\n?|\n")
"""A line break of YAML 1.2, as in `SourceText.lines`."""

# libyaml parses 10 to 20 times as fast as the parser in Python. A PyYAML that was built from source
# may lack it.
_YamlLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _parse_events(text: str) -> Iterator[yaml.Event]:
    # As `yaml.parse` does it, but for the loader that is chosen above.
    loader = _YamlLoader(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


def parse_yaml(text: str | bytes, name: str, limits: Limits) -> Tree:
    """Parse a YAML text; `name` is its file name in messages.

    Raises:
        BlueprintError: with all errors up to the first that the parser cannot recover from.
    """
    diagnostics = Diagnostics()
    source = _decode_source(text, name, limits, diagnostics)
    if source is None:
        raise BlueprintError(diagnostics)
    tree = _TreeBuilder(source, limits, diagnostics).build()
    diagnostics.raise_errors()
    if tree is None:
        diagnostics.error(
            "invalid-structure",
            "the file is empty",
            Span(source, 1, 1, 1, 2),
        )
        raise BlueprintError(diagnostics)
    return tree


def _decode_source(
    text: str | bytes, name: str, limits: Limits, diagnostics: Diagnostics
) -> SourceText | None:
    """Check the size, the encoding and the characters of a text; return None after errors."""
    empty = SourceText(name, "")
    file_start = Span(empty, 1, 1, 1, 2)
    # A lone surrogate cannot be encoded; it is reported below, with its location.
    if len(text) > limits.file_bytes or (
        isinstance(text, str) and len(text.encode("utf-8", "surrogatepass")) > limits.file_bytes
    ):
        message = f"the file has more than {limits.file_bytes:,} bytes"
        diagnostics.limit_error("file_bytes", message, file_start)
        return None
    if isinstance(text, bytes):
        content = text
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = len(_LINE_BREAK.findall(content[: error.start])) + 1
            diagnostics.error(
                "invalid-encoding",
                f"the file is not UTF-8: byte {error.start} cannot be read",
                Span(empty, line, 1, line, 2),
            )
            return None
    # A `str` may have a byte order mark as well: it was read from a file as plain "utf-8".
    text = text.removeprefix("\ufeff")
    source = SourceText(name, text)
    for line, line_text in enumerate(source.lines, 1):
        for match in scalars.UNPRINTABLE.finditer(line_text):
            column = match.start() + 1
            code_point = f"U+{ord(match[0]):04X}"
            diagnostics.error(
                "invalid-character",
                f"the character {code_point} is invisible and not allowed in a blueprint",
                Span(source, line, column, line, column + 1),
            )
    return None if diagnostics.error_count else source


@dataclass(slots=True)
class _OpenNode:
    """A list or mapping whose end event has not come yet."""

    start: Span
    is_mapping: bool
    is_flow: bool
    anchor: str | None
    children: list[Tree] = field(default_factory=list)
    keys: dict[str, Span] = field(default_factory=dict)
    entries: list[MappingEntry] = field(default_factory=list)
    key: ScalarNode | None = None
    """The key of a mapping whose value comes next."""
    skip_next: bool = False
    """Whether the next value is dropped, because its key was rejected."""
    preceding_values: int = 0
    """Number of values in the file before this one."""
    depth: int = 1
    """Levels of this collection including itself, aliases expanded."""

    @property
    def expects_key(self) -> bool:
        """Whether the next event is a key of a mapping."""
        return self.is_mapping and self.key is None and not self.skip_next


class _TreeBuilder:
    """A builder of a tree from events, with a stack of its own instead of recursion."""

    def __init__(self, source: SourceText, limits: Limits, diagnostics: Diagnostics) -> None:
        self._source = source
        self._limits = limits
        self._diagnostics = diagnostics
        self._open_nodes: list[_OpenNode] = []
        # The tree of each anchor with its number of values and its depth, aliases expanded: what an
        # alias costs is known without a walk over its tree.
        self._anchors: dict[str, tuple[Tree, int, int]] = {}
        self._root: Tree | None = None
        self._document_count = 0
        self._value_count = 0

    def build(self) -> Tree | None:
        """Return the tree of the text, or None if it is empty or has a syntax error."""
        try:
            for event in self._events():
                if isinstance(event, yaml.ScalarEvent):
                    self._handle_scalar(event)
                elif isinstance(event, yaml.CollectionStartEvent):
                    self._start_collection(event)
                elif isinstance(event, yaml.CollectionEndEvent):
                    self._end_collection(event)
                elif isinstance(event, yaml.AliasEvent):
                    self._handle_alias(event)
                elif isinstance(event, yaml.DocumentStartEvent):
                    self._document_count += 1
                    if self._document_count > 1:
                        # The builder raises, here and below, where the events that follow would
                        # only cause more errors.
                        self._reject_feature(
                            "a blueprint is a single document; remove '---' and what follows", event
                        )
                        raise BlueprintError(self._diagnostics)
                    if event.version or event.tags:
                        self._reject_feature(
                            "directives ('%') are not supported in a blueprint", event
                        )
        except yaml.MarkedYAMLError as error:
            diagnostic = scalars.yaml_syntax_error(error, self._source)
            # What is left of an expression that a comma or a bracket has cut in two is not YAML.
            if not any(
                each.code == "expression-syntax" and each.location[1] == diagnostic.location[1]
                for each in self._diagnostics.errors
            ):
                self._diagnostics.add(diagnostic)
        # ReaderError, which has no mark: for characters that `_decode_source` reports before PyYAML
        # sees them.
        except yaml.YAMLError:
            self._diagnostics.error(
                "yaml-syntax", "this is not valid YAML", Span(self._source, 1, 1, 1, 2)
            )
        return self._root

    def _events(self) -> Iterator[yaml.Event]:
        text, event_count = self._source.text, 0
        try:
            for event in _parse_events(text):
                event_count += 1
                yield event
        except yaml.MarkedYAMLError as error:
            if error.problem != _NESTING_PROBLEM or error.problem_mark is None:
                raise
            # The scanner of libyaml runs ahead of its parser and fails at the thousandth bracket
            # before it has returned an event for the first one. Parsing the text before the error
            # again yields those events, so that our own limit is reached at its own location.
            with contextlib.suppress(yaml.MarkedYAMLError):
                yield from islice(
                    _parse_events(text[: error.problem_mark.index]), event_count, None
                )
            raise

    def _reject_feature(self, message: str, event: yaml.Event) -> None:
        self._diagnostics.error("unsupported-yaml", message, self._span(event))

    def _span(self, event: yaml.Event) -> Span:
        start, end = event.start_mark, event.end_mark
        if start is None or end is None:
            raise InternalError("an unexpected YAML event")
        return Span(self._source, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def _raise_limit(self, limit: str, message: str, event: yaml.Event) -> None:
        self._diagnostics.limit_error(limit, message, self._span(event))
        raise BlueprintError(self._diagnostics)

    def _check_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag is not None:
            self._reject_feature(
                f"tags such as {quote(event.tag)} are not supported in a blueprint", event
            )

    def _handle_scalar(self, event: yaml.ScalarEvent) -> None:
        self._check_tag(event)
        span = self._span(event)
        if len(event.value) > self._limits.scalar_characters:
            maximum = self._limits.scalar_characters
            self._raise_limit(
                "scalar_characters", f"a string can have at most {maximum:,} characters", event
            )
        self._count_values(1, event)
        # `_decode_source` checked the text of the file, where this is still an escape: "\u202e".
        if event.style == '"' and scalars.UNPRINTABLE.search(event.value):
            message = "the escape sequence stands for an invisible character"
            self._diagnostics.error("invalid-character", message, span)
        outer = self._open_nodes[-1] if self._open_nodes else None
        if outer is not None and outer.expects_key:
            # Keys are strings even if they look like numbers or booleans.
            self._handle_key(ScalarNode(event.value, span, quoted=bool(event.style)), event)
            return
        if event.style:
            scalar = ScalarNode(event.value, span, quoted=True)
        else:
            if outer is not None and outer.is_flow:
                scalars.check_split_expression(event.value, span, self._diagnostics)
            value = scalars.resolve_plain_scalar(event.value, span, self._limits, self._diagnostics)
            scalar = ScalarNode(value, span)
        self._add(scalar, 1, 0, event.anchor)

    def _handle_key(self, key: ScalarNode, event: yaml.ScalarEvent) -> None:
        outer = self._open_nodes[-1]
        name = str(key.value)
        # The value of a rejected key is parsed as well, for the errors in it, and then dropped.
        if event.anchor is not None:
            self._reject_feature("a key cannot have an anchor", event)
        if name == "<<" and not key.quoted:
            self._reject_feature(
                "merge keys ('<<') are not supported in a blueprint; use a block", event
            )
            outer.skip_next = True
            return
        first_span = outer.keys.get(name)
        if first_span is not None:
            self._diagnostics.error(
                "duplicate-key",
                f"duplicate key {quote(name)}",
                key.span,
                notes=(f"it is first defined at {first_span}",),
            )
            outer.skip_next = True
            return
        outer.keys[name] = key.span
        outer.key = key

    def _start_collection(self, event: yaml.CollectionStartEvent) -> None:
        self._check_tag(event)
        self._check_depth(1, event)
        outer = self._open_nodes[-1] if self._open_nodes else None
        if outer is not None and outer.expects_key:
            self._reject_feature("a key must be a string, not a list or a mapping", event)
            raise BlueprintError(self._diagnostics)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        preceding_values = self._value_count
        self._count_values(1, event)
        self._open_nodes.append(
            _OpenNode(
                self._span(event),
                is_mapping,
                bool(event.flow_style),
                event.anchor,
                preceding_values=preceding_values,
            )
        )

    def _end_collection(self, event: yaml.CollectionEndEvent) -> None:
        node = self._open_nodes.pop()
        end = self._span(event)
        start = node.start
        span = Span(self._source, start.line, start.column, end.end_line, end.end_column)
        tree: Tree
        if node.is_mapping:
            tree = MappingNode(tuple(node.entries), span)
        else:
            tree = SequenceNode(tuple(node.children), span)
        self._add(tree, self._value_count - node.preceding_values, node.depth, node.anchor)

    def _handle_alias(self, event: yaml.AliasEvent) -> None:
        outer = self._open_nodes[-1] if self._open_nodes else None
        # Valid in YAML, but the tree would contain itself.
        if any(each.anchor == event.anchor for each in self._open_nodes):
            self._reject_feature(
                f"the alias {quote(event.anchor)} is used inside its own anchor", event
            )
            raise BlueprintError(self._diagnostics)
        if event.anchor not in self._anchors:
            message = f"there is no anchor {quote(event.anchor)} before this alias"
            self._diagnostics.error("yaml-syntax", message, self._span(event))
            raise BlueprintError(self._diagnostics)
        if outer is not None and outer.expects_key:
            self._reject_feature("a key cannot be an alias", event)
            raise BlueprintError(self._diagnostics)
        # The tree is shared, not copied, but counts as if it were: later stages visit it once for
        # every alias.
        tree, size, depth = self._anchors[event.anchor]
        self._check_depth(depth, event)
        self._count_values(size, event)
        self._add(tree, size, depth, None)

    def _check_depth(self, added_depth: int, event: yaml.Event) -> None:
        if len(self._open_nodes) + added_depth > self._limits.depth:
            maximum = self._limits.depth
            self._raise_limit(
                "depth", f"lists and mappings can be nested at most {maximum} deep", event
            )

    def _count_values(self, values: int, event: yaml.Event) -> None:
        self._value_count += values
        if self._value_count > self._limits.yaml_nodes:
            maximum = self._limits.yaml_nodes
            self._raise_limit(
                "yaml_nodes",
                f"a file can have at most {maximum:,} values, with aliases expanded",
                event,
            )

    def _add(self, tree: Tree, size: int, depth: int, anchor: str | None) -> None:
        """Add a complete tree to the collection around it.

        `size` is its number of values and `depth` its levels, aliases expanded.
        """
        if anchor is not None:
            self._anchors[anchor] = (tree, size, depth)
        if not self._open_nodes:
            self._root = tree
            return
        outer = self._open_nodes[-1]
        outer.depth = max(outer.depth, depth + 1)
        if not outer.is_mapping:
            outer.children.append(tree)
        elif outer.key is not None:
            outer.entries.append(MappingEntry(str(outer.key.value), tree, outer.key.span))
            outer.key = None
        else:
            outer.skip_next = False
