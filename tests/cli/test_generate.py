"""`archbuilder generate`."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from archbuilder.cli import main

WORDS = ("the", "cat", "sees", "dogs")
CAUSAL = """
archbuilder: 1
name: net
inputs: {tokens: {shape: [null], dtype: int32}}
layers:
  - Embedding: {input_dim: 40, output_dim: 16}
  - GRU: {units: 32, return_sequences: true}
  - Dense: {units: 40, activation: softmax}
data: {text: {file: text.txt, tokenizer: characters, sequence_length: 24}}
training: {objective: causal_lm, optimizer: {Adam: 0.01}, epochs: 12, batch_size: 8}
"""
SEQUENCES = """
archbuilder: 1
name: net
inputs:
  source: {shape: [null], dtype: int32}
  target: {shape: [null], dtype: int32}
layers:
  - {Embedding: {input_dim: 10, output_dim: 16}, from: source}
  - {GRU: {units: 48, return_sequences: true}, name: read}
  - {Embedding: {input_dim: 10, output_dim: 16}, from: target}
  - {GRU: {units: 48, return_sequences: true}, name: write}
  - {Attention: , from: [write, read]}
  - {Concatenate: , from: [previous, write]}
  - Dense: 10
data: {pairs: {file: pairs.tsv, tokenizer: characters, sequence_length: 4}}
training: {objective: sequence_to_sequence, optimizer: {Adam: 0.01}, epochs: 25, batch_size: 32}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned four words, and one that copies up to four letters."""
    folder = tmp_path_factory.mktemp("runs")
    chosen = random.Random(0)  # noqa: S311
    text = " ".join(chosen.choices(WORDS, k=1_000))
    (folder / "text.txt").write_text(text)
    copies = ("".join(chosen.choices("abc", k=chosen.randint(1, 4))) for _ in range(600))
    (folder / "pairs.tsv").write_text("".join(f"{copy}\t{copy}\n" for copy in copies))
    for name, blueprint in (("causal", CAUSAL), ("sequences", SEQUENCES)):
        (folder / f"{name}.yaml").write_text(blueprint)
        command = ["train", str(folder / f"{name}.yaml"), "--run-dir", str(folder / name)]
        assert main(command) == 0
    return folder


def generated(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    capsys.readouterr()
    assert main(["generate", *options]) == 0
    return capsys.readouterr().out


def test_continue_text(runs: Path, capsys: pytest.CaptureFixture[str]):
    """Words are finished as they were learned, and the seed decides which come."""
    run = str(runs / "causal")
    options = (run, "the ca", "--max-new-tokens", "60", "--temperature", "0.3")
    text = "the ca" + generated(capsys, *options).rstrip("\n")
    words = text.split(" ")[:-1]
    assert len(words) > 10
    assert set(words) <= set(WORDS)
    assert "the ca" + generated(capsys, *options).rstrip("\n") == text
    assert "the ca" + generated(capsys, *options, "--seed", "1").rstrip("\n") != text
    assert generated(capsys, run, "the ca", "--max-new-tokens", "1", "--num-beams", "1") == "t\n"
    coldest = ("--max-new-tokens", "1", "--temperature", "1e-320")
    assert generated(capsys, run, "the ca", *coldest) == "t\n"


def test_translate_text(runs: Path, capsys: pytest.CaptureFixture[str]):
    """A text is copied, which is what was learned, by the beam and greedily."""
    run = str(runs / "sequences")
    for text in ("abca", "b", "ccab"):
        assert generated(capsys, run, text) == f"{text}\n"
        assert generated(capsys, run, text, "--num-beams", "1") == f"{text}\n"
        assert generated(capsys, run, text, "--temperature", "0") == f"{text}\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["nowhere"], "cannot read 'nowhere': there is no such file"),
        (["sequences", "abcab"], "the text has 5 tokens"),
        (["sequences", "abz"], "the vocabulary of the run does not cover 'abz'"),
        (["causal", "--num-beams", "2", "--top-k", "3"], "--num-beams cannot be used with"),
        (["causal", "--temperature", "-1"], "--temperature"),
        (["causal", "--temperature", "nan"], "must be a number, not 'nan'"),
        (["causal", "--temperature", "inf"], "--temperature"),
        (["causal", "--top-k", "0"], "--top-k"),
    ],
)
def test_invalid_options(
    runs: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
):
    """Every mistake is one sentence."""
    capsys.readouterr()
    run = options[0] if options[0] == "nowhere" else str(runs / options[0])
    assert main(["generate", run, *options[1:]]) == 2
    assert message in capsys.readouterr().err


def test_unsuitable_runs(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A run of images makes no text, and one that is not over has no weights."""
    blueprint = tmp_path / "net.yaml"
    blueprint.write_text(
        "archbuilder: 1\nname: net\ninputs: {image: [64]}\nlayers: [Dense: 10]\ndata: digits\n"
        "training: {loss: {SparseCategoricalCrossentropy: {from_logits: true}}, epochs: 1}\n"
    )
    assert main(["train", str(blueprint), "--run-dir", str(tmp_path / "images")]) == 0
    assert main(["generate", str(tmp_path / "images")]) == 2
    assert "'archbuilder generate' cannot use a run with the objective" in capsys.readouterr().err
    (runs / "causal" / "net.keras").rename(tmp_path / "net.keras")
    assert main(["generate", str(runs / "causal")]) == 2
    resume = f"resume it with: archbuilder train --resume {runs / 'causal'}"
    assert f"the file was deleted; {resume}" in capsys.readouterr().err
    (tmp_path / "net.keras").rename(runs / "causal" / "net.keras")
