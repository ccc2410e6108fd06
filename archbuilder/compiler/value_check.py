"""Check of one value against a JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from archbuilder.diagnostics.errors import Diagnostics, quote
from archbuilder.diagnostics.span import NO_FILE
from archbuilder.language.parser.fields import describe_value
from archbuilder.plain_data import PlainData
from archbuilder.registry.schema_validation import find_violation
from archbuilder.yaml.nodes import ScalarNode, SequenceNode, Tree, is_unknown, to_plain

_DIVISION_HINT: Final = (
    "'/' returns a float, even for 4 / 2; use '//' or int(...) for an integer",
)
_YAML_1_1_BOOLEANS: Final = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_NAME_OF_VALUE: Final = re.compile(r"[{ ]*([A-Za-z_][A-Za-z0-9_]*)[ }]*", re.ASCII)
"""A name alone, or in braces as other tools write expressions."""
_FLOAT: Final = re.compile(r"[-+0-9.eE]+")


def check_value(
    tree: Tree,
    schema: Mapping[str, PlainData],
    title: str,
    diagnostics: Diagnostics,
    *,
    hint: str = "",
) -> bool:
    """Check that a value matches a JSON Schema; report an error in `title` if not.

    `hint` is a note of the caller about a value that does not match.

    A value that is unknown, or a part of which is, counts as one that matches.
    """
    if is_unknown(tree):
        return True
    violation = find_violation(to_plain(tree), schema)
    if violation is None:
        return True
    # The usual cause is an expression with '/', which is a float division as in Python.
    value = tree.value if isinstance(tree, ScalarNode) else None
    is_integral_float = isinstance(value, float) and value.is_integer()
    notes: tuple[str, ...] = (hint,) if hint else ()
    name = _NAME_OF_VALUE.fullmatch(value) if isinstance(value, str) else None
    is_written = tree.span is not NO_FILE and "$" not in tree.span.text
    expects_number = violation.expected.startswith(("an integer", "a number"))
    if name and is_written and not notes and expects_number:
        notes = (f"to use a parameter, write ${name[1]}",)
    if is_integral_float and "integer" in violation.expected:
        # A number that is written there was not divided.
        is_literal = tree.span is NO_FILE or _FLOAT.fullmatch(tree.span.text) is not None
        notes = (f"write {value:.0f}",) if is_literal else _DIVISION_HINT
    # Booleans of YAML 1.1 are strings in YAML 1.2.
    boolean = _YAML_1_1_BOOLEANS.get(value.lower()) if isinstance(value, str) else None
    if boolean is not None and violation.expected == "true or false":
        notes = (f"write {boolean}",)
    diagnostics.error(
        violation.code,
        f"{title} must be {violation.expected}, not {describe_with_items(tree)}",
        tree.span,
        suggestion=violation.suggestion,
        notes=notes,
    )
    return False


def describe_with_items(tree: Tree) -> str:
    """Describe a value for a message; unlike `describe_value`, with the items of a list."""
    return quote(to_plain(tree)) if isinstance(tree, SequenceNode) else describe_value(tree)
