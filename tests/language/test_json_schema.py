"""The JSON Schema for editors: up to date, valid, and of one mind with the compiler."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from archbuilder import registry
from archbuilder.config.json_schema import full_schema, full_schema_text
from archbuilder.limits import Limits
from archbuilder.yaml.nodes import to_plain
from archbuilder.yaml.reader import parse_yaml

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "schemas" / "blueprint-v1.schema.json"
VALIDATOR = jsonschema.Draft7Validator(full_schema(registry.load()))
HEAD = "archbuilder: 1\ninputs: {x: [8]}\nlayers:\n"


def mistakes(text: str) -> list[str]:
    """What the schema says of a text."""
    data = to_plain(parse_yaml(text, "x.yaml", Limits()))
    return [error.message for error in VALIDATOR.iter_errors(data)]


def test_schema_file_is_up_to_date():
    """`make schema` was run after the registry or the language changed."""
    assert SCHEMA.read_text(encoding="utf-8") == full_schema_text(registry.load())


def test_schema_is_valid():
    """It is valid by the draft that it names."""
    jsonschema.Draft7Validator.check_schema(full_schema(registry.load()))


@pytest.mark.parametrize(
    "path",
    sorted([*ROOT.glob("blueprints/*.yaml"), *ROOT.glob("tests/cases/good/*.yaml")]),
    ids=lambda path: path.stem,
)
def test_valid_blueprints_match_the_schema(path: Path):
    """An editor marks nothing in a file that the compiler takes."""
    assert mistakes(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "step",
    [
        "- Dnse: 3",
        "- Dense: {unit: 3}",
        "- Dense: {units: 0}",
        "- Dense: {units: true}",
        "- Dense: {}",
        "- Dense",
        "- Conv2D: {filters: 3, kernel_size: 3, padding: smae}",
        "- Dense: {units: 3, activation: rleu}",
        "- Dense: {units: 3, kernel_initializer: {HeNorml: {}}}",
        "- Bidirectional: {layer: {LSTN: 3}}",
        "- Lambda: x",
        "- Add: true",
        "- Identity: true",
        "- ops.power: 2",
        "- ops.map: x",
        "- {Dense: 3, repeat: -1}",
        "- {Dense: 3, repeat: {index: j}}",
        "- {Dense: 3, for: {n: [1], index: [1]}}",
        "- {Dense: 3, when: 3}",
        "- 3",
    ],
)
def test_schema_rejects_local_errors(step: str):
    """An editor marks what the compiler would refuse without resolving names."""
    assert mistakes(f"{HEAD}  {step}") != []


@pytest.mark.parametrize(
    "step",
    [
        "- Dense: $units",
        "- Dense: {units: $(2 * n), activation: $f}",
        "- Conv2D: {filters: 3, kernel_size: [$k, 3]}",
        "- Dense: {units: 3, kernel_initializer: {HeNormal: {seed: 1}}}",
        "- Bidirectional: {layer: {LSTM: 3}}",
        "- my_block: {a: 1}",
        "- {Dense: 3, repeat: {times: $n, index: j}, for: {n: [1], index: k}}",
        "- resnet.bottleneck: 3",
        "- {branches: [[Flatten], []], merge: {Concatenate: {axis: -1}}}",
        "- {reuse: stem, call: {reverse: true}}",
    ],
)
def test_schema_accepts_expressions_and_names(step: str):
    """Formulas and names of blocks are left to the compiler."""
    assert mistakes(f"{HEAD}  {step}") == []


def test_schema_documents_every_layer_and_argument():
    """Completion shows a line about what it offers."""
    definitions = full_schema(registry.load())["definitions"]
    for name, signature in registry.load().layers.items():
        entry = definitions[name]
        assert entry["description"], name
        assert set(entry["anyOf"][0]["properties"]) == set(signature.arguments)
