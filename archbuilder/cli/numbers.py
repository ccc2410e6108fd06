"""Number types of options that are stricter than click's.

click uses `int` and `float`, which accept `1_0`, `nan`, and digits of all scripts.
"""

from __future__ import annotations

import math
import re
from typing import Any

import click

from archbuilder.diagnostics.errors import quote


# Not click's IntRange and FloatRange, which add "1<=x<=1000000" to the help.
class _StrictRange(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A number within bounds, in ASCII digits."""

    name = "number"
    description: str
    pattern: re.Pattern[str]
    number_type: type[int | float]

    def __init__(self, minimum: float, maximum: float | None = None) -> None:
        self._minimum = minimum
        self._maximum = maximum

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert the value of an option, or fail with a message."""
        # A default is a number already.
        number = value
        if isinstance(value, str):
            text = value.strip()
            number = self.number_type(text) if self.pattern.fullmatch(text) else math.inf
        # "1e999" is infinite too.
        if not math.isfinite(number):
            self.fail(f"must be {self.description}, not {quote(value)}", param, ctx)
        if number < self._minimum or (self._maximum is not None and number > self._maximum):
            bounds = f"at least {self._minimum:,}"
            if self._maximum is not None:
                bounds = f"from {self._minimum:,} to {self._maximum:,}"
            self.fail(f"must be {bounds}, not {number:,}", param, ctx)
        return number


class StrictIntRange(_StrictRange):
    """An integer within bounds, in ASCII digits."""

    description = "an integer"
    pattern = re.compile(r"[-+]?[0-9]{1,20}")
    number_type = int


class StrictFloatRange(_StrictRange):
    """A finite number within bounds, in ASCII digits."""

    description = "a number"
    pattern = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?")
    number_type = float
