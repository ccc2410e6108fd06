"""The settings `weights`, `trainable` and `frozen`: their forms, and errors in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from config.test_callbacks import GAN, error, parse

from archbuilder.config.layer_patterns import block_prefix, selects

NET = """archbuilder: 1
name: net
inputs: {x: [4]}
blocks:
  encoder: {layers: [Dense: 5, Dense: 6]}
layers:
  - {encoder: , name: backbone}
  - {Dense: 6, name: head}
  - {reuse: head, name: again}
data: digits
training:
  loss: MeanSquaredError
"""


def test_forms_of_weights(tmp_path: Path):
    """A path, a mapping and a list of both are the same setting."""
    (config,) = parse(tmp_path, f"{NET}  weights: a.keras\n").weights
    assert (config.file.path, config.of, config.is_run) == ("a.keras", (), False)
    value = "{file: runs/a, of: backbone.*, match: order, skip_mismatch: true}"
    for text in (value, f"[b.h5, {value}]"):
        config = parse(tmp_path, f"{NET}  weights: {text}\n").weights[-1]
        assert (config.file.path, config.of, config.is_run) == ("runs/a", ("backbone.*",), True)
        assert (config.match, config.skip_mismatch) == ("order", True)
    assert parse(tmp_path, NET).weights == ()


def test_forms_of_patterns(tmp_path: Path):
    """A pattern and a list of patterns are the same setting."""
    training = parse(tmp_path, f"{NET}  trainable: head\n  frozen: [backbone, '*.dense1']\n")
    assert (training.trainable, training.frozen) == (("head",), ("backbone", "*.dense1"))
    training = parse(tmp_path, NET)
    assert (training.trainable, training.frozen) == (None, None)


@pytest.mark.parametrize(
    ("setting", "code", "message"),
    [
        ("weights: 3", "invalid-structure", "'file' must be a string, not an integer 3"),
        ("weights: [[a.keras]]", "invalid-structure", "a path, or a mapping with the key 'file'"),
        ("weights: {match: name}", "missing-key", "'weights' has no 'file'"),
        ("weights: {file: a.h5, off: head}", "unknown-key", "'weights' has no key 'off'"),
        ("weights: {file: a.h5, match: names}", "invalid-choice", "'match' must be"),
        ("weights: {file: a.h5, of: heads}", "unknown-name", "no layer of the network"),
        (f"weights: [{', '.join(['a.h5'] * 17)}]", "invalid-structure", "at most 16 files"),
        ("frozen: []", "out-of-range", "'frozen' names no layer"),
        ("frozen: 3", "type-mismatch", "'frozen' must be"),
        ("trainable: {head: true}", "type-mismatch", "'trainable' must be"),
        ("trainable: [head, 'x.*']", "unknown-name", "matches 'x.*'"),
        ("frozen: again", "unknown-name", "matches 'again'"),
        ("frozen: dense?", "unknown-name", "matches 'dense?'"),
    ],
)
def test_invalid_settings(tmp_path: Path, setting: str, code: str, message: str):
    """Each error has the location of the value."""
    diagnostic = error(tmp_path, f"{NET}  {setting}\n")
    assert diagnostic.code == code
    assert message in diagnostic.message
    assert diagnostic.span.line == 13


@pytest.mark.parametrize(
    ("pattern", "suggestion"),
    [
        ("bakbone.*", "backbone.*"),
        ("backbones", "backbone"),
        ("backbone.dense", "backbone.dense1"),
        ("haed", "head"),
    ],
)
def test_unmatched_pattern_has_a_suggestion(tmp_path: Path, pattern: str, suggestion: str):
    """The suggestion is a block or a layer, with the same end."""
    assert error(tmp_path, f"{NET}  frozen: {pattern}\n").suggestion == suggestion


def test_unmatched_pattern_without_a_suggestion(tmp_path: Path):
    """Without a similar path, the error lists the blocks and the layers."""
    (note,) = error(tmp_path, f"{NET}  frozen: transformer\n").notes
    assert "'backbone', 'head', 'backbone.dense0'" in note


def test_layers_of_several_networks(tmp_path: Path):
    """With several networks, a path begins with the name of its network."""
    training = parse(tmp_path, f"{GAN}  frozen: [generator, discriminator.dense0]\n")
    assert training.frozen == ("generator", "discriminator.dense0")
    assert error(tmp_path, f"{GAN}  frozen: dense0\n").code == "unknown-name"


def test_objective_without_steps(tmp_path: Path):
    """Ridge regression trains its last layer alone, but may start from weights."""
    text = NET.replace("loss: MeanSquaredError", "objective: ridge")
    assert error(tmp_path, f"{text}  frozen: backbone\n").code == "unknown-key"
    assert parse(tmp_path, f"{text}  weights: a.keras\n").weights


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("backbone", {"backbone.a", "backbone.b.a"}),
        ("backbone.*", {"backbone.a", "backbone.b.a"}),
        ("*.a", {"backbone.a", "backbone.b.a"}),
        ("backbone.b", {"backbone.b.a"}),
        ("b*", {"backbone.a", "backbone.b.a", "backbone2"}),
        ("*", {"backbone.a", "backbone.b.a", "backbone2", "a[0]"}),
        ("a[0]", {"a[0]"}),
        ("?ackbone2", set()),
    ],
)
def test_patterns(pattern: str, paths: set[str]):
    """A pattern matches a layer or all layers of a block; only `*` is special."""
    layers = ("backbone.a", "backbone.b.a", "backbone2", "a[0]")
    assert {each for each in layers if selects((pattern,), each)} == paths


@pytest.mark.parametrize(
    ("patterns", "prefix"),
    [(("a.b",), "a.b."), (("a.b.*",), "a.b."), (("a*",), ""), (("a", "b"), "")],
)
def test_block_prefix(patterns: tuple[str, ...], prefix: str):
    """Only a pattern of one block has a prefix that the names in a file may lack."""
    assert block_prefix(patterns) == prefix
