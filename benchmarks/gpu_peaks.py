"""Peak arithmetic throughput of GPUs."""

from __future__ import annotations

_BFLOAT16 = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "RTX 4090": 165e12,
}
"""Dense bfloat16 operations per second, from the vendors' data sheets (H100 and H200: SXM)."""


def peak_of(device: str) -> float | None:
    """Return the peak of a GPU by its device name, or None if it is not in the table."""
    return next((peak for model, peak in _BFLOAT16.items() if model in device), None)
