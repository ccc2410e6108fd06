"""Verdicts on plain values by JSON Schema, stricter than that, and in words."""

from __future__ import annotations

import pytest

from archbuilder.registry import schema_validation
from archbuilder.registry.schema_validation import describe_schema, find_violation

POSITIVE = {"type": "integer", "minimum": 1}
SIZE = {
    "anyOf": [POSITIVE, {"type": "array", "items": POSITIVE, "minItems": 2, "maxItems": 2}]
}  # fmt: skip
PADDING = {"enum": ["valid", "same"]}
RATE = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (1, POSITIVE), (3, SIZE), ([3, 3], SIZE), ("same", PADDING), (0, RATE), (0.5, RATE),
        (None, {"type": ["integer", "null"]}), (True, {"type": "boolean"}), (7, {}), ([], {}),
    ],
)  # fmt: skip
def test_valid_values(value: object, schema: dict[str, object]) -> None:
    """A filter that refuses everything would pass the other tests."""
    assert find_violation(value, schema) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "schema", "code"),
    [
        (True, POSITIVE, "type-mismatch"),
        (1.0, POSITIVE, "type-mismatch"),
        ("1", POSITIVE, "type-mismatch"),
        (0, POSITIVE, "out-of-range"),
        (False, RATE, "type-mismatch"),
        (float("inf"), {"type": "number"}, "type-mismatch"),
        (float("nan"), {"type": "number"}, "type-mismatch"),
        (1, RATE, "out-of-range"),
        ([3], SIZE, "out-of-range"),
        ([3, 0], SIZE, "out-of-range"),
        ([3, "3"], SIZE, "type-mismatch"),
        ("sane", PADDING, "invalid-choice"),
        (1, PADDING, "type-mismatch"),
        (1.0, {"enum": [1]}, "type-mismatch"),
        (True, {"enum": [1]}, "type-mismatch"),
        (1, {"type": "boolean"}, "type-mismatch"),
        (None, POSITIVE, "type-mismatch"),
    ],
)
def test_invalid_values(value: object, schema: dict[str, object], code: str) -> None:
    """A boolean is no number, a whole float no integer, and infinity nothing at all."""
    mistake = find_violation(value, schema)  # type: ignore[arg-type]
    assert mistake is not None
    assert mistake.code == code


def test_cache_distinguishes_equal_values_by_type() -> None:
    """1, 1.0 and True are equal and hash alike."""
    verdicts = [find_violation(value, POSITIVE) is None for value in (1, 1.0, True, 1)]
    assert verdicts == [True, False, False, True]


def test_cache_drops_unused_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each blueprint has its own schemas: caches of a long process stay within bounds."""
    monkeypatch.setattr(schema_validation, "_MAX_CACHED_VALIDATORS", 10)
    monkeypatch.setattr(schema_validation, "_MAX_CACHED_VIOLATIONS", 10)
    for number in range(50):
        schema = {"type": "integer", "minimum": number}
        assert find_violation(number, schema) is None  # type: ignore[arg-type]
        assert find_violation(number - 1, schema) is not None  # type: ignore[arg-type]
    assert len(schema_validation._VALIDATOR_CACHE) <= 10
    assert len(schema_validation._VIOLATION_CACHE) <= 10


def test_choice_suggestion() -> None:
    """Of those that may stand there."""
    mistake = find_violation("sane", PADDING)
    assert mistake is not None
    assert mistake.suggestion == "same"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (POSITIVE, "an integer of at least 1"),
        (RATE, "a number of at least 0 and less than 1"),
        (PADDING, "valid or same"),
        (SIZE, "an integer of at least 1 or a list of 2 values, each an integer of at least 1"),
        ({"type": ["string", "null"]}, "a string or null"),
        ({"type": "integer", "multipleOf": 8}, "an integer divisible by 8"),
        (
            {"type": "integer", "minimum": 8, "multipleOf": 8},
            "an integer of at least 8 and divisible by 8",
        ),
        ({"enum": [1, None]}, "1 or null"),
    ],
)
def test_schema_descriptions(schema: dict[str, object], words: str) -> None:
    """Messages say what may stand there."""
    assert describe_schema(schema) == words  # type: ignore[arg-type]
