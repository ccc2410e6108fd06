"""The setting `optimizer`: for a network, and for parts of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from config.test_callbacks import GAN, error, parse
from config.test_initial_weights import NET

from archbuilder.compiler.keras_object import KerasObject


def test_forms(tmp_path: Path):
    """An optimizer, or optimizers by patterns of layers, in the order of the file."""

    def classes(value: str, text: str = NET) -> dict[str, str]:
        objective = parse(tmp_path, f"{text}  optimizer: {value}\n").objective
        return {name: each.class_name for name, each in objective.optimizers.items()}

    assert classes("sgd") == {"": "SGD"}
    assert classes("{Adam: {learning_rate: {Noam: {model_size: 4}}}}") == {"": "Adam"}
    assert classes("{head: sgd, backbone.*: {Adam: 1e-5}}") == {"head": "SGD", "backbone.*": "Adam"}
    by_network = "{discriminator: {dense0: sgd}, generator: {Lion: 0.1}}"
    assert classes(by_network, GAN) == {"generator": "Lion", "discriminator.dense0": "SGD"}
    assert classes("{discriminator: sgd}", GAN) == {"generator": "Adam", "discriminator": "SGD"}
    weight_decay = "{AdamW: {exclude_from_weight_decay: [bias, '*norm*']}}"
    (optimizer,) = parse(
        tmp_path, f"{NET}  optimizer: {weight_decay}\n"
    ).objective.optimizers.values()
    assert isinstance(optimizer, KerasObject)
    assert optimizer.argument("exclude_from_weight_decay") == ["bias", "*norm*"]
    assert optimizer.without_argument("exclude_from_weight_decay").arguments == {}


UPDATES = """archbuilder: 1
name: net
params: {rate: 0.5}
inputs: {x: [64]}
layers: [Dense: 4]
data: digits
training:
  objective:
    inputs: [x]
    layers: [{net: , from: x, name: value}]
    updates:
      first: {minimize: value, optimizer: {SGD: $rate}}
      second: {minimize: value}
"""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", {"first": "SGD", "second": "Adam"}),
        ("  optimizer: {second: Lion}\n", {"first": "SGD", "second": "Lion"}),
        ("  optimizer: {first: Lion}\n", {"first": "Lion", "second": "Adam"}),
        ("  optimizer: {Lion: 0.1}\n", {"first": "Lion", "second": "Lion"}),
    ],
)
def test_optimizers_of_updates(tmp_path: Path, value: str, expected: dict[str, str]):
    """An update has the optimizer of the recipe, or else that of the objective, or else Adam."""
    objective = parse(tmp_path, UPDATES + value).objective
    assert {name: each.class_name for name, each in objective.optimizers.items()} == expected
    first = objective.optimizers["first"]
    assert first.arguments == {"SGD": 0.5, "Lion": first.arguments}[first.class_name]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (f"{UPDATES}  optimizer: {{frist: {{Adam: 1}}}}\n", 14, "'optimizer' has no key 'frist'"),
        (f"{UPDATES}  optimizer: {{Adm: 1e-3}}\n", 14, "there is no optimizer 'Adm'"),
        (UPDATES.replace("{SGD: $rate}", "SDG"), 12, "there is no optimizer 'SDG'"),
        (UPDATES.replace("$rate", "$rates"), 12, "there is no parameter 'rates'"),
    ],
)
def test_wrong_optimizers_of_updates(tmp_path: Path, text: str, line: int, message: str):
    """Errors are where the optimizer is written, in the recipe or in the objective."""
    diagnostic = error(tmp_path, text)
    assert diagnostic.message.startswith(message)
    assert diagnostic.span is not None
    assert diagnostic.span.line == line


@pytest.mark.parametrize(
    ("value", "arguments"),
    [
        ("{rate: 0.1, layers: [head]}", [{"learning_rate": 1e-4}, None]),
        ("{rate: 0.1, layers: head, optimizer: {SGD: 0.5}}", [{"learning_rate": 0.05}, 0.5]),
        (
            '{rate: 0.5, layers: [head, "*"], optimizer: SGD}',
            [{"learning_rate": 0.0025}, {"learning_rate": 0.005}],
        ),
        (
            "{rate: 0.5, layers: [head], optimizer: {SGD: {learning_rate: {Noam: 4}}}}",
            [
                {"learning_rate": {"Scaled": {"schedule": {"Noam": 4}, "factor": 0.5}}},
                {"learning_rate": {"Noam": 4}},
            ],
        ),
    ],
)
def test_layer_decay(tmp_path: Path, value: str, arguments: list[object]):
    """A rate may be a default, a bare value or a schedule, and fall for all layers."""
    config = parse(tmp_path, f"{NET}  optimizer: {{layer_decay: {value}}}\n").objective
    assert [*config.optimizers] == ["head", "*"]
    assert [each.arguments for each in config.optimizers.values()] == arguments


@pytest.mark.parametrize(
    ("optimizer", "code", "message"),
    [
        ("{layer_decay: {rate: 0.5, layers: [bock]}}", "unknown-name", "matches 'bock'"),
        ("{layer_decay: {rate: 2, layers: [head]}}", "out-of-range", "'rate'"),
        ("{layer_decay: {layers: [head]}}", "missing-key", "'rate'"),
        (
            "{layer_decay: {rate: 0.5, layers: [head]}, head: sgd}",
            "invalid-structure",
            "'layer_decay' stands alone",
        ),
        (
            "{layer_decay: {rate: 0.5, layers: [backbone, backbone.dense1]}}",
            "invalid-structure",
            "earlier patterns match all layers",
        ),
        ("{layer_decay: 3}", "invalid-structure", "must be a mapping"),
        (
            "{haed: {Adam: 1e-3}, '*': sgd}",
            "unknown-name",
            "no layer of the network matches 'haed'",
        ),
        ("{head: {Adm: 1e-3}, '*': sgd}", "unknown-keras-object", "there is no optimizer 'Adm'"),
        ("{head: {Adam: {rate: 1}}}", "unknown-argument", "Adam has no argument 'rate'"),
        ("{Adm: 1e-3}", "unknown-keras-object", "there is no optimizer 'Adm'"),
        ("{Adam: 1e-3, SGD: 1}", "type-mismatch", "an optimizer must be a name"),
        (
            "{Adam: {exclude_from_weight_decay: bias}}",
            "missing-argument",
            "'exclude_from_weight_decay' has no effect without 'weight_decay'",
        ),
        ("{AdamW: {exclude_from_weight_decay: 3}}", "type-mismatch", "must be"),
        (
            "{" + ", ".join(f"layer{number}: sgd" for number in range(65)) + "}",
            "invalid-structure",
            "at most 64 optimizers",
        ),
    ],
)
def test_invalid_optimizers(tmp_path: Path, optimizer: str, code: str, message: str):
    """Each error has the location of the value or the pattern."""
    diagnostic = error(tmp_path, f"{NET}  optimizer: {optimizer}\n")
    assert diagnostic.code == code
    assert message in diagnostic.message
    assert diagnostic.span.line == 13


def test_callback_that_needs_one_optimizer(tmp_path: Path):
    """Keras cannot reduce the learning rates of several optimizers."""
    text = (
        f"{NET}  optimizer: {{head: sgd, '*': {{Adam: 1e-5}}}}\n  callbacks: [ReduceLROnPlateau]\n"
    )
    assert "does not support several optimizers" in error(tmp_path, text).message
