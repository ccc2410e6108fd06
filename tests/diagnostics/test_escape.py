"""Text that others wrote, made safe to show."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archbuilder.diagnostics.escape import (
    display_width,
    escape_github_message,
    escape_github_property,
    escape_terminal,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\tb", "a    b"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\r\nb", "a\\r\\nb"),
        ("\u202e", "\\u202e"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("\u00a0", " "),
        ("é漢", "é漢"),
        ("👍", "👍"),
        ("e\u0301", "e\u0301"),
        ("\u0301e", "\\u0301e"),
        (" \u0301", " \\u0301"),
        ("a" + "\u0301" * 5, "a" + "\u0301" * 4 + "\\u0301"),
        ("हिन्दी ไทย עִבְרִית", "हिन्दी ไทย עִבְרִית"),
        ("\u3164", "\\u3164"),
        ("a\ufe0f", "a\\ufe0f"),
        ("\ue000", "\\ue000"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_invisible_characters_are_escaped(text: str, shown: str) -> None:
    """Everything else stays."""
    assert escape_terminal(text) == shown


@given(st.text(st.characters()))
def test_fuzz_terminal_escapes(text: str) -> None:
    """For any text at all."""
    shown = escape_terminal(text)
    assert not {unicodedata.category(each) for each in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert display_width(text) == display_width(shown)


@given(st.text(st.characters()))
def test_a_workflow_command_stays_one_line(text: str) -> None:
    """And a property of it ends nowhere but at its end."""
    assert "\n" not in escape_github_message(text)
    assert not set(escape_github_property(text)) & set("\r\n:,")


def test_percent_signs_are_escaped_for_github() -> None:
    """GitHub would read %0A in a message as a line break."""
    assert escape_github_message("50%0A\nx") == "50%250A%0Ax"


@pytest.mark.parametrize(
    ("text", "count"),
    [("ab", 2), ("漢字", 4), ("e\u0301", 1), ("\t", 4), ("\u1112\u1161\u11ab", 2)],
)
def test_display_width(text: str, count: int) -> None:
    """Wide characters take two, combining ones none."""
    assert display_width(text) == count
