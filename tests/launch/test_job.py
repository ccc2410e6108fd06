"""Jobs: what their values mean, and which of them are refused."""

from __future__ import annotations

import pytest

from archbuilder.diagnostics.errors import UsageError
from archbuilder.launch.job import parse_slurm_time

MINUTE, HOUR, DAY = 60, 3_600, 86_400


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90 * MINUTE),
        ("90:30", 90 * MINUTE + 30),
        ("100:00:00", 100 * HOUR),
        ("0:30:00", 30 * MINUTE),
        ("2-12", 2 * DAY + 12 * HOUR),
        ("2-12:30", 2 * DAY + 12 * HOUR + 30 * MINUTE),
        ("1-23:59:59", 2 * DAY - 1),
        ("0-1", HOUR),
    ],
)
def test_slurm_time_formats(text: str, expected: int):
    """A time has any of the six formats of `sbatch --time`."""
    assert parse_slurm_time(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "1-25:00:00",
            "'1-25:00:00' has 25 hours, but at most 23 can follow days; write 2-01:00:00$",
        ),
        ("1-24", "24 hours"),
        ("1-12:60", "60 minutes"),
        (
            "12:75:00",
            "'12:75:00' has 75 minutes, but at most 59 can follow hours; write 0-13:15:00$",
        ),
        ("12:00:60", "60 seconds"),
        ("90:60", "'90:60' has 60 seconds, but at most 59 can follow minutes"),
        ("0", "must not be zero, as in '0'"),
        ("0-00:00:00", "must not be zero"),
        ("12:", "--time must be as in"),
        ("1-", "--time must be as in"),
        ("-12", "--time must be as in"),
        ("1:2:3:4", "--time must be as in"),
        ("1-1:2:3:4", "--time must be as in"),
        ("12h", "--time must be as in"),
        ("12\n", "--time must be as in"),
        ("99999999999", "--time must be as in"),
    ],
)
def test_invalid_slurm_time(text: str, message: str):
    """A number out of its range is named with its unit, and the same time is written correctly."""
    with pytest.raises(UsageError, match=message):
        parse_slurm_time(text)
