"""What every part of the decoder needs: is this a mapping, are its keys known, is this a name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.diagnostics.span import Span
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


@dataclass(frozen=True, slots=True)
class FieldReader:
    """Reads the form of a tree and reports what does not have it."""

    limits: Limits
    diagnostics: Diagnostics

    def report_unexpected(self, tree: Tree, what: str, expected: str, *, note: str = "") -> None:
        """Report that `what` is not the `expected`."""
        self.diagnostics.error(
            "wrong-form",
            f"{what} is {expected}, not {describe_value(tree)}",
            tree.span,
            notes=(note,) if note else (),
        )

    def expect_mapping(
        self, tree: Tree, what: str, *, expected: str = "a mapping"
    ) -> MappingNode | None:
        """The tree if it is a mapping; otherwise reports it."""
        if isinstance(tree, MappingNode):
            return tree
        self.report_unexpected(tree, what, expected)
        return None

    def expect_sequence(
        self, tree: Tree, what: str, *, expected: str = "a list"
    ) -> SequenceNode | None:
        """The tree if it is a list; otherwise reports it."""
        if isinstance(tree, SequenceNode):
            return tree
        self.report_unexpected(tree, what, expected)
        return None

    def expect_text(self, tree: Tree, what: str) -> str | None:
        """The text of a tree; otherwise reports it."""
        if isinstance(tree, ScalarNode) and isinstance(tree.value, str):
            return tree.value
        self.report_unexpected(tree, what, "a text")
        return None

    def known_entries(
        self, mapping: MappingNode, keys: Collection[str], what: str
    ) -> Iterator[MappingEntry]:
        """The entries of a mapping whose keys are known; reports the others."""
        for entry in mapping:
            if entry.key in keys:
                yield entry
            else:
                self.report_unknown_key(entry, keys, what)

    def report_unknown_key(self, entry: MappingEntry, keys: Collection[str], what: str) -> None:
        """Report a key that does not belong there."""
        foreign_hint = key_hint(entry.key, what)
        suggestion = closest_match(entry.key, keys)
        if foreign_hint and not re.search(rf"\b{suggestion}\b", foreign_hint):
            suggestion = None
        notes = () if suggestion else (f"the keys are: {', '.join(keys)}",)
        if foreign_hint:
            notes = (foreign_hint,)
        self.diagnostics.error(
            "unknown-key",
            f"{what} has no key {quoted(entry.key)}",
            entry.key_span,
            suggestion=suggestion,
            notes=notes,
        )

    def check_name(self, text: str, span: Span, what: str, *, lower: bool = False) -> bool:
        """Whether a text can be a name; otherwise reports it."""
        pattern = _LOWER_NAME if lower else _NAME
        if len(text) <= MAX_NAME_LENGTH and pattern.fullmatch(text):
            return True
        rule = "lower-case letters, digits and '_'" if lower else "letters, digits and '_'"
        self.diagnostics.error(
            "invalid-name",
            f"{quoted(text)} cannot be the name of {what}",
            span,
            notes=(
                f"a name has {rule}, no digit in front, and at most {MAX_NAME_LENGTH} characters",
            ),
        )
        return False

    def decode_value(self, tree: Tree) -> DeferredValue:
        """The value of a tree, which may hold formulas."""
        return decode_value(tree, self.limits, self.diagnostics)


def quoted(text: str) -> str:
    """A text from a file in quotes, safe to print."""
    return quote(text)


def describe_value(tree: Tree) -> str:
    """A value as a message names it: 'text 'abc'', 'a list', 'nothing'."""
    if isinstance(tree, ScalarNode) and tree.value is not None:
        value = str(tree.value).lower() if isinstance(tree.value, bool) else quote(tree.value)
        return f"{describe_type(tree)} {value}"
    return describe_type(tree)


def is_step_name(text: str) -> bool:
    """Whether a text can name a step: names with dots between them, as `expand` writes them."""
    components = text.split(".")
    return len(text) <= 16 * MAX_NAME_LENGTH and all(
        len(component) <= MAX_NAME_LENGTH
        and (_NAME.fullmatch(component) or is_ascii_digits(component))
        for component in components
    )
