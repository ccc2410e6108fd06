"""Patterns of file names: a label in the name of an example, and the path of a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from archbuilder.config.settings import setting
from archbuilder.config.value_types import SectionContext, ValueType, plain_type
from archbuilder.diagnostics.errors import quote
from archbuilder.yaml.nodes import Tree

_LABEL: Final = "{label}"
_ANY: Final = "*"
_MAX_LENGTH: Final = 200
_FILE_NAME: Final = "{}"
"""The part of a path that stands for what a table has."""


def path_pattern() -> str:
    """Declare the setting `path`: where the files are that a column of a table names."""
    return setting(
        plain_type({"type": "string", "minLength": 1, "maxLength": 1000}, "path"),
        "Where the files are, relative to the table: `{}` stands for what the column has, as in"
        " `images/{}.jpg`.",
        default=_FILE_NAME,
    )


def find_path_conflict(pattern: str) -> str:
    """Return why a text is not a pattern of paths, as a sentence; empty if it is one."""
    if pattern.count(_FILE_NAME) == 1 and is_below(pattern):
        return ""
    return (
        f"has the path {quote(pattern)}, which must be relative to the table, without '..', and"
        " have one '{}' for the name in the column"
    )


def file_path(pattern: str, name: str) -> str:
    """Return the path of a file, relative to the table, by its name in the column."""
    return pattern.replace(_FILE_NAME, name)


def is_below(path: str) -> bool:
    """Return whether a path names something below a directory, whatever that is."""
    components = path.split("/")
    return "" not in components and ".." not in components and "\0" not in path


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
