"""Dates and times, and their parts as numbers. Times with an offset are converted to UTC."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archbuilder.config.sources.features import DatePart
from archbuilder.diagnostics.errors import RunError, quote

Dates: TypeAlias = NDArray[np.datetime64]
"""Dates with the precision of a microsecond, and NaT for missing ones."""
DATE_DTYPE: Final = np.dtype("datetime64[us]")
_SECOND: Final = 1_000_000
_FIRST_WEEKDAY: Final = 3
"""The first day of 1970 was a Thursday; a week begins with Monday, as in Python."""


def parse_date(text: str) -> np.datetime64:
    """Return the date or time in ISO 8601.

    Raises:
        ValueError: if it is none.
    """
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        # Within a day of the first or the last year.
        except OverflowError as error:
            raise ValueError(text) from error
    return np.datetime64(moment, "us")


def not_a_date_error(prefix: str) -> RunError:
    """Return the error for a value that `parse_date` rejects; `prefix` begins its message."""
    return RunError(f"{prefix}, not a date as {quote('2024-01-31')} or {quote('2024-01-31T23:59')}")


def date_parts(dates: Dates, parts: Sequence[DatePart]) -> NDArray[np.float64]:
    """Return the parts of dates, of the shape `(dates, parts)`, with NaN for missing dates."""
    values = np.stack([_PARTS[each](dates).astype(np.float64) for each in parts], axis=1)
    values[np.isnat(dates)] = np.nan
    return values


def _days(dates: Dates) -> NDArray[np.int64]:
    return dates.astype("datetime64[D]").astype(np.int64)


def _days_since(unit: str) -> Callable[[Dates], NDArray[np.int64]]:
    """Return the function that counts days from 1 within a month or a year."""

    def count(dates: Dates) -> NDArray[np.int64]:
        return _days(dates) - _days(dates.astype(f"datetime64[{unit}]")) + 1

    return count


def _cycle(seconds: int, length: int) -> Callable[[Dates], NDArray[np.float64]]:
    """Return the function that gives the number of units of `seconds` within a cycle of them."""

    def count(dates: Dates) -> NDArray[np.float64]:
        units = dates.astype(np.int64) // (seconds * _SECOND)
        return (units % length).astype(np.float64)

    return count


_PARTS: Final[Mapping[DatePart, Callable[[Dates], NDArray[np.int64] | NDArray[np.float64]]]] = {
    "year": lambda dates: dates.astype("datetime64[Y]").astype(np.int64) + 1970,
    "month": lambda dates: dates.astype("datetime64[M]").astype(np.int64) % 12 + 1,
    "day": _days_since("M"),
    "weekday": lambda dates: (_days(dates) + _FIRST_WEEKDAY) % 7,
    "hour": _cycle(3600, 24),
    "minute": _cycle(60, 60),
    "second": lambda dates: dates.astype(np.int64) % (60 * _SECOND) / _SECOND,
    "day_of_year": _days_since("Y"),
    "timestamp": lambda dates: dates.astype(np.int64) / _SECOND,
}
