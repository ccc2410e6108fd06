"""Blueprints as new users write them, and the sentence that helps them."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.blueprints import write

import archbuilder
from archbuilder.diagnostics.errors import BlueprintError, Diagnostic

HEAD = "params: {filters: 8}\ninputs: {image: [28, 28, 1]}\n"


def mistakes(folder: Path, text: str) -> tuple[Diagnostic, ...]:
    """The errors of a blueprint."""
    with pytest.raises(BlueprintError) as caught:
        archbuilder.load(write(folder, text)).validate()
    return tuple(each for each in caught.value.diagnostics if each.severity == "error")


@pytest.mark.parametrize(
    ("step", "hint"),
    [
        # PyTorch
        ("nn.Conv2d: [3, 64]", "write the name of the layer alone: Conv2D"),
        ("nn.AdaptiveAvgPool2d: 1", "write 'GlobalAveragePooling2D'"),
        ("Conv2D: {in_channels: 1, filters: 8, kernel_size: 3}", "from the shape of the input"),
        ("Conv2D: {filters: 8, kernel_size: 3, padding: 1}", "a layer such as ZeroPadding2D"),
        ("Conv2D: {out_channels: 8, kernel_size: 3}", "did you mean 'filters'?"),
        ("ReLU: {inplace: true}", "leave it out"),
        # Keras
        ("Conv2D: {filters: 8, kernel_size: 3, input_shape: [28, 28, 1]}", "under 'inputs'"),
        ("Input: {shape: [28, 28, 1]}", "inputs are declared under 'inputs'"),
        ("Conv2D: {filters: 8, kernel_size: 3, name: a}", "write the name beside the layer"),
        ("Dense: {units: 4, from: image}", "write it beside the layer: {Dense: ..., from: ...}"),
        ("Concatenate: [a, b]", "inputs are under 'from', as in {Concatenate: , from: [a, b]}"),
        ("BatchNorm", "write 'BatchNormalization'"),
        ("Lambda: x", "write a formula"),
        # Expressions of other tools
        ("Dense: filters", "to use a parameter, write $filters"),
        ("Dense: '{{ filters }}'", "to use a parameter, write $filters"),
        ("Dense: $filter", "did you mean 'filters'?"),
        # Keys of a step
        ("{Dense: 4, if: $(filters > 4)}", "write 'when: CONDITION'"),
        ("{Dense: 4, when: $filters}", "compare the value"),
        ("{Dense: 4, input: image}", "write 'from: NAME'"),
        ("{Dense: 4, from: -1}", "the step before is 'previous'"),
        ("{Dense: 4, for: i in range(3)}", "write 'repeat: 3'"),
        ("{Dense: 4, for: {n: 3}}", "write 'repeat: 3'"),
        ("{Dense: 4, times: 3}", "write 'repeat: 3'"),
    ],
)
def test_hints_of_steps(tmp_path: Path, step: str, hint: str):
    """There is one error, and it says what to type."""
    (diagnostic,) = mistakes(tmp_path, f"{HEAD}layers:\n  - {step}\n")
    assert hint in " ".join([diagnostic.message, diagnostic.label, *diagnostic.notes])


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("layers: [Dense: 4]\ncompile: {loss: mse}\n", "under 'training'"),
        ("layers: [b]\nblocks: {b: {layers: [{Dense: $units}]}}\n", "params: {units: }"),
        ("layers: [{b: {units: 4}}]\nblocks: {b: {layers: [ReLU]}}\n", "params: {units: }"),
        ("layers: [Dense: 4]\nblocks: {ResBlock: {layers: [ReLU]}}\n", "'res_block'"),
        ("layers: [Dense: 4]\ntitle: Net: the second\n", "put a text that contains ': ' in quotes"),
        (
            "layers: [b]\nblocks: {b: {layers: [Dense: 1, {Add: , from: [previous, image]}]}}\n",
            "a block sees its own inputs and steps alone",
        ),
        (
            "layers: [b, b]\nblocks: {b: {layers: [{Dense: 1, name: d}], outputs: [d, input]}}\n",
            "select outputs of the step before, such as from: previous.d",
        ),
    ],
)
def test_hints_of_files(tmp_path: Path, text: str, hint: str):
    """There is one error, and it says what to type."""
    (diagnostic,) = mistakes(tmp_path, HEAD + text)
    assert hint in " ".join([diagnostic.message, diagnostic.label, *diagnostic.notes])
