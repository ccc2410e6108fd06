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
def test_time(text: str, expected: int):
    """A time has any of the six formats of `sbatch --time`."""
    assert parse_slurm_time(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1-25:00:00", "25 hours in '1-25:00:00'; after days they are 0 to 23.* is 2-01:00:00$"),
        ("1-24", "24 hours"),
        ("1-12:60", "60 minutes"),
        ("12:75:00", "75 minutes in '12:75:00'; after hours they are 0 to 59.* is 0-13:15:00$"),
        ("12:00:60", "60 seconds"),
        ("90:60", "60 seconds in '90:60'; after minutes"),
        ("0", "longer than '0'"),
        ("0-00:00:00", "longer than"),
        ("12:", "--time is like"),
        ("1-", "--time is like"),
        ("-12", "--time is like"),
        ("1:2:3:4", "--time is like"),
        ("1-1:2:3:4", "--time is like"),
        ("12h", "--time is like"),
        ("12\n", "--time is like"),
        ("99999999999", "--time is like"),
    ],
)
def test_wrong_time(text: str, message: str):
    """A number out of its range is named with its unit, and the same time is written correctly."""
    with pytest.raises(UsageError, match=message):
        parse_slurm_time(text)
