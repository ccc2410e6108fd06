"""How many operations a second GPUs can do at the most."""

from __future__ import annotations

_BFLOAT16 = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "RTX 4090": 165e12,
}
"""Dense bfloat16 operations a second, from the makers' data sheets (H100 and H200: SXM)."""


def peak_of(device: str) -> float | None:
    """The peak of a GPU by what it calls itself; None of those that are not in the table."""
    return next((rate for part, rate in _BFLOAT16.items() if part in device), None)
