"""Mistakes as data: collected once each, with the blocks that led there, and with suggestions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archbuilder.diagnostics.errors import (
    ArchbuilderError,
    BlueprintError,
    Diagnostic,
    Diagnostics,
    ExpansionFrame,
    InternalError,
    RunError,
    UsageError,
    closest_match,
    quote,
    quote_list,
)
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.diagnostics.span import SourceText, Span

SOURCE = SourceText("net.yaml", "one\ntwo\n")


def at(line: int, column: int = 1) -> Span:
    """A place of one character."""
    return Span(SOURCE, line, column, line, column + 1)


def test_exit_codes() -> None:
    """What is the user's to mend is 2, a failed run 1."""
    codes = {each: each.exit_code for each in (BlueprintError, UsageError, RunError)}
    assert codes == {BlueprintError: 2, UsageError: 2, RunError: 1}
    assert not issubclass(InternalError, ArchbuilderError)
    assert "Please report" in str(InternalError("x"))


def test_diagnostics_are_sorted_by_location() -> None:
    """Those without a place come first, and the message has a line for each."""
    error = BlueprintError(
        [
            Diagnostic("limit-exceeded", "third", at(2)),
            Diagnostic("limit-exceeded", "second", at(1, 5)),
            Diagnostic("limit-exceeded", "first", None),
        ]
    )
    assert [each.message for each in error.diagnostics] == ["first", "second", "third"]
    assert str(error).splitlines() == [
        "error[limit-exceeded]: first",
        "error[limit-exceeded]: second at net.yaml:1:5",
        "error[limit-exceeded]: third at net.yaml:2:1",
    ]


def test_duplicate_diagnostics_are_dropped() -> None:
    """A block that is used ten times has its mistake once."""
    diagnostics = Diagnostics()
    for _ in range(10):
        diagnostics.error("limit-exceeded", "same", at(1))
    diagnostics.error("limit-exceeded", "same", at(2))
    assert diagnostics.error_count == len(diagnostics.errors) == 2


def test_tracker_has_repeated_errors() -> None:
    """It tells that something is wrong, also if that was reported before; warnings do not count."""
    diagnostics = Diagnostics()
    for _ in range(3):
        tracker = diagnostics.track_errors()
        diagnostics.warning("unused-step", "same", at(1))
        assert not tracker.has_errors()
        diagnostics.error("limit-exceeded", "same", at(1))
        assert tracker.has_errors()


def test_diagnostics_have_expansion_frames() -> None:
    """Those that the stage is in, and afterwards no more."""
    diagnostics = Diagnostics()
    outer = ExpansionFrame("block", "a", at(1))
    inner = ExpansionFrame("block", "b", at(2), outer)
    with diagnostics.within(outer):
        with diagnostics.within(inner):
            diagnostics.error("limit-exceeded", "deep", at(1))
        diagnostics.warning("unused-step", "shallow", at(1))
    diagnostics.error("limit-exceeded", "outside", at(1))
    frames = {each.message: each.frame for each in diagnostics}
    assert frames == {"deep": inner, "shallow": outer, "outside": None}
    assert list(inner.chain()) == [inner, outer]


def test_a_suggestion_becomes_the_label() -> None:
    """Unless there is a better one."""
    diagnostics = Diagnostics()
    diagnostics.error("limit-exceeded", "a", at(1), suggestion="b")
    diagnostics.error("limit-exceeded", "c", at(1), suggestion="d", label="or d")
    assert [each.label for each in diagnostics] == ["did you mean 'b'?", "or d"]


def test_number_of_diagnostics_is_bounded() -> None:
    """Nobody reads a thousand of them, and a stranger may provoke millions."""
    diagnostics = Diagnostics(maximum=3)

    def find_many() -> None:
        for number in range(1000):
            diagnostics.error("limit-exceeded", f"number {number}", at(1))

    with pytest.raises(BlueprintError) as caught:
        find_many()
    assert len(caught.value.diagnostics) == 3


def test_warnings_do_not_raise() -> None:
    """Errors do, and bring the warnings along."""
    diagnostics = Diagnostics()
    diagnostics.warning("unused-step", "a", at(1))
    diagnostics.raise_errors()
    diagnostics.error("limit-exceeded", "b", at(1))
    with pytest.raises(BlueprintError) as caught:
        diagnostics.raise_errors()
    assert len(caught.value.diagnostics) == 2


@pytest.mark.parametrize(
    ("word", "candidate"),
    [
        ("filter", "filters"),
        ("Kernel_Size", "kernel_size"),
        ("kernelsize", "kernel_size"),
        ("zzzz", None),
        ("", None),
    ],
)
def test_closest_match(word: str, candidate: str | None) -> None:
    """Capitals and underscores matter little."""
    assert closest_match(word, ["filters", "kernel_size", "padding"]) == candidate


def test_closest_match_keeps_the_spelling() -> None:
    """Keras has classes and functions of one name."""
    names = ["MeanSquaredError", "mean_squared_error"]
    assert closest_match("MeanSquaredErrors", names) == "MeanSquaredError"
    assert closest_match("mean_squared_errors", names) == "mean_squared_error"


@given(st.text(), st.integers(4, 80))
def test_quote_is_short_and_printable(text: str, length: int) -> None:
    """Whatever a file holds."""
    result = quote(text, length)
    assert result == escape_terminal(result)
    assert len(result) <= length


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Größe", "'Größe'"),
        ("漢字", "'漢字'"),
        ("กำ", "'กำ'"),
        ("a\u202eb", "'a\\u202eb'"),
        ("a\u00a0b", "'a\\xa0b'"),
        ("\u0301", "'\\u0301'"),
        (["é", 1.5], "['é', 1.5]"),
    ],
)
def test_quote_keeps_letters_of_all_languages(value: object, text: str) -> None:
    """What a terminal obeys or hides, and a mark that would cover the quote, are numbers."""
    assert quote(value) == text


@given(st.text(max_size=2000))
def test_fuzz_closest_match(word: str) -> None:
    """A suggestion is one of the candidates, or none."""
    assert closest_match(word, ["filters", "padding"]) in ("filters", "padding", None)


def test_list_of_names() -> None:
    """A few are all there, and of many the first."""
    assert (quote_list([]), quote_list(["a", "b"])) == ("none", "'a', 'b'")
    assert quote_list(map(str, range(30_000)), limit=2) == "'0', '1' and 29,998 more"
