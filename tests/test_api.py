"""The Python interface: `archbuilder.load` and what a blueprint can do."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.blueprints import write

import archbuilder
from archbuilder import BlueprintError, Limits, UsageError, zoo

TEXT = """
params:
  classes: 10
  widths: {type: array, items: {type: integer, minimum: 1}, default: [8, 4]}
  bias: true
  rate: {type: number, minimum: 0, default: 0.0}
variants:
  small: {widths: [2]}
  smaller: {widths: [1], classes: 2}
inputs: {x: [6]}
layers:
  - for: {width: $widths}
    layers: [{Dense: {units: $width, use_bias: $bias, activation: relu}}, {Dropout: $rate}]
  - Dense: $classes
"""
NETWORKS = """
networks:
  writer: {inputs: {noise: [3]}, layers: [{Dense: 4}]}
  reader: {inputs: {text: [4]}, layers: [{Dense: 1}]}
"""


def parameters(blueprint: archbuilder.Blueprint, **params: object) -> int:
    """The number of parameters with these values."""
    (analysis,) = blueprint.analyze(**params).values()
    return analysis.parameters


def test_parameter_precedence(tmp_path: Path) -> None:
    """Each takes the place of the one behind it, parameter by parameter."""
    blueprint = archbuilder.load(write(tmp_path, TEXT))
    assert parameters(blueprint) == 6 * 8 + 8 + 8 * 4 + 4 + 4 * 10 + 10
    assert parameters(blueprint, variant="smaller") == 6 + 1 + 2 + 2
    assert parameters(blueprint, variant="smaller", classes=3) == 6 + 1 + 3 + 3
    assert parameters(blueprint, variant="small", bias=False) == 6 * 2 + 2 * 10 + 10
    assert parameters(blueprint, widths=(5,)) == 6 * 5 + 5 + 5 * 10 + 10


def test_variant_after_a_colon(tmp_path: Path) -> None:
    """`net.yaml:small` is `small` wherever no other variant is named."""
    path = write(tmp_path, TEXT)
    blueprint = archbuilder.load(f"{path}:smaller")
    assert blueprint.variant == "smaller"
    assert parameters(blueprint) == 11
    assert parameters(blueprint, variant="small") == 6 * 2 + 2 + 2 * 10 + 10


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"clases": 3}, "unknown-parameter"),
        ({"variant": "huge"}, "unknown-variant"),
        ({"widths": [0]}, "out-of-range"),
        ({"widths": [True]}, "type-mismatch"),
        ({"widths": 8}, "type-mismatch"),
        ({"classes": 2.5}, "type-mismatch"),
        ({"classes": "ten"}, "type-mismatch"),
        ({"rate": 2}, "out-of-range"),
    ],
    ids=str,
)
def test_invalid_parameters(tmp_path: Path, params: dict[str, object], code: str) -> None:
    """What is given from Python is judged as what stands in a file."""
    blueprint = archbuilder.load(write(tmp_path, TEXT))
    with pytest.raises(BlueprintError) as caught:
        blueprint.validate(**params)
    assert [each.code for each in caught.value.diagnostics] == [code]


@pytest.mark.parametrize("value", [{1}, {"a": 1}, b"x", np.float32(1), [{1}]], ids=repr)
def test_parameters_must_be_plain_values(tmp_path: Path, value: object) -> None:
    """Anything else is the mistake of a program, not of a blueprint."""
    blueprint = archbuilder.load(write(tmp_path, TEXT))
    with pytest.raises(UsageError, match="a number, a string"):
        blueprint.compile(rate=value)


def test_strings_from_python_are_not_expressions(tmp_path: Path) -> None:
    """Neither is what a program passes on from its own users."""
    text = "params: {word: relu}\ninputs: {x: [4]}\nlayers: [{Activation: $word}]"
    blueprint = archbuilder.load(write(tmp_path, text))
    assert parameters(blueprint, word="tanh") == 0
    with pytest.raises(BlueprintError) as caught:
        blueprint.compile(word="$('ta' + 'nh')")
    assert "tanh" not in str(caught.value.diagnostics[0].message)


def test_compile_returns_a_model_or_a_dictionary(tmp_path: Path) -> None:
    """By the names of the networks."""
    single = archbuilder.load(write(tmp_path, TEXT)).compile()
    assert isinstance(single, keras.Model)
    models = archbuilder.load(write(tmp_path, NETWORKS, "pair.yaml")).compile()
    assert isinstance(models, dict)
    assert {name: model.output_shape for name, model in models.items()} == {
        "writer": (None, 4),
        "reader": (None, 1),
    }


def test_compiling_twice_gives_two_models(tmp_path: Path) -> None:
    """They share no weights, and with the same seed they are equal."""
    blueprint = archbuilder.load(write(tmp_path, TEXT))
    models = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        model = blueprint.compile()
        assert isinstance(model, keras.Model)
        models.append(model)
    first, second = models
    x = np.ones((2, 6), "float32")
    np.testing.assert_array_equal(first(x), second(x))
    first.layers[1].kernel.assign(first.layers[1].kernel * 2)
    assert not np.array_equal(first(x), second(x))


def test_the_expanded_blueprint_is_the_same_model(tmp_path: Path) -> None:
    """With the same seed also the same weights."""
    blueprint = archbuilder.load(write(tmp_path, TEXT))
    expanded = archbuilder.load(write(tmp_path, blueprint.expand(classes=7), "expanded.yaml"))
    outputs = []
    for model in (lambda: blueprint.compile(classes=7), expanded.compile):
        keras.utils.set_random_seed(3)
        outputs.append(np.asarray(model()(np.ones((2, 6), "float32"))))  # type: ignore[operator]
    np.testing.assert_array_equal(*outputs)


def test_limits_hold_for_later_calls(tmp_path: Path) -> None:
    """Also for what is done later."""
    path = write(tmp_path, TEXT)
    blueprint = archbuilder.load(path, limits=Limits(expanded_steps=4))
    with pytest.raises(BlueprintError, match="steps"):
        blueprint.validate()
    blueprint = archbuilder.load(path, limits=Limits(memory_bytes=100))
    assert blueprint.validate() == ()
    with pytest.raises(BlueprintError, match="memory"):
        blueprint.compile()


def test_load_from_the_library() -> None:
    """With a variant behind a colon."""
    assert archbuilder.load("vgg:11").variant == "11"


@pytest.mark.parametrize("ending", ["", ".yaml"])
def test_a_colon_without_a_variant(tmp_path: Path, ending: str) -> None:
    """It does not stand for the default, unless it belongs to the name of a file."""
    with pytest.raises(UsageError, match="variant is missing after the colon"):
        archbuilder.load(f"vgg{ending}:")
    path = tmp_path / "net.yaml"
    path.write_text(zoo.path("vgg").read_text())
    with pytest.raises(UsageError, match="variant is missing after the colon"):
        archbuilder.load(f"{path}:")
    path.rename(f"{path}:")
    assert archbuilder.load(f"{path}:").name == "vgg"
    with pytest.raises(UsageError, match="did you mean 'resnet'"):
        archbuilder.load("resnett")
    with pytest.raises(UsageError, match="not an empty string"):
        archbuilder.load("")
    with pytest.raises(UsageError, match="there is no file"):
        archbuilder.load("nets/resnet")
