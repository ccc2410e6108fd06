"""Functions of `keras.ops`: constants for either input, pairs, and several tensors in a row."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.blueprints import error_codes, write

import archbuilder
from archbuilder import registry
from archbuilder.diagnostics.errors import BlueprintError

NUMBERS = np.array([[0.5, 1.0, 2.0]], "float32")

BINARY = [
    signature.name
    for signature in registry.load().operations.values()
    if {"x1", "x2"} <= set(signature.arguments) and signature.name != "ops.where"
]
OTHERWISE: dict[str, Callable[..., object]] = {
    "divide_no_nan": np.divide,
    "isclose": np.isclose,
}
"""What numpy calls another way, or has no function of two arrays for."""


def compiled(folder: Path, text: str) -> keras.Model:
    """The model of a blueprint."""
    model = archbuilder.load(write(folder, text)).compile()
    assert isinstance(model, keras.Model)
    return model


@pytest.mark.parametrize("operation", BINARY)
def test_constant_operands(tmp_path: Path, operation: str):
    """A number stands for the first or the second input; so it does in the saved model."""
    name = operation.removeprefix("ops.")
    function = OTHERWISE.get(name) or getattr(np, name)
    head = f"inputs: {{x: [3]}}\nlayers:\n  - {operation}: "
    left = compiled(tmp_path, f"{head}{{x1: 2.0}}\n")
    right = compiled(tmp_path, f"{head}{{x2: 2.0}}\n")
    for model in (left, keras.models.model_from_json(left.to_json())):
        assert np.allclose(model(NUMBERS), function(np.float32(2), NUMBERS), rtol=1e-6)
    assert np.allclose(right(NUMBERS), function(NUMBERS, np.float32(2)), rtol=1e-6)


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("- ops.subtract", "invalid-inputs 5:5"),
        ("- ops.subtract: 1", "unknown-argument 5:19"),
        ("- ops.subtract: {x1: 1, x2: 2}", "invalid-inputs 5:5"),
        ("- {ops.subtract: {x1: 1}, from: {x1: x}}", "invalid-inputs 5:6"),
        ("- ops.where: {x1: 1}", "invalid-inputs 5:5"),
        ("- {ops.fft2: , from: {x: x}}", "invalid-inputs 5:6"),
        ("- ops.einsum: 'bi,bj'", "out-of-range 5:17"),
    ],
)
def test_missing_operands(tmp_path: Path, step: str, code: str):
    """An input without a tensor or a number, and one with both, are mistakes at the step."""
    text = f"inputs: {{x: [3]}}\nlayers:\n  {step}\n"
    path = write(tmp_path, text)
    with pytest.raises(BlueprintError) as caught:
        archbuilder.load(path).analyze()
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.span is not None
    assert f"{diagnostic.code} {diagnostic.span.line}:{diagnostic.span.column}" == code
    assert error_codes(tmp_path, text.replace(step, "- ops.subtract: {x1: 1}")) == []


def test_complex_numbers(tmp_path: Path):
    """Their functions take a real and an imaginary part, and give both to the next step."""
    model = compiled(
        tmp_path,
        """
inputs: {re: [4, 4], im: [4, 4]}
layers:
  - {ops.fft2: , from: [re, im], name: frequencies}
  - ops.ifft2
  - {ops.rfft: , from: re, name: half}
  - {ops.irfft: {fft_length: 4}, name: whole}
outputs: {frequencies: frequencies.1, whole: whole}
""",
    )
    values = np.random.default_rng(0).normal(size=(2, 2, 4, 4)).astype("float32")
    output = model({"re": values[0], "im": values[1]})
    assert np.allclose(output["whole"], values[0], atol=1e-5)
    expected = np.fft.fft2(values[0] + 1j * values[1]).imag
    assert np.allclose(output["frequencies"], expected, atol=1e-4)


def test_einsum(tmp_path: Path):
    """Its tensors stand one after the other."""
    text = """
inputs: {a: [3, 4], b: [4, 5]}
layers:
  - {ops.einsum: 'bij,bjk->bik', from: [a, b]}
"""
    model = compiled(tmp_path, text)
    a, b = (np.random.default_rng(0).normal(size=(2, *shape)) for shape in ((3, 4), (4, 5)))
    output = model({"a": a.astype("float32"), "b": b.astype("float32")})
    assert np.allclose(output, a @ b, atol=1e-5)
    with pytest.raises(BlueprintError, match="shape-mismatch"):
        archbuilder.load(write(tmp_path, text.replace("bij,bjk->bik", "bij->bji"))).analyze()
    assert math.prod(model.output_shape[1:]) == 15
