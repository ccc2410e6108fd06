"""Mistakes on a screen, in an editor and on a build server."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archbuilder.diagnostics.errors import Diagnostic, ExpansionFrame
from archbuilder.diagnostics.render import (
    ERROR_FORMATS,
    ErrorFormat,
    render,
    render_message,
    summary,
)
from archbuilder.diagnostics.span import SourceText, Span


def at(text: str, line: int, column: int, length: int = 1, name: str = "net.yaml") -> Span:
    """A range of `length` characters in a source."""
    return Span(SourceText(name, text), line, column, line, column + length)


VGG = "\n" * 22 + "    - Conv2D: {filter: 64, kernel_size: 3}\n"


def test_text_format_of_the_language_page() -> None:
    """The example of the language definition, to the letter."""
    used = ExpansionFrame("block", "vgg_block", at(VGG, 31, 5, name="blueprints/vgg.yaml"))
    mistake = Diagnostic(
        "unknown-argument",
        "Conv2D has no argument 'filter'",
        at(VGG, 23, 16, 6, name="blueprints/vgg.yaml"),
        label="did you mean 'filters'?",
        suggestion="filters",
        frame=used,
    )
    assert render([mistake]) == (
        "error[unknown-argument]: Conv2D has no argument 'filter'\n"
        "  --> blueprints/vgg.yaml:23:16\n"
        "   |\n"
        "23 |     - Conv2D: {filter: 64, kernel_size: 3}\n"
        "   |                ^^^^^^ did you mean 'filters'?\n"
        "   = in block 'vgg_block', used at blueprints/vgg.yaml:31:5\n"
        "\n"
        "1 error"
    )


def test_diagnostic_without_location() -> None:
    """Only the message, the label and the notes are left."""
    mistake = Diagnostic(
        "limit-exceeded", "too many files", None, label="64", notes=("raise 'files'",)
    )
    assert render([mistake]) == (
        "error[limit-exceeded]: too many files\n  = 64\n  = raise 'files'\n\n1 error"
    )


def test_location_beyond_the_text() -> None:
    """A file that could not be read has no lines to show."""
    mistake = Diagnostic("file-error", "there is no such file", at("", 1, 1), label="here")
    assert render([mistake]) == (
        "error[file-error]: there is no such file\n --> net.yaml:1:1\n  = here\n\n1 error"
    )


def test_several_diagnostics() -> None:
    """A blank line stands between two, and a summary at the end."""
    first = Diagnostic("limit-exceeded", "one", None)
    second = Diagnostic("limit-exceeded", "two", None)
    third = Diagnostic("unused-step", "three", None, severity="warning")
    assert render([first, second, third]) == (
        "error[limit-exceeded]: one\n\nerror[limit-exceeded]: two\n\n"
        "warning[unused-step]: three\n\n"
        "2 errors, 1 warning"
    )


def test_no_diagnostics() -> None:
    """Text and GitHub get nothing, JSON an empty list."""
    assert [render([], form) for form in ERROR_FORMATS] == ["", "[]", ""]
    assert summary(()) == ""


@pytest.mark.parametrize(
    ("line", "column", "indent"),
    [
        ("\tDense: x", 9, 11),
        ("名前: x", 5, 6),
        ("e\u0301: x", 5, 3),
        ("a\u200bb: x", 6, 10),
    ],
)
def test_caret_position(line: str, column: int, indent: int) -> None:
    """Tabs, wide and combining characters, and those shown as numbers, are counted as shown."""
    shown = render([Diagnostic("limit-exceeded", "here", at(line, 1, column))]).split("\n")
    assert shown[4] == "  | " + " " * indent + "^"


def test_long_line_is_clipped() -> None:
    """What is shown fits a terminal and the caret still points at its place."""
    line = "x" * 500 + "HERE" + "y" * 500
    shown = render([Diagnostic("limit-exceeded", "long", at(line, 1, 501, 4))]).split("\n")
    assert len(shown[3]) <= 110
    start = shown[4].index("^")
    assert shown[3][start : start + 4] == "HERE"
    assert shown[4].count("^") == 4
    assert shown[3].startswith("1 | ...x")
    assert shown[3].endswith("y...")


def test_line_of_combining_characters_is_clipped() -> None:
    """They take no column, and still are not shown without end."""
    line = "a" + "\u0301" * 10_000
    shown = render([Diagnostic("limit-exceeded", "long", at(line, 1, 1))]).split("\n")
    assert len(shown[3]) < 120


def test_multiline_span() -> None:
    """The caret line marks the rest of the line that the range begins on."""
    source = SourceText("net.yaml", "a: [1,\n 2]\n")
    shown = render([Diagnostic("limit-exceeded", "list", Span(source, 1, 4, 2, 4))]).split("\n")
    assert shown[4] == "  |    ^^^"


def test_long_frame_chain_is_shortened() -> None:
    """Of many blocks within blocks the innermost and the outermost are shown."""
    frame: ExpansionFrame | None = None
    for number in range(20):
        frame = ExpansionFrame("block", f"b{number}", at("x", 1, 1), frame)
    shown = render([Diagnostic("limit-exceeded", "deep", None, frame=frame)])
    assert "in block 'b19'" in shown
    assert "in block 'b0'" in shown
    assert "... 12 more ..." in shown
    assert "in block 'b10'" not in shown


def test_json_has_every_key() -> None:
    """The object that editors rely on."""
    frame = ExpansionFrame("block", "fire", at("x\nyy", 2, 1))
    mistake = Diagnostic(
        "type-mismatch",
        "no",
        at("x\nyy", 2, 1, 2),
        label="label",
        suggestion="yes",
        notes=("note",),
        frame=frame,
    )
    assert json.loads(render([mistake], "json")) == [
        {
            "code": "type-mismatch",
            "severity": "error",
            "message": "no",
            "file": "net.yaml",
            "line": 2,
            "column": 1,
            "end_line": 2,
            "end_column": 3,
            "label": "label",
            "suggestion": "yes",
            "notes": ["note"],
            "frames": [{"text": "in block 'fire'", "file": "net.yaml", "line": 2, "column": 1}],
        }
    ]


def test_json_without_location() -> None:
    """The keys are always there."""
    (mistake,) = json.loads(render([Diagnostic("limit-exceeded", "no", None)], "json"))
    assert mistake["file"] is mistake["line"] is mistake["column"] is mistake["suggestion"] is None


def test_github_annotation() -> None:
    """One workflow command, with everything that GitHub reads escaped."""
    span = at("x", 3, 5, name="a,b:c%.yaml")
    mistake = Diagnostic("type-mismatch", "100% no", span, label="or: yes", notes=("a", "b"))
    assert render([mistake], "github") == (
        "::error file=a%2Cb%3Ac%25.yaml,line=3,col=5,title=type-mismatch"
        "::100%25 no%0Aor: yes%0Aa%0Ab"
    )


def test_error_without_a_code() -> None:
    """It has the keys of all others; lines of its own stay, and foreign text adds none."""
    message = "no such run\n  tip: \x1b[2J"
    assert render_message(message) == "error: no such run\n  tip: \\x1b[2J"
    (error,) = json.loads(render_message(message, "json"))
    assert (error["code"], error["message"], error["line"]) == (None, message, None)
    assert render_message(message, "github") == "::error::no such run%0A  tip: \\x1b[2J"


def test_colors_surround_escaped_text() -> None:
    """Colour stands around escaped text, and without it there is no escape at all."""
    mistake = Diagnostic("limit-exceeded", "\x1b[2J", at("\x1b[2J", 1, 1))
    assert "\x1b" not in render([mistake])
    coloured = render([mistake], color=True)
    assert coloured.startswith("\x1b[1;31merror[limit-exceeded]\x1b[0m: \\x1b[2J")
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render([mistake])


HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\x00\x1b\r\n\t\x85\u2028\u2029\u202e\u200b\ufeff\ud800:,%{}<>"),
    ),
    max_size=30,
)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE, st.integers(1, 40), st.integers(1, 40))
def test_fuzz_formats(
    message: str, label: str, name: str, text: str, column: int, length: int
) -> None:
    """Whatever a blueprint holds, lines are ours, nothing is invisible, and JSON is JSON."""
    span = at(text, 1, column, length, name=name)
    frame = ExpansionFrame("block", label, span)
    mistake = Diagnostic(
        "limit-exceeded", message, span, label=label, notes=(message,), frame=frame
    )
    shown: dict[ErrorFormat, str] = {form: render([mistake], form) for form in ERROR_FORMATS}
    assert all(character.isprintable() for character in shown["text"].replace("\n", ""))
    assert len(shown["text"].split("\n")) <= 10
    assert json.loads(shown["json"])[0]["message"] == message
    assert shown["github"].startswith("::error file=")
    assert shown["github"].isprintable()
    properties = shown["github"].removeprefix("::error ").partition("::")[0]
    assert [pair.partition("=")[0] for pair in properties.split(",")] == [
        "file",
        "line",
        "col",
        "title",
    ]
