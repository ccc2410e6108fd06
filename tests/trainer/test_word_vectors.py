"""Embeddings that start from files of word vectors, compared with matrices built by hand."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from trainer.test_execution import trained
from trainer.test_initial_weights import saved_weights

from archbuilder.cli import main

TEXTS = ["the good film", "the bad film", "a good day", "bad bad luck, the end"]
CITIES = ["Rome", "New York", "Rome", "Oslo"]
WEIGHTS = """
    - {file: words.txt, words_of: review, of: words}
    - {file: cities.vec, words_of: city, of: cities}
"""
BLUEPRINT = f"""
archbuilder: 1
name: net
inputs: {{review: {{shape: [5], dtype: int32}}, city: {{shape: [], dtype: int32}}}}
layers:
  - {{Embedding: {{input_dim: 20, output_dim: 3, embeddings_initializer: ones}}, from: review, name: words}}
  - {{GlobalAveragePooling1D: , name: mean}}
  - {{Embedding: {{input_dim: 4, output_dim: 2}}, from: city, name: cities}}
  - {{Concatenate: , from: [mean, cities]}}
  - {{Dense: {{units: 2, activation: softmax}}, name: head}}
data:
  csv:
    file: reviews.csv
    separator: ";"
    inputs:
      review: {{column: text, tokenizer: words, vocabulary_size: 20, sequence_length: 5}}
      city: {{column: city, vocabulary: true}}
    target: label
training:
  loss: SparseCategoricalCrossentropy
  validation_split: 0
  epochs: 1
  frozen: [words, cities]
  weights: {WEIGHTS}
"""  # noqa: E501
WORDS = """the 0.1 -2 3e-1
. . . 9 9 9
unseen 7 7 7
film 1 2 3
good 0.25 0.5 1
good 4 5 6
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a directory with texts and two files of vectors, the second as fastText writes it."""
    lines = [f"{text};{city};{len(text) % 2}" for text, city in zip(TEXTS, CITIES, strict=True)]
    (tmp_path / "reviews.csv").write_text("\n".join(["text;city;label", *lines]))
    (tmp_path / "words.txt").write_text(WORDS)
    (tmp_path / "cities.vec").write_text("2 2\nNew York 1 2\nOslo 3 4\n")
    return tmp_path


def test_rows_of_words(folder: Path, capsys: pytest.CaptureFixture[str]):
    """Each word has its vector in the row of its index; the others stay as they were."""
    run = trained(folder, BLUEPRINT, "run")
    output = capsys.readouterr().out
    counts = Counter(" ".join(TEXTS).split())
    words = sorted(counts, key=lambda word: (-counts[word], word))
    # Five special tokens come first.
    rows = {word: 5 + number for number, word in enumerate(words)}
    expected = np.ones((20, 3), np.float32)
    expected[rows["the"]] = (0.1, -2, 0.3)
    expected[rows["film"]] = (1, 2, 3)
    expected[rows["good"]] = (4, 5, 6)
    np.testing.assert_array_equal(saved_weights(run)["words/embeddings"], expected)
    assert f"vectors of 3 of {len(words)} words of 'review' loaded from 'words.txt'" in output
    # Other cities have the index 0; then they follow by falling count and in alphabetical order.
    cities = saved_weights(run)["cities/embeddings"]
    np.testing.assert_array_equal(cities[2:], [[1, 2], [3, 4]])
    assert "vectors of 2 of 3 words of 'city' loaded from 'cities.vec' into 'cities'" in output
    record = json.loads((run / "run.json").read_text())
    digest = hashlib.sha256(WORDS.encode()).hexdigest()
    assert record["weights"][0] == {"file": str(folder / "words.txt"), "sha256": digest}
    assert record["recipe"]["training"]["weights"][0]["words_of"] == "review"


@pytest.mark.parametrize(
    ("weights", "content", "message"),
    [
        ("{file: words.txt, words_of: reviews}", "", "the network has no input 'reviews'"),
        ("{file: words.txt, words_of: city, match: name}", "", "which is not for a file of words"),
        ("{file: words.txt, words_of: review}", "", "there are 2: 'words', 'cities'; write its"),
        ("{file: words.txt, words_of: review, of: head}", "", "one 'Embedding', and there are 0"),
        ("{file: none.txt, words_of: review, of: words}", "", "none.txt"),
        ("{file: words.txt, words_of: review, of: words}", "", "has none of the 8 words"),
        ("{file: words.txt, words_of: review, of: cities}", "", "and 'cities' only 4 rows"),
        (
            "{file: words.txt, words_of: review, of: words}",
            "the 1 2 3 4\n",
            "have 4 numbers, and the embedding 3: write 'output_dim: 4'",
        ),
        (
            "{file: words.txt, words_of: review, of: words}",
            "x 1 2 3\nthe 1 2 nan\n",
            "line 2 of 'words.txt' is not a word and 3 numbers",
        ),
        (
            "{file: words.txt, words_of: review, of: words}",
            "x 1 2 3\nthe 1 2x 3\n",
            "line 2 of 'words.txt' is not a word and 3 numbers",
        ),
        (
            "{file: words.txt, words_of: review, of: words}",
            "x 1 2 3\nthe 1 2\n",
            "line 2 of 'words.txt' is not a word and 3 numbers",
        ),
        (
            "{file: words.txt, words_of: review, of: words}",
            "x 1 2 3\nthe 1 2 3 4\n",
            "line 2 of 'words.txt' is not a word and 3 numbers",
        ),
        ("{file: words.txt, words_of: review, of: words}", "a" * 2**20, "line 1 of 'words.txt'"),
    ],
)
def test_errors(
    folder: Path, capsys: pytest.CaptureFixture[str], weights: str, content: str, message: str
):
    """Each error names the file or the setting, at its line of the recipe."""
    (folder / "words.txt").write_text(content)
    path = folder / "net.yaml"
    path.write_text(BLUEPRINT.replace(WEIGHTS, f"{weights}\n"))
    assert main(["train", str(path), "--run-dir", str(folder / "run")]) != 0
    error = capsys.readouterr().err
    assert message in error
    line = path.read_text().splitlines().index(f"  weights: {weights}") + 1
    assert f"net.yaml:{line}:" in error


def test_input_without_a_vocabulary(folder: Path, capsys: pytest.CaptureFixture[str]):
    """Numbers have no words."""
    text = BLUEPRINT.replace("city: {column: city, vocabulary: true}", "city: {column: label}")
    path = folder / "net.yaml"
    path.write_text(text)
    assert main(["train", str(path), "--run-dir", str(folder / "run")]) != 0
    assert "the data has no vocabulary for the input 'city'" in capsys.readouterr().err
