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


class StrictIntRange(click.IntRange):
    """An integer within bounds, in ASCII digits."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Convert the value of an option, or fail with a message."""
        # A default is an int already.
        if isinstance(value, str) and not _INTEGER.fullmatch(value.strip()):
            self.fail(f"{quote(value)} is not a whole number.", param, ctx)
        return int(super().convert(value, param, ctx))


class StrictFloatRange(click.FloatRange):
    """A finite number within bounds, in ASCII digits."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Convert the value of an option, or fail with a message."""
        # click lets NaN pass every range: it is neither below the minimum nor above the maximum.
        if isinstance(value, str) and not (
            _DECIMAL.fullmatch(value.strip()) and math.isfinite(float(value))
        ):
            self.fail(f"{quote(value)} is not a number.", param, ctx)
        return float(super().convert(value, param, ctx))
