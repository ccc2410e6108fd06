"""Judges plain values by JSON Schema, strictly and in words for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry

from archbuilder.errors import nearest
from archbuilder.tree import Plain

Schema = Mapping[str, Plain]


@dataclass(frozen=True, slots=True)
class Mistake:
    """Why a value does not match: a code, what was expected, and perhaps what was meant."""

    code: str
    expected: str
    suggestion: str | None = None


def judge(value: Plain, schema: Schema) -> Mistake | None:
    """What is wrong with a value, None where it matches."""
    key = (id(schema), repr(value)) if not isinstance(value, list | dict) else None
    if key is not None and key in _VERDICTS:
        return _VERDICTS[key][0]
    mistake = _judge(value, schema)
    if key is not None and len(_VERDICTS) < _MOST_VERDICTS:
        # The schema is kept with the verdict, so that its id stays its own.
        _VERDICTS[key] = (mistake, schema)
    return mistake


_MOST_VERDICTS: Final = 100_000
_VERDICTS: Final[dict[tuple[int, str], tuple[Mistake | None, Schema]]] = {}
_VALIDATORS: Final[dict[int, tuple[Draft202012Validator, Schema]]] = {}

_STRICT: Final = extend(  # type: ignore[no-untyped-call]
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


def _judge(value: Plain, schema: Schema) -> Mistake | None:
    known = _VALIDATORS.get(id(schema))
    if known is None:
        # An empty registry: a schema never makes the validator fetch another.
        known = (_STRICT(dict(schema), registry=Registry()), schema)
        _VALIDATORS[id(schema)] = known
    error = next(known[0].iter_errors(value), None)
    if error is None and "enum" in schema and not _same_type(value, schema):
        return Mistake("wrong-type", expected(schema))
    return None if error is None else _mistake(value, schema, error)


def _same_type(value: Plain, schema: Schema) -> bool:
    """Whether an enum has the value with its type: JSON Schema holds 1 and 1.0 to be the same."""
    choices = cast("list[Plain]", schema["enum"])
    return any(type(choice) is type(value) and choice == value for choice in choices)


def _mistake(value: Plain, schema: Schema, error: ValidationError) -> Mistake:
    if "enum" in schema:
        choices = [str(choice) for choice in cast("list[Plain]", schema["enum"])]
        near = nearest(value, choices) if isinstance(value, str) else None
        code = "unknown-value" if isinstance(value, str) else "wrong-type"
        return Mistake(code, expected(schema), near)
    deepest = error
    while deepest.context:
        # Of several types, the one that the value comes nearest to tells most.
        deepest = max(deepest.context, key=lambda each: (len(each.path), each.validator != "type"))
    code = "wrong-type" if deepest.validator in ("type", "enum") else "out-of-range"
    return Mistake(code, expected(schema))


_TYPES: Final = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


def expected(schema: Schema) -> str:
    """What a schema asks for, in words: 'an integer of at least 1, or a list of 2 of them'."""
    if "enum" in schema:
        choices = cast("list[Plain]", schema["enum"])
        words = [json.dumps(each) if not isinstance(each, str) else each for each in choices]
        return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    if "description" in schema:
        return str(schema["description"])
    if "anyOf" in schema:
        options = cast("list[Schema]", schema["anyOf"])
        return " or ".join(dict.fromkeys(expected(option) for option in options))
    written = schema.get("type", "any value")
    names = cast("list[str]", written if isinstance(written, list) else [written])
    kinds = [_TYPES.get(name, name) for name in names if name != "null"]
    if not kinds:
        return _TYPES["null"]
    words_of = " or ".join(kinds) + _bounds(schema)
    if "array" in names:
        words_of += _items(schema)
    return f"{words_of} or null" if "null" in names else words_of


def _bounds(schema: Schema) -> str:
    words = []
    for key, text in (
        ("minimum", "at least"),
        ("exclusiveMinimum", "more than"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "less than"),
    ):
        if key in schema:
            words.append(f"{text} {schema[key]}")
    bounds = f" of {' and '.join(words)}" if words else ""
    if "multipleOf" in schema:
        bounds += f"{' and' if words else ''} divisible by {schema['multipleOf']}"
    return bounds


def _items(schema: Schema) -> str:
    fewest, most = schema.get("minItems", 0), schema.get("maxItems")
    count = f"{fewest} " if fewest == most else ""
    inner = schema.get("items")
    if isinstance(inner, Mapping):
        return f" of {count}values, each {expected(cast(Schema, inner))}"
    return f" of {count}values" if count else ""
