"""Checks that all parts of the parser share: mappings, lists, texts, keys and names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.diagnostics.span import Span
from archbuilder.expressions import NO_FUNCTIONS, FileFunctions
from archbuilder.language.deferred_values import DeferredValue, decode_value
from archbuilder.language.foreign_keys import key_hint
from archbuilder.limits import Limits
from archbuilder.yaml.nodes import (
    MappingEntry,
    MappingNode,
    ScalarNode,
    SequenceNode,
    Tree,
    describe_type,
)
from archbuilder.yaml.scalars import is_ascii_digits

MAX_NAME_LENGTH: Final = 64
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_LOWER_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_]+", re.ASCII)
_WORD_BREAK: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])", re.ASCII)


@dataclass(frozen=True, slots=True)
class FieldReader:
    """Checks the structure of trees and reports errors.

    Messages name what is checked by `title`, as in "the block 'fire'". The config package uses the
    reader for the sections `data` and `training`.
    """

    limits: Limits
    diagnostics: Diagnostics
    functions: FileFunctions = NO_FUNCTIONS
    """The functions that expressions can call."""

    def report_unexpected(self, tree: Tree, title: str, expected: str, *, note: str = "") -> None:
        """Report that `title` should be `expected`, and what it is instead."""
        self.diagnostics.error(
            "invalid-structure",
            f"{title} must be {expected}, not {describe_value(tree)}",
            tree.span,
            notes=(note,) if note else (),
        )

    def expect_mapping(
        self, tree: Tree | None, title: str, *, expected: str = "a mapping"
    ) -> MappingNode | None:
        """Return the tree if it is a mapping; otherwise report it and return None.

        None, the value of an optional key that is left out, is not reported.
        """
        if tree is None or isinstance(tree, MappingNode):
            return tree
        self.report_unexpected(tree, title, expected)
        return None

    def expect_sequence(
        self, tree: Tree, title: str, *, expected: str = "a list"
    ) -> SequenceNode | None:
        """Return the tree if it is a list; otherwise report it and return None."""
        if isinstance(tree, SequenceNode):
            return tree
        self.report_unexpected(tree, title, expected)
        return None

    def expect_text(self, tree: Tree | None, title: str) -> str | None:
        """Return the text of a tree; report it and return None if it is not a text.

        None, the value of an optional key that is left out, is not reported.
        """
        if isinstance(tree, ScalarNode) and isinstance(tree.value, str):
            return tree.value
        if tree is not None:
            self.report_unexpected(tree, title, "a string")
        return None

    def known_entries(
        self, mapping: Iterable[MappingEntry], keys: Collection[str], title: str
    ) -> Iterator[MappingEntry]:
        """Yield the entries of a mapping whose keys are in `keys`; report the others.

        Unknown keys are reported during the iteration: a caller that stops early misses some.
        """
        for entry in mapping:
            if entry.key in keys:
                yield entry
            else:
                self.report_unknown_key(entry, keys, title)

    def fields(
        self, mapping: MappingNode | None, keys: Collection[str], title: str
    ) -> dict[str, Tree]:
        """Return the values of a mapping by their keys; report keys that are not in `keys`.

        None, which `expect_mapping` has reported, has no fields.
        """
        return {entry.key: entry.value for entry in self.known_entries(mapping or (), keys, title)}

    def report_unknown_key(self, entry: MappingEntry, keys: Collection[str], title: str) -> None:
        """Report an unknown key, with a hint or the closest match."""
        foreign_hint = key_hint(entry.key, title)
        suggestion = closest_match(entry.key, keys)
        # A name of another tool may be close to an unrelated key. The hint knows better, so the
        # match is kept only if the hint mentions it.
        if foreign_hint and not re.search(rf"\b{suggestion}\b", foreign_hint):
            suggestion = None
        key_note = f"the keys are: {', '.join(keys)}" if keys else "it has none"
        notes = () if suggestion else (key_note,)
        if foreign_hint:
            notes = (foreign_hint,)
        self.diagnostics.error(
            "unknown-key",
            f"{title} has no key {quoted(entry.key)}",
            entry.key_span,
            suggestion=suggestion,
            notes=notes,
        )

    def is_misspelled(self, mapping: MappingNode, key: str, keys: Collection[str]) -> bool:
        """Return whether an unknown key of a mapping, which is reported, most likely means `key`.

        That `key` is missing is then no second error.
        """
        return any(
            entry.key not in keys and closest_match(entry.key, keys) == key for entry in mapping
        )

    def check_name(self, text: str, span: Span, noun: str, *, lower: bool = False) -> bool:
        """Check that a text can be a name, in lower case if `lower`; report it if not."""
        pattern = _LOWER_NAME if lower else _NAME
        if len(text) <= MAX_NAME_LENGTH and pattern.fullmatch(text):
            return True
        words = _WORD_BREAK.sub("_", text) if lower else text
        candidate = _NOT_IN_NAMES.sub("_", words.lower() if lower else words).strip("_")
        rule = "lower-case letters, digits and '_'" if lower else "letters, digits and '_'"
        self.diagnostics.error(
            "invalid-name",
            f"{quoted(text)} cannot be the name of {noun}",
            span,
            suggestion=candidate if pattern.fullmatch(candidate) else None,
            notes=(
                (
                    f"a name consists of {rule}, does not start with a digit, and has at most"
                    f" {MAX_NAME_LENGTH} characters"
                ),
            ),
        )
        return False

    def decode_value(self, tree: Tree) -> DeferredValue:
        """Decode a value that may contain expressions."""
        return decode_value(tree, self.limits, self.diagnostics, self.functions)

    def decode_optional(self, tree: Tree | None) -> DeferredValue | None:
        """Decode a value that may be left out."""
        return None if tree is None else self.decode_value(tree)


def quoted(text: str) -> str:
    """Return a text from a file in quotes, escaped and shortened for a message."""
    return quote(text)


def describe_value(tree: Tree) -> str:
    """Describe a value for a message: `a string 'abc'`, `a list`, `null`."""
    if isinstance(tree, ScalarNode) and tree.value is not None:
        value = str(tree.value).lower() if isinstance(tree.value, bool) else quote(tree.value)
        return f"{describe_type(tree)} {value}"
    return describe_type(tree)


def is_empty(tree: Tree) -> bool:
    """Return whether a tree is a mapping or a list without entries."""
    if isinstance(tree, ScalarNode):
        return False
    return not (tree.entries if isinstance(tree, MappingNode) else tree.items)


def is_step_name(text: str) -> bool:
    """Return whether a text can name a step: names or numbers, separated by dots.

    The command `expand` writes the paths of nodes as names of steps, so that reading its output
    gives the same names.
    """
    components = text.split(".")
    # A path has a component for each block around the step, hence more characters than a name.
    return len(text) <= 16 * MAX_NAME_LENGTH and all(
        len(component) <= MAX_NAME_LENGTH
        and (_NAME.fullmatch(component) or is_ascii_digits(component))
        for component in components
    )
