"""Check of mappings, and of lists of mappings, against a JSON Schema, key by key.

A violation is reported at the key or the value that causes it, and a mistyped key with the one
that is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from archbuilder.compiler.value_check import check_value
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import MappingNode, SequenceNode, Tree

Schema = Mapping[str, PlainData]

_MAPPING_KEYWORDS: Final = frozenset(("properties", "required", "additionalProperties"))


def check_nested_value(tree: Tree, schema: Schema, title: str, diagnostics: Diagnostics) -> bool:
    """Check that a value matches a schema; report each violation in `title` at its location."""
    if isinstance(tree, MappingNode) and not _MAPPING_KEYWORDS.isdisjoint(schema):
        # A list: `all` of a generator would stop at the first violation.
        are_valid = [
            check_value(tree, _without(schema, _MAPPING_KEYWORDS), title, diagnostics),
            _check_keys(tree, schema, title, diagnostics),
        ]
        return all(are_valid)
    items = schema.get("items")
    if isinstance(tree, SequenceNode) and isinstance(items, dict) and _has_mappings(items):
        are_valid = [
            check_value(tree, _without(schema, frozenset(("items",))), title, diagnostics),
            *(
                check_nested_value(item, items, f"item {index} of {title}", diagnostics)
                for index, item in enumerate(tree.items)
            ),
        ]
        return all(are_valid)
    return check_value(tree, schema, title, diagnostics)


def _check_keys(tree: MappingNode, schema: Schema, title: str, diagnostics: Diagnostics) -> bool:
    """Check the keys of a mapping and their values; report those that are wrong or missing."""
    properties = cast("dict[str, Schema]", schema.get("properties", {}))
    other_schema = schema.get("additionalProperties", True)
    names = [entry.key for entry in tree]
    is_valid = True
    for entry in tree:
        value_schema = properties.get(entry.key, other_schema)
        if value_schema is False:
            suggestion = closest_match(entry.key, properties)
            diagnostics.error(
                "unknown-key",
                f"{title} has no key {quote(entry.key)}",
                entry.key_span,
                suggestion=suggestion,
                notes=() if suggestion else (f"its keys are: {', '.join(properties)}",),
            )
            is_valid = False
            # A key that is mistyped is not also missing.
            names += [suggestion] if suggestion else []
        elif isinstance(value_schema, Mapping):
            value_title = f"'{entry.key}' of {title}"
            is_valid &= check_nested_value(entry.value, value_schema, value_title, diagnostics)
    required = cast("list[str]", schema.get("required", []))
    missing = [name for name in required if name not in names]
    if missing:
        text = ", ".join(map(quote, missing))
        diagnostics.error("missing-key", f"{title} needs a value for {text}", tree.span)
    return is_valid and not missing


def _has_mappings(schema: Schema) -> bool:
    """Return whether a schema describes mappings, or lists of them."""
    items = schema.get("items")
    return not _MAPPING_KEYWORDS.isdisjoint(schema) or (
        isinstance(items, dict) and _has_mappings(items)
    )


def _without(schema: Schema, keywords: frozenset[str]) -> Schema:
    return {key: value for key, value in schema.items() if key not in keywords}
