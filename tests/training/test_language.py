"""Language models: trained, broken off, shared by devices, and given what does not suit them."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

from archbuilder.cli import main
from archbuilder.training.objectives.sequence_to_sequence import SmoothedCrossentropy

WORDS = ("the", "cat", "dog", "sees", "hears", "a", "bird")
NET = """
archbuilder: 1
name: net
params: {size: 40, drop: 0.0}
"""
CAUSAL = (
    NET
    + """
inputs: {tokens: {shape: [null], dtype: int32}}
layers:
  - Embedding: {input_dim: $size, output_dim: 16}
  - GRU: {units: 24, return_sequences: true}
  - Dropout: $drop
  - Dense: {units: $size, activation: softmax}
data: {text: {file: text.txt, tokens: characters, length: 16}}
training: {objective: causal_lm, optimizer: {Adam: 0.01}, epochs: 3, batch_size: 32}
"""
)
MASKED = (
    NET
    + """
inputs:
  tokens: {shape: [null], dtype: int32}
  segments: {shape: [null], dtype: int32}
  mask: {shape: [null], dtype: int32}
layers:
  - {Embedding: {input_dim: $size, output_dim: 16}, name: words, from: tokens}
  - {Embedding: {input_dim: 2, output_dim: 16}, name: kinds, from: segments}
  - {Add: , from: [words, kinds]}
  - MultiHeadAttention: {num_heads: 2, key_dim: 8}
    from: {query: previous, value: previous, value_mask: mask}
  - {Dropout: $drop, name: encoded}
  - {GlobalAveragePooling1D: , name: pooled}
  - {Dense: 2, name: next_sentence}
  - {Dense: $size, name: masked_lm, from: encoded}
outputs: {masked_lm: masked_lm, next_sentence: next_sentence}
data: {text: {file: text.txt, tokens: words, length: 12}}
training: {objective: masked_lm, optimizer: {Adam: 0.01}, epochs: 3, batch_size: 16}
"""
)
SEQUENCES = (
    NET
    + """
inputs:
  source: {shape: [null], dtype: int32}
  target: {shape: [null], dtype: int32}
layers:
  - {Embedding: {input_dim: $size, output_dim: 16}, from: source}
  - {GRU: {units: 24}, name: memory}
  - {Embedding: {input_dim: $size, output_dim: 16}, from: target}
  - {GRU: {units: 24, return_sequences: true}, from: {sequences: previous, initial_state: memory}}
  - Dropout: $drop
  - Dense: $size
data: {pairs: {file: pairs.tsv, tokens: characters, length: 6}}
training:
  objective: {sequence_to_sequence: {label_smoothing: 0.1}}
  optimizer: {Adam: 0.01}
  epochs: 3
  batch_size: 16
"""
)
NETWORKS = {"causal": CAUSAL, "masked": MASKED, "sequences": SEQUENCES}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three blueprints and what they are trained on."""
    chosen = random.Random(0)  # noqa: S311
    sentences = (" ".join(chosen.choices(WORDS, k=4)) + ".\n" for _ in range(200))
    (tmp_path / "text.txt").write_text("".join(sentences))
    texts = ("".join(chosen.choices("abcd", k=chosen.randint(1, 6))) for _ in range(200))
    (tmp_path / "pairs.tsv").write_text("".join(f"{text}\t{text[::-1]}\n" for text in texts))
    for name, text in NETWORKS.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def history(run: Path) -> list[dict[str, float]]:
    lines = (run / "history.jsonl").read_text().splitlines()
    return [
        {key: value for key, value in json.loads(line).items() if key != "seconds"}
        for line in lines
    ]


def train(folder: Path, name: str, run: str, *options: str) -> int:
    blueprint = str(folder / f"{name}.yaml")
    return main(["train", blueprint, "--run", str(folder / run), *options])


@pytest.mark.parametrize("name", NETWORKS)
def test_trained_and_broken_off(folder: Path, name: str):
    """The loss falls, and a run in two parts gives the numbers of one."""
    options = ("--set", "drop=0.1")
    assert train(folder, name, "whole", *options) == 0
    rows = history(folder / "whole")
    assert rows[-1]["loss"] < 0.9 * rows[0]["loss"]
    assert rows[-1]["val_loss"] < rows[0]["val_loss"]

    assert train(folder, name, "parts", *options, "--epochs", "1") == 0
    (folder / "text.txt").unlink()
    (folder / "pairs.tsv").unlink()
    assert main(["train", "--resume", str(folder / "parts"), "--epochs", "3"]) == 0
    assert history(folder / "parts") == rows
    model = keras.models.load_model(folder / "whole" / "net.keras")
    assert len(model.inputs) == {"causal": 1, "masked": 3, "sequences": 2}[name]


