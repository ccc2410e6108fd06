"""Patterns of file names: a label in the name of an image, and the name of a mask."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from archbuilder.config.value_types import SectionContext, ValueType
from archbuilder.diagnostics.errors import quote
from archbuilder.yaml.nodes import Tree

_LABEL: Final = "{label}"
_ANY: Final = "*"
_MAX_LENGTH: Final = 200


def label_pattern() -> ValueType[str]:
    """Return the type of patterns with `{label}`, as in `{label}_*`."""

    def parse(tree: Tree, title: str, context: SectionContext) -> str:
        pattern = context.fields.expect_text(tree, title)
        if pattern is not None and (pattern.count(_LABEL) != 1 or len(pattern) > _MAX_LENGTH):
            context.diagnostics.error(
                "invalid-choice",
                f"{title} must have one '{_LABEL}', as in '{{label}}_*', not {quote(pattern)}",
                tree.span,
            )
        return pattern or ""

    schema = {"type": "string", "pattern": r"\{label\}", "maxLength": _MAX_LENGTH}
    return ValueType(schema, parse, "pattern, as in `{label}_*`")


def find_label(pattern: str, text: str) -> str | None:
    """Return the label in a text by a pattern; None if the text does not match.

    `*` stands for any characters. The label begins as early and ends as late as the pattern allows,
    and has at least one character. The time is bounded by the product of both lengths, unlike that
    of regular expressions.
    """
    left, right = (
        [each for each in re.split(r"(\*)", side) if each] for side in pattern.split(_LABEL)
    )
    starts = _ends_of_matches(left, text)
    reversed_right = [each[::-1] for each in reversed(right)]
    ends = [len(text) - each for each in _ends_of_matches(reversed_right, text[::-1])]
    if not starts or not ends or min(starts) >= max(ends):
        return None
    return text[min(starts) : max(ends)]


def _ends_of_matches(pieces: Sequence[str], text: str) -> Iterable[int]:
    """Return where the pieces of a pattern may end in a text that begins with them."""
    ends = {0}
    for piece in pieces:
        if piece == _ANY:
            ends = {*range(min(ends, default=len(text) + 1), len(text) + 1)}
        else:
            ends = {each + len(piece) for each in ends if text.startswith(piece, each)}
    return ends
