"""What every part of the decoder needs: is this a mapping, are its keys known, is this a name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from archbuilder.errors import Diagnostics, nearest, shown
from archbuilder.foreign_keys import hint
from archbuilder.limits import Limits
from archbuilder.scalars import is_whole_number
from archbuilder.tree import Entry, Mapping, Scalar, Sequence, Span, Tree, kind
from archbuilder.values import Value, decode_value

NAME_LENGTH: Final = 64
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_LOWER_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Form:
    """Reads the form of a tree and reports what does not have it."""

    limits: Limits
    diagnostics: Diagnostics

    def wrong(self, tree: Tree, what: str, expected: str, *, note: str = "") -> None:
        """Report that `what` is not the `expected`."""
        self.diagnostics.error(
            "wrong-form",
            f"{what} is {expected}, not {describe(tree)}",
            tree.span,
            notes=(note,) if note else (),
        )

    def mapping(self, tree: Tree, what: str, *, of: str = "a mapping") -> Mapping | None:
        """The tree if it is a mapping; otherwise reports it."""
        if isinstance(tree, Mapping):
            return tree
        self.wrong(tree, what, of)
        return None

    def sequence(self, tree: Tree, what: str, *, of: str = "a list") -> Sequence | None:
        """The tree if it is a list; otherwise reports it."""
        if isinstance(tree, Sequence):
            return tree
        self.wrong(tree, what, of)
        return None

    def text(self, tree: Tree, what: str) -> str | None:
        """The text of a tree; otherwise reports it."""
        if isinstance(tree, Scalar) and isinstance(tree.value, str):
            return tree.value
        self.wrong(tree, what, "a text")
        return None

    def known(self, mapping: Mapping, known: Collection[str], what: str) -> Iterator[Entry]:
        """The entries of a mapping whose keys are known; reports the others."""
        for entry in mapping:
            if entry.key in known:
                yield entry
            else:
                self.unknown_key(entry, known, what)

    def unknown_key(self, entry: Entry, known: Collection[str], what: str) -> None:
        """Report a key that does not belong there."""
        foreign = hint(entry.key, what)
        suggestion = nearest(entry.key, known)
        if foreign and not re.search(rf"\b{suggestion}\b", foreign):
            suggestion = None
        notes = () if suggestion else (f"the keys are: {', '.join(known)}",)
        if foreign:
            notes = (foreign,)
        self.diagnostics.error(
            "unknown-key",
            f"{what} has no key {quoted(entry.key)}",
            entry.key_span,
            suggestion=suggestion,
            notes=notes,
        )

    def name(self, text: str, span: Span, what: str, *, lower: bool = False) -> bool:
        """Whether a text can be a name; otherwise reports it."""
        pattern = _LOWER_NAME if lower else _NAME
        if len(text) <= NAME_LENGTH and pattern.fullmatch(text):
            return True
        rule = "lower-case letters, digits and '_'" if lower else "letters, digits and '_'"
        self.diagnostics.error(
            "invalid-name",
            f"{quoted(text)} cannot be the name of {what}",
            span,
            notes=(f"a name has {rule}, no digit in front, and at most {NAME_LENGTH} characters",),
        )
        return False

    def value(self, tree: Tree) -> Value:
        """The value of a tree, which may hold formulas."""
        return decode_value(tree, self.limits, self.diagnostics)


def quoted(text: str) -> str:
    """A text from a file in quotes, safe to print."""
    return shown(text)


def describe(tree: Tree) -> str:
    """A value as a message names it: 'text 'abc'', 'a list', 'nothing'."""
    if isinstance(tree, Scalar) and tree.value is not None:
        value = str(tree.value).lower() if isinstance(tree.value, bool) else shown(tree.value)
        return f"{kind(tree)} {value}"
    return kind(tree)


def is_step_name(text: str) -> bool:
    """Whether a text can name a step: names with dots between them, as `expand` writes them."""
    parts = text.split(".")
    return len(text) <= 16 * NAME_LENGTH and all(
        len(part) <= NAME_LENGTH and (_NAME.fullmatch(part) or is_whole_number(part))
        for part in parts
    )
