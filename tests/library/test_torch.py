"""SqueezeNet, GoogLeNet, U-Net and the Transformer's encoder against PyTorch."""

from __future__ import annotations

import pytest
from library.torch_proof import (
    FULL,
    PYTHON,
    RECORDED,
    SMALL,
    Case,
    read_recorded,
    run_ours,
    run_torch,
)
from library.weights import relative_error


@pytest.mark.parametrize("name", SMALL)
def test_small_forms(name: str) -> None:
    """They give what PyTorch gave when it was recorded."""
    outputs = run_ours(SMALL[name]).outputs
    errors = [
        relative_error(given, expected)
        for given, expected in zip(outputs, read_recorded(name), strict=True)
    ]
    assert max(errors) < 1e-5


@pytest.mark.proof
@pytest.mark.parametrize(
    "case",
    [*SMALL.values(), *FULL.values()],
    ids=[*(f"small {name}" for name in SMALL), *(f"full {name}" for name in FULL)],
)
def test_every_form(case: Case) -> None:
    """Small and at full size, they give what PyTorch gives."""
    assert PYTHON.exists(), "'make proofs' makes the environment with PyTorch"
    ours = run_ours(case)
    expected = run_torch(case, ours)
    errors = [
        relative_error(given, wanted) for given, wanted in zip(ours.outputs, expected, strict=True)
    ]
    assert max(errors) < 1e-5


def test_recorded_numbers_are_few() -> None:
    """They are small enough for a repository."""
    assert RECORDED.stat().st_size < 100_000
