"""Numbers on the command line: digits from 0 to 9, within bounds."""

from __future__ import annotations

import click
import pytest

from archbuilder.cli.numbers import StrictFloatRange, StrictIntRange


@pytest.mark.parametrize("text", ["\u0663", "\uff13", "1_0", "1.5", "0x10", "ten", "", "9" * 5000])
def test_invalid_integers(text: str):
    """Python's `int` takes the first three."""
    with pytest.raises(click.BadParameter, match="must be an integer"):
        StrictIntRange(0).convert(text, None, None)


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "\u0663.5", "1_0.0", "half"])
def test_invalid_floats(text: str):
    """Python's `float` takes all but the last."""
    with pytest.raises(click.BadParameter, match="must be a number"):
        StrictFloatRange(0).convert(text, None, None)


def test_number_bounds():
    """The message names the bound."""
    assert StrictIntRange(0).convert("+7", None, None) == 7
    assert StrictFloatRange(0).convert(".5e1", None, None) == 5.0
    with pytest.raises(click.BadParameter, match="must be at least 0, not -1"):
        StrictIntRange(0).convert("-1", None, None)
