"""Language models: trained, broken off, shared by devices, and given what does not suit them."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.objectives import LANGUAGE, WORDS, sequences, write_data

from archbuilder.cli import main
from archbuilder.keras_ext.losses import LabelSmoothedCrossentropy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three blueprints and what they are trained on."""
    write_data(tmp_path)
    for name, text in LANGUAGE.items():
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
    return main(["train", blueprint, "--run-dir", str(folder / run), *options])


@pytest.mark.parametrize(
    "name",
    # The batches of the others have no random numbers.
    [
        pytest.param(each, marks=() if each == "masked" else pytest.mark.thorough)
        for each in LANGUAGE
    ],
)
def test_train_and_resume_language_models(folder: Path, name: str):
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


def bigram_entropy(text: str) -> float:
    """The entropy of a character if the one before it is known."""
    pairs, firsts = Counter(pairwise(text)), Counter(text[:-1])
    return -sum(n / (len(text) - 1) * math.log(n / firsts[pair[0]]) for pair, n in pairs.items())


@pytest.mark.thorough
def test_causal_lm_learns_words(folder: Path):
    """More than pairs of characters tell: little is left but which word comes next."""
    assert train(folder, "causal", "run", "--epochs", "16", "--batch-size", "8") == 0
    letters = sum(map(len, WORDS)) / len(WORDS)
    # A sentence is four words with three spaces, a full stop and the end of the line.
    entropy = 4 * math.log(len(WORDS)) / (4 * letters + 5)
    loss = history(folder / "run")[-1]["val_loss"]
    assert entropy < loss < 1.4 * entropy
    assert loss < 0.8 * bigram_entropy((folder / "text.txt").read_text())


@pytest.mark.thorough
def test_masked_lm_learns_words(folder: Path):
    """More of them than one who guesses would find."""
    assert train(folder, "masked", "run", "--epochs", "30") == 0
    words = Counter((folder / "text.txt").read_text().split())
    guess = words.most_common(1)[0][1] / words.total()
    assert history(folder / "run")[-1]["val_masked_lm_accuracy"] > 1.3 * guess


@pytest.mark.parametrize("share", [0.0, 0.1])
@pytest.mark.parametrize("logits", [True, False])
def test_label_smoothing_agrees_with_keras(share: float, *, logits: bool):
    """The same numbers as Keras's loss, which takes one value a class."""
    numbers = np.random.default_rng(0)
    predictions = numbers.normal(size=(2, 3, 5)).astype(np.float32)
    if not logits:
        predictions = np.exp(predictions) / np.exp(predictions).sum(-1, keepdims=True)
    classes = numbers.integers(0, 5, (2, 3))
    ours = LabelSmoothedCrossentropy(share, from_logits=logits)(classes, predictions)
    theirs = keras.losses.CategoricalCrossentropy(from_logits=logits, label_smoothing=share)
    assert float(ours) == pytest.approx(float(theirs(np.eye(5)[classes], predictions)), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "causal",
            "input_dim: $size",
            "input_dim: 9",
            "the vocabulary of the input 'tokens' has 20 entries",
        ),
        (
            "causal",
            "units: $size",
            "units: 9",
            "compares values from 0 to 19 with predictions of 9 classes",
        ),
        (
            "causal",
            "return_sequences: true",
            "return_sequences: false",
            "cannot take [16] and [40]",
        ),
        (
            "causal",
            "{text: {file: text.txt, tokenizer: characters, sequence_length: 16}}",
            "digits",
            "the objective needs the source 'text' ('generate: continuation', ",
        ),
        ("masked", "segments", "parts", "model needs the inputs tokens, parts, mask"),
        (
            "masked",
            "sequence_length: 12",
            "sequence_length: 4",
            "sequences of at least 5 tokens",
        ),
        (
            "masked",
            "outputs: {masked_lm: masked_lm,",
            "outputs: {tokens: masked_lm,",
            "its outputs are: tokens, next_sentence",
        ),
        (
            "sequences",
            "{pairs: {file: pairs.tsv, tokenizer: characters, sequence_length: 6}}",
            "{text: {file: text.txt}}",
            "needs the source 'pairs'",
        ),
    ],
)
def test_unsuitable_language_model_networks(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, old: str, new: str, message: str
):
    """The error says what the objective takes."""
    blueprint = folder / f"{name}.yaml"
    text = blueprint.read_text()
    assert old in text
    blueprint.write_text(text.replace(old, new))
    assert train(folder, name, "run") != 0
    assert message in capsys.readouterr().err


def test_data_option_inherits_text_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Its file takes the place of the recipe's, and the length and the tokens stay."""
    write_data(tmp_path)
    (tmp_path / "net.yaml").write_text(LANGUAGE["causal"].replace("text.txt", "not_here.txt"))
    run = tmp_path / "run"
    options = ["--data", str(tmp_path / "text.txt"), "--epochs", "1", "--run-dir", str(run)]
    assert main(["train", str(tmp_path / "net.yaml"), *options]) == 0
    assert "sequences of 16" in capsys.readouterr().out
    assert main(["train", "--resume", str(run), "--epochs", "2"]) == 0
    assert "Resuming after epoch 1\n" in capsys.readouterr().out


COPY = """
archbuilder: 1
name: net
inputs:
  target: {shape: [null], dtype: int32}
  mask: {shape: [null], dtype: int32}
  source: {shape: [null], dtype: int32}
layers:
  - {Embedding: {input_dim: 9, output_dim: 16}, from: source}
  - {ZeroPadding1D: [0, 1], name: moved}
  - {Embedding: {input_dim: 2, output_dim: 16}, from: mask}
  - {ZeroPadding1D: [0, 1], name: present}
  - {Embedding: {input_dim: 9, output_dim: 1}, from: target, name: heard}
  - {Concatenate: , from: [moved, present, heard]}
  - Dense: 9
data: {pairs: {file: same.tsv, tokenizer: characters, sequence_length: 6}}
training:
  objective: sequence_to_sequence
  optimizer: {Adam: 0.05}
  epochs: 10
"""


def test_source_and_target_tokens(tmp_path: Path):
    """In whichever order they stand: one layer is enough to say the source again."""
    words = (line.split("\t")[0] for line in sequences().splitlines())
    (tmp_path / "same.tsv").write_text("".join(f"{word}\t{word}\n" for word in words))
    (tmp_path / "net.yaml").write_text(COPY)
    run = tmp_path / "run"
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(run)]) == 0
    assert history(run)[-1]["val_accuracy"] == 1