def test_a_model_of_words_learns_them(folder: Path):
    """What is left to be told is little more than which word comes next."""
    assert train(folder, "causal", "run", "--epochs", "16", "--batch-size", "8") == 0
    letters = sum(map(len, WORDS)) / len(WORDS)
    # A sentence is four words with three spaces, a full stop and the end of the line.
    entropy = 4 * math.log(len(WORDS)) / (4 * letters + 5)
    assert entropy < history(folder / "run")[-1]["val_loss"] < 1.4 * entropy


@pytest.mark.parametrize("name", NETWORKS)
def test_replicas_give_the_same(folder: Path, name: str):
    """Two devices that share each batch come to the weights of one."""
    program = (
        "import sys, tensorflow as tf\n"
        "devices = [tf.config.LogicalDeviceConfiguration()] * 2\n"
        "tf.config.set_logical_device_configuration("
        "tf.config.list_physical_devices('CPU')[0], devices)\n"
        "from archbuilder.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    blueprint = folder / f"{name}.yaml"
    blueprint.write_text(blueprint.read_text().replace("{Adam: 0.01}", "{SGD: 0.1}"))
    assert train(folder, name, "one", "--epochs", "1", "--distribute", "none") == 0
    command = ["train", str(blueprint), "--run", str(folder / "two"), "--epochs", "1"]
    command += ["--distribute", "mirrored"]
    subprocess.run([sys.executable, "-c", program, *command], check=True, capture_output=True)
    one, two = (
        load_file(next((folder / run / "checkpoints").glob("epoch-*")) / "variables.safetensors")
        for run in ("one", "two")
    )
    compared = [key for key, array in one.items() if array.dtype == np.float32 and array.ndim]
    assert len(compared) > 4
    for key in compared:
        # The bias of the keys changes nothing: what it becomes is rounding.
        scale = max(np.abs(one[key]).max(), 1e-3)
        np.testing.assert_allclose(two[key], one[key], rtol=0, atol=1e-5 * scale, err_msg=key)


@pytest.mark.parametrize("share", [0.0, 0.1])
@pytest.mark.parametrize("logits", [True, False])
def test_smoothed_crossentropy_is_that_of_keras(share: float, *, logits: bool):
    """The same numbers as Keras's loss, which takes one value a class."""
    numbers = np.random.default_rng(0)
    predictions = numbers.normal(size=(2, 3, 5)).astype(np.float32)
    if not logits:
        predictions = np.exp(predictions) / np.exp(predictions).sum(-1, keepdims=True)
    classes = numbers.integers(0, 5, (2, 3))
    ours = SmoothedCrossentropy(share, from_logits=logits)(classes, predictions)
    theirs = keras.losses.CategoricalCrossentropy(from_logits=logits, label_smoothing=share)
    assert float(ours) == pytest.approx(float(theirs(np.eye(5)[classes], predictions)), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("causal", "size: 40", "size: 9", "the network's vocabulary has to be as large"),
        ("causal", "return_sequences: true", "return_sequences: false", "for every position"),
        (
            "causal",
            "{text: {file: text.txt, tokens: characters, length: 16}}",
            "digits",
            "the objective 'causal_lm' trains on text, and the data is the data set digits",
        ),
        ("masked", "segments", "parts", "the objective gives tokens, segments, mask"),
        ("masked", "length: 12", "length: 4", "pieces of a text of 5 tokens or more"),
        (
            "masked",
            "outputs: {masked_lm: masked_lm,",
            "outputs: {tokens: masked_lm,",
            "has the outputs tokens, next_sentence",
        ),
        (
            "sequences",
            "{pairs: {file: pairs.tsv, tokens: characters, length: 6}}",
            "{text: {file: text.txt}}",
            "needs pairs",
        ),
    ],
)
def test_what_does_not_suit(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, old: str, new: str, message: str
):
    """The error says what the objective takes."""
    blueprint = folder / f"{name}.yaml"
    text = blueprint.read_text()
    assert old in text
    blueprint.write_text(text.replace(old, new))
    assert train(folder, name, "run") != 0
    assert message in capsys.readouterr().err
