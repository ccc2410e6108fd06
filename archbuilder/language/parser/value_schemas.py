"""Parser of the JSON Schema keywords with which a parameter declares its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from archbuilder.diagnostics.errors import closest_match
from archbuilder.language.parser.fields import FieldReader, quoted
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import MappingEntry, MappingNode, ScalarNode, SequenceNode, to_plain

BLOCK_TYPE: Final = "block"
"""The type of parameters whose values are blocks; unlike the others, not one of JSON Schema."""
TYPE_NAMES: Final = ("integer", "number", "boolean", "string", "array", "object", "null")
SCHEMA_KEYS: Final = (
    "type",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "enum",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "properties",
    "required",
    "additionalProperties",
)
_COUNT_KEYWORDS: Final = ("minItems", "maxItems", "minLength", "maxLength")


def decode_schema(reader: FieldReader, keywords: Sequence[MappingEntry]) -> dict[str, PlainData]:
    """Return the JSON Schema of the valid keywords; report the others.

    A mapping with `properties` has no other keys, unless `additionalProperties` allows them.
    """
    schema: dict[str, PlainData] = {}
    for entry in keywords:
        value: PlainData
        if entry.key == "items" or (
            entry.key == "additionalProperties" and isinstance(entry.value, MappingNode)
        ):
            value = _decode_inner_schema(reader, entry)
        elif entry.key == "properties":
            value = _decode_properties(reader, entry)
        elif entry.key == "required":
            value = _decode_required(reader, entry)
        else:
            value = to_plain(entry.value) if _check_keyword(reader, entry) else None
        # None stands for an error: no keyword has the value null.
        if value is not None:
            schema[entry.key] = value
    if "properties" in schema:
        schema.setdefault("additionalProperties", False)
    if schema.get("additionalProperties") is False:
        _check_required_keys(reader, keywords, schema)
    return schema


def _decode_inner_schema(reader: FieldReader, entry: MappingEntry) -> PlainData:
    """Decode the schema of the items or the other keys; report what is no schema, return None."""
    mapping = reader.expect_mapping(
        entry.value, f"{quoted(entry.key)}", expected="a mapping such as {type: integer}"
    )
    if mapping is None:
        return None
    return decode_schema(
        reader, list(reader.known_entries(mapping, SCHEMA_KEYS, f"{quoted(entry.key)}"))
    )


def _decode_properties(reader: FieldReader, entry: MappingEntry) -> PlainData:
    mapping = reader.expect_mapping(
        entry.value, "'properties'", expected="a mapping such as {filters: {type: integer}}"
    )
    if mapping is None:
        return None
    properties: dict[str, PlainData] = {}
    for key_entry in mapping:
        # `filters:` without a schema is a key with any value.
        has_schema = (
            not isinstance(key_entry.value, ScalarNode) or key_entry.value.value is not None
        )
        properties[key_entry.key] = (
            (_decode_inner_schema(reader, key_entry) or {}) if has_schema else {}
        )
    return properties


def _decode_required(reader: FieldReader, entry: MappingEntry) -> PlainData:
    sequence = reader.expect_sequence(entry.value, "'required'", expected="a list of keys")
    if sequence is None:
        return None
    names = [reader.expect_text(item, "a key in 'required'") for item in sequence.items]
    return [name for name in names if name is not None]


def _check_required_keys(
    reader: FieldReader, keywords: Sequence[MappingEntry], schema: dict[str, PlainData]
) -> None:
    """Report and remove names in `required` that no mapping may have."""
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict) or not isinstance(required, list):
        return
    schema["required"] = [name for name in required if name in properties]
    trees = [each.value for each in keywords if each.key == "required"]
    for item in trees[0].items if isinstance(trees[0], SequenceNode) else ():
        name = to_plain(item)
        if isinstance(name, str) and name not in properties:
            reader.diagnostics.error(
                "unknown-key",
                f"'required' has the key {quoted(name)}, which is not in 'properties'",
                item.span,
                suggestion=closest_match(name, properties),
            )


def _check_keyword(reader: FieldReader, entry: MappingEntry) -> bool:
    """Check that a JSON Schema keyword of a parameter has a valid value; report it if not."""
    value = to_plain(entry.value)
    # A boolean is an `int` in Python, hence `type(...)`, and the check for True in 'multipleOf'.
    if entry.key == "type":
        names = value if isinstance(value, list) else [value]
        # JSON Schema allows no empty list of types: no value would be valid.
        valid = bool(names) and all(name in TYPE_NAMES for name in names)
        expected = f"one of {', '.join(TYPE_NAMES)}, or for a parameter {BLOCK_TYPE}"
    elif entry.key == "enum":
        valid, expected = isinstance(value, list) and bool(value), "a list of values"
    elif entry.key == "additionalProperties":
        valid = isinstance(value, bool)
        expected = "true, false or a mapping such as {type: integer}"
    elif entry.key in _COUNT_KEYWORDS:
        valid, expected = type(value) is int and value >= 0, "an integer of at least 0"
    elif entry.key == "multipleOf":
        valid = isinstance(value, int | float) and value is not True and value > 0
        expected = "a number above 0"
    else:
        valid, expected = type(value) in (int, float), "a number"
    if not valid:
        reader.report_unexpected(entry.value, f"'{entry.key}'", expected)
    return valid
