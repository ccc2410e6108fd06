"""Validate plain values by JSON Schema, with strict types and readable messages."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import referencing
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.errors import closest_match
from archbuilder.formatting import any_of
from archbuilder.plain_data import PlainData

Schema = Mapping[str, PlainData]


@dataclass(frozen=True, slots=True)
class SchemaViolation:
    """The reason why a value does not match a schema.

    `code` is that of the diagnostic, `expected` describes the schema, and `suggestion` is a similar
    value that matches.
    """

    code: Code
    expected: str
    suggestion: str | None = None


def find_violation(value: PlainData, schema: Schema) -> SchemaViolation | None:
    """Return why a value does not match a schema, or None if it matches."""
    # A deep network has the same values in hundreds of layers. Schemas are mappings and cannot be
    # hashed, hence the id. The repr tells 1, 1.0 and true apart, which are equal as keys of a dict.
    key = (id(schema), repr(value)) if not isinstance(value, list | dict) else None
    if key is not None and key in _VIOLATION_CACHE:
        return _VIOLATION_CACHE[key][0]
    violation = _find_violation_uncached(value, schema)
    if key is not None:
        _make_room(_VIOLATION_CACHE, _MAX_CACHED_VIOLATIONS)
        # With the schema, because the id of an object that was freed is used again.
        _VIOLATION_CACHE[key] = (violation, schema)
    return violation


_MAX_CACHED_VIOLATIONS: Final = 100_000
_MAX_CACHED_VALIDATORS: Final = 4_000
"""More than the registry has; the schemas of parameters are new objects in every blueprint."""
_VIOLATION_CACHE: Final[dict[tuple[int, str], tuple[SchemaViolation | None, Schema]]] = {}
_VALIDATOR_CACHE: Final[dict[int, tuple[Draft202012Validator, Schema]]] = {}

# JSON Schema counts 1.0 as an integer, and jsonschema counts infinity and NaN as numbers.
_STRICT_VALIDATOR: Final = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: type(value) is int,
            "number": lambda _, value: (
                type(value) is int or (type(value) is float and math.isfinite(value))
            ),
        }
    ),
)


def _make_room(cache: dict[Any, Any], max_entries: int) -> None:
    """Empty a full cache: a process that loads many blueprints would keep all their schemas."""
    if len(cache) >= max_entries:
        cache.clear()


def _find_violation_uncached(value: PlainData, schema: Schema) -> SchemaViolation | None:
    cached = _VALIDATOR_CACHE.get(id(schema))
    if cached is None:
        # With an empty registry, the validator cannot fetch a schema that another refers to.
        cached = (_STRICT_VALIDATOR(dict(schema), registry=referencing.Registry()), schema)
        _make_room(_VALIDATOR_CACHE, _MAX_CACHED_VALIDATORS)
        _VALIDATOR_CACHE[id(schema)] = cached
    error = next(cached[0].iter_errors(value), None)
    if "enum" in schema:
        choices = cast("list[PlainData]", schema["enum"])
        # The types of an enum have to be equal as well: 1 and 1.0 are the same in JSON Schema.
        if error is None and any(type(each) is type(value) and each == value for each in choices):
            return None
        near = closest_match(value, map(str, choices)) if isinstance(value, str) else None
        code: Code = "invalid-choice" if isinstance(value, str) else "type-mismatch"
        return SchemaViolation(code, describe_schema(schema), near)
    if error is None:
        return None
    deepest = error
    # `context` has the errors of the branches of an `anyOf`. The branch that matched furthest is
    # the one that the user meant: first by depth, then one in which only the range is wrong.
    while deepest.context:
        deepest = max(
            deepest.context,
            key=lambda candidate: (len(candidate.path), candidate.validator != "type"),
        )
    code = "type-mismatch" if deepest.validator in ("type", "enum") else "out-of-range"
    return SchemaViolation(code, describe_schema(schema))


_TYPE_NAMES: Final = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "string": "a string",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}
_BOUND_PHRASES: Final = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}


def describe_schema(schema: Schema) -> str:
    """Describe a schema for a message: 'an integer of at least 1', 'a list of 2 values'."""
    if "enum" in schema:
        choices = cast("list[PlainData]", schema["enum"])
        choice_texts = [json.dumps(each) if not isinstance(each, str) else each for each in choices]
        # A period or comma alone would read as that of the sentence.
        choice_texts = [each if each[-1:].isalnum() else f"'{each}'" for each in choice_texts]
        return any_of(choice_texts)
    if "description" in schema:
        return str(schema["description"])
    if "anyOf" in schema:
        options = cast("list[Schema]", schema["anyOf"])
        # Options that differ in other keywords may have the same description.
        return " or ".join(dict.fromkeys(describe_schema(option) for option in options))
    declared_type = schema.get("type", "any value")
    names = cast("list[str]", declared_type if isinstance(declared_type, list) else [declared_type])
    type_names = [_TYPE_NAMES.get(name, name) for name in names if name != "null"]
    if not type_names:
        return _TYPE_NAMES["null"]
    bounds = [
        f"{phrase} {cast('float', schema[key]):,}"
        for key, phrase in _BOUND_PHRASES.items()
        if key in schema
    ]
    text = " or ".join(type_names) + (f" of {' and '.join(bounds)}" if bounds else "")
    if "multipleOf" in schema:
        text += f"{' and' if bounds else ''} divisible by {schema['multipleOf']}"
    if "array" in names:
        min_items, inner = schema.get("minItems", 0), schema.get("items")
        count = f"{min_items} " if min_items == schema.get("maxItems") else ""
        if not count and cast("int", min_items) > 1:
            count = f"at least {min_items} "
        if isinstance(inner, Mapping):
            text += f" of {count}values, each {describe_schema(cast(Schema, inner))}"
        elif count:
            text += f" of {count}values"
    return f"{text} or null" if "null" in names else text
