"""Errors in the sections of a recipe that only a variant has."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.blueprints import write

import archbuilder
from archbuilder.config import read_recipe
from archbuilder.diagnostics.errors import BlueprintError

TEXT = """
params: {epochs: 3, divisor: 2, seed: {type: integer, default: 1}}
inputs: {x: [4]}
layers: [Dense: 3]
data: {npz: {file: x.npz, divide_by: $divisor}}
training: {epochs: $epochs, loss: mse, seed: $(10 // seed)}
variants:
  short: {epochs: 0}
  negative: {divisor: -1}
  zero: {seed: 0}
"""


@pytest.mark.parametrize(
    ("variant", "code", "line", "declared"),
    [
        ("short", "out-of-range", 7, 9),
        ("negative", "out-of-range", 6, 10),
        ("zero", "expression-error", 7, 11),
    ],
)
def test_errors_name_the_variant(tmp_path: Path, variant: str, code: str, line: int, declared: int):
    """The value is in the variant, the error where it is used."""
    blueprint = archbuilder.load(write(tmp_path, TEXT))
    assert read_recipe(blueprint).training is not None
    with pytest.raises(BlueprintError) as caught:
        read_recipe(blueprint, variant=variant)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.frame is not None
    assert (diagnostic.code, diagnostic.location[1]) == (code, line)
    assert (diagnostic.frame.name, diagnostic.frame.span.line) == (variant, declared)
    assert str(caught.value).endswith(f", in variant '{variant}'")


def test_missing_parameters_name_the_variant(tmp_path: Path):
    """A variant has to give what has no default."""
    text = "params: {units: , rate: 1}\ninputs: {x: [4]}\nlayers: [Dense: $units, Dropout: 0]\n"
    text = text.replace("Dropout: 0", "Dense: $rate") + "variants: {wide: {rate: 2}}\n"
    with pytest.raises(BlueprintError) as caught:
        archbuilder.load(write(tmp_path, text)).validate()
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.frame is not None
    assert (diagnostic.code, diagnostic.frame.name) == ("missing-parameter", "wide")
