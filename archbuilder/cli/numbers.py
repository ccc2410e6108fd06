"""Number types of options that are stricter than click's.

click uses `int` and `float`, which accept `1_0`, `nan`, and digits of all scripts.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import click

from archbuilder.diagnostics.errors import quote

_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,20}")
_DECIMAL: Final = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?")


# Not click's IntRange and FloatRange, which add "1<=x<=1000000" to the help.
class _StrictRange(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A number within bounds, in ASCII digits."""

    name = "number"
    description = "a number"

    def __init__(self, minimum: float, maximum: float | None = None) -> None:
        self._minimum = minimum
        self._maximum = maximum

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert the value of an option, or fail with a message."""
        # A default is a number already.
        number = self._parse(value.strip()) if isinstance(value, str) else value
        if number is None:
            self.fail(f"{quote(value)} is not {self.description}", param, ctx)
        if number < self._minimum or (self._maximum is not None and number > self._maximum):
            bounds = f"at least {self._minimum}"
            if self._maximum is not None:
                bounds = f"from {self._minimum} to {self._maximum}"
            self.fail(f"must be {bounds}, not {number}", param, ctx)
        return number

    def _parse(self, text: str) -> float | None:
        raise NotImplementedError


class StrictIntRange(_StrictRange):
    """An integer within bounds, in ASCII digits."""

    description = "an integer"

    def _parse(self, text: str) -> int | None:
        return int(text) if _INTEGER.fullmatch(text) else None


class StrictFloatRange(_StrictRange):
    """A finite number within bounds, in ASCII digits."""

    def _parse(self, text: str) -> float | None:
        number = float(text) if _DECIMAL.fullmatch(text) else math.inf
        return number if math.isfinite(number) else None
