"""Number options, stricter than click's: Python takes `1_0`, `nan` and digits of all scripts."""

from __future__ import annotations

import math
import re
from typing import Any, Final

import click

from archbuilder.diagnostics.errors import quote

_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,20}")
_DECIMAL: Final = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?")


class StrictIntRange(click.IntRange):
    """A whole number within bounds, in digits from 0 to 9."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail with the reason."""
        if isinstance(value, str) and not _INTEGER.fullmatch(value.strip()):
            self.fail(f"{quote(value)} is not a whole number.", param, ctx)
        return int(super().convert(value, param, ctx))


class StrictFloatRange(click.FloatRange):
    """A finite number within bounds, in digits from 0 to 9."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number, or fail with the reason."""
        # NaN is within every range: it is neither below the minimum nor above the maximum.
        if isinstance(value, str) and not (
            _DECIMAL.fullmatch(value.strip()) and math.isfinite(float(value))
        ):
            self.fail(f"{quote(value)} is not a number.", param, ctx)
        return float(super().convert(value, param, ctx))
