"""`--set name=value` and `--limit name=value`."""

from __future__ import annotations

import pytest

from archbuilder import BlueprintError, Limits, UsageError
from archbuilder.cli.key_value import parse_assignments, parse_limits
from archbuilder.plain_data import PlainData


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("1e-4", 1e-4),
        ("true", True),
        ("no", "no"),
        ("relu", "relu"),
        ('"10"', "10"),
        ("[1, 2, null]", [1, 2, None]),
        ("{a: 1}", {"a": 1}),
        ("a=b", "a=b"),
        ("", None),
    ],
)
def test_values_are_yaml(text: str, value: PlainData) -> None:
    """YAML 1.2, as everywhere."""
    assert parse_assignments([f"x={text}"], Limits()) == {"x": value}


@pytest.mark.parametrize("text", ["classes", "=3", "a b=3", "\x1b=3", ""])
def test_invalid_assignments(text: str) -> None:
    """Without '=', or without a name before it."""
    with pytest.raises(UsageError, match="--set must be NAME=VALUE") as caught:
        parse_assignments([text], Limits())
    assert "\x1b" not in str(caught.value)


def test_duplicate_names() -> None:
    """Nobody wonders which of the two counted."""
    with pytest.raises(UsageError, match="'a' twice"):
        parse_assignments(["a=1", "a=2"], Limits())


@pytest.mark.parametrize("text", ["[1, 2", "!!int 3", "&a [*a]", "012", ".nan", "a\nb: 1"])
def test_invalid_yaml_value_has_a_location(text: str) -> None:
    """It is shown as a mistake in a file is, under the name of the setting."""
    with pytest.raises(BlueprintError) as caught:
        parse_assignments([f"x={text}"], Limits())
    span = caught.value.diagnostics[0].span
    assert span is not None
    assert span.source.name == "--set x"


def test_limits_replace_defaults() -> None:
    """Those that are not named stay."""
    assert parse_limits(["expanded_steps=5", "depth=9"]) == Limits(expanded_steps=5, depth=9)


@pytest.mark.parametrize(
    "text", ["depth=many", "depth=-1", "depth=", "depth=1.5", "depth=" + "9" * 30]
)
def test_limit_must_be_an_integer(text: str) -> None:
    """Everything else is told with the name of the limit."""
    with pytest.raises(UsageError, match="--limit depth must be an integer"):
        parse_limits([text])


@pytest.mark.parametrize(
    "text", ["depth=5000", "block_depth=65", "import_depth=1000", "integer_digits=4301"]
)
def test_limit_has_a_maximum(text: str) -> None:
    """What Python's stack and integers cannot hold is rejected with the largest value."""
    with pytest.raises(UsageError, match=r"the limit '\w+' cannot be \d+; its maximum is \d+"):
        parse_limits([text])


def test_unknown_limit_lists_limits() -> None:
    """The message lists them."""
    with pytest.raises(UsageError, match="steps"):
        parse_limits(["stps=3"])
