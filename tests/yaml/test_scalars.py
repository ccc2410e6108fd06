"""Plain scalars by YAML 1.2's core schema, and those that readers of YAML disagree about."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.limits import Limits
from archbuilder.plain_data import ScalarValue
from archbuilder.yaml.scalars import UNPRINTABLE, resolve_plain_scalar

SPAN = Span(SourceText("net.yaml", ""), 1, 1, 1, 2)


def resolved(text: str) -> tuple[ScalarValue, list[str]]:
    """The value of a scalar and the codes of what is wrong with it."""
    diagnostics = Diagnostics()
    value = resolve_plain_scalar(text, SPAN, Limits(), diagnostics)
    return value, [each.code for each in diagnostics]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None), ("nULL", "nULL"),
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("tRUE", "tRUE"),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"), ("NO", "NO"),
        ("0", 0), ("-0", 0), ("+3", 3), ("-42", -42), ("9" * 19, 10**19 - 1),
        ("0o17", 15), ("0x1F", 31), ("0X1F", "0X1F"), ("-0o7", "-0o7"), ("0xG", "0xG"),
        ("1e-4", 1e-4), ("1E5", 1e5), ("12e03", 12000.0), (".5", 0.5), ("5.", 5.0), ("-.5", -0.5),
        ("0.1", 0.1), ("3.0", 3.0), ("1e-999", 0.0),
        ("1.2.3", "1.2.3"), ("1x1", "1x1"), ("1 2", "1 2"), ("-", "-"), ("+", "+"), (".", "."),
        ("e5", "e5"), ("0x", "0x"), ("1:90", "1:90"), ("==", "=="), ("_1", "_1"), ("inf", "inf"),
        ("nan", "nan"), ("2024", 2024), ("relu", "relu"), ("$(1 + 2)", "$(1 + 2)"),
    ],
)  # fmt: skip
def test_core_schema(text: str, value: ScalarValue) -> None:
    """Each scalar has the value and the type of the core schema."""
    resolved_value, codes = resolved(text)
    assert (resolved_value, type(resolved_value), codes) == (value, type(value), [])


@pytest.mark.parametrize(
    "text",
    ["010", "-010", "08", "00", "01.5", "0b1", "0b1_0", "1_000", "1__0", "1_0.5", "1:30", "-1:30",
     "1:30:15", "1:30.5", "2024-01-01", "2024-1-1", "2024-01-01T10:00:00Z",
     "2024-01-01 10:00", "="],
)  # fmt: skip
def test_yaml_1_1_values(text: str) -> None:
    """YAML 1.1 reads these otherwise than 1.2, so that they want quotes."""
    assert resolved(text)[1] == ["ambiguous-value"]


@pytest.mark.parametrize(
    "text",
    [".inf", "-.inf", "+.inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", "1e999", "-1e309",
     "9" * 20, "9" * 5_000, "-" + "9" * 20, "0x" + "f" * 60_000, "0o" + "7" * 60_000,
     "0x" + "f" * 17, hex(10**19), "0o" + "7" * 22],
)  # fmt: skip
def test_invalid_numbers(text: str) -> None:
    """Numbers are finite, and whole ones have 19 digits at most."""
    assert resolved(text) == (None, ["invalid-number"])


def test_digits_of_octal_and_hexadecimal_integers() -> None:
    """The digits are those of the value, however many characters write it."""
    assert resolved(hex(10**19 - 1)) == (10**19 - 1, [])
    assert resolved(oct(10**19 - 1)) == (10**19 - 1, [])


def test_long_scalars_are_shortened() -> None:
    """A long scalar is not printed in full."""
    diagnostics = Diagnostics()
    resolve_plain_scalar("0" * 60_000, SPAN, Limits(), diagnostics)
    resolve_plain_scalar("1" * 60_000 + ".5", SPAN, Limits(), diagnostics)
    assert all(len(each.message) < 150 for each in diagnostics)
    assert len(diagnostics.errors) == 2


@given(st.integers(-(10**19) + 1, 10**19 - 1))
def test_fuzz_integers(number: int) -> None:
    """Every whole number within the bound is itself."""
    assert resolved(str(number)) == (number, [])


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_fuzz_floats(number: float) -> None:
    """Every finite number is itself, however Python writes it."""
    resolved_value, codes = resolved(repr(number))
    assert (resolved_value, codes) == (number, [])
    assert isinstance(resolved_value, float)


@given(st.text("0123456789+-.eExXoObB_:=~ TinfaNI", max_size=30))
def test_fuzz_number_like_text(text: str) -> None:
    """What looks like a number is a finite one, a text, or a mistake."""
    value, codes = resolved(text)
    assert codes in ([], ["ambiguous-value"], ["invalid-number"])
    assert not isinstance(value, float) or math.isfinite(value)
    assert not isinstance(value, str) or value == text


@pytest.mark.parametrize(
    "character", "\x00\x07\x1b\x7f\x85\u200b\u200e\u202e\u2066\ufeff\ud800\ufffe"
)
def test_invisible_characters(character: str) -> None:
    """Controls, and what hides or turns the text around it."""
    assert UNPRINTABLE.search(f"a{character}b")


@pytest.mark.parametrize("text", ["a\tb\n\r", "größe", "層", "\U0001f600", "שלום", "\u00a0"])
def test_visible_characters(text: str) -> None:
    """Text of any language may stand in titles and comments."""
    assert UNPRINTABLE.search(text) is None
