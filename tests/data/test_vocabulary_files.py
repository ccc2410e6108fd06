"""Vocabularies that tokenizers take from another run, and the next tokens of a text as a target."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from tokenizers import Tokenizer, models

from archbuilder.cli import main
from archbuilder.config.sources import DataPath, FeatureConfig, Jsonl, Pairs, TextFiles
from archbuilder.config.sources.tokenizers import TokenizerConfig, VocabularyPath
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.data.sources import load_source
from archbuilder.data.text.tokenizer import TextTokenizer
from archbuilder.diagnostics.errors import RunError

CORPUS = ["the cat sat", "the dog sat on the cat", "a dog ran", "the cat ran"]
TEXTS = ["The cat ran", "a zebra sat", "dog", "the dog ran on"]
LENGTH = 8


def write_tokenizer(folder: Path, config: TokenizerConfig) -> TextTokenizer:
    """The tokenizer of a corpus, where a run has it."""
    tokenizer = TextTokenizer.train(config, lambda: iter(CORPUS), "the corpus")
    (folder / "lm" / "text").mkdir(parents=True, exist_ok=True)
    (folder / "lm" / "text" / "tokenizer.json").write_text(tokenizer.to_json())
    return tokenizer


def write_texts(folder: Path) -> DataPath:
    path = folder / "texts.jsonl"
    lines = [{"text": text, "kind": row % 2} for row, text in enumerate(TEXTS)]
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return DataPath(str(path))


def values(dataset: SourceDataset, name: str = "x") -> list[list[int]]:
    column = dataset.inputs[name].column
    return column.numpy(np.arange(column.count)).tolist()


def padded(ids: Sequence[int], length: int = LENGTH, padding: int = 0) -> list[int]:
    return [*ids, *[padding] * length][:length]


@pytest.mark.parametrize("kind", ["characters", "words", "bpe", "wordpiece"])
@pytest.mark.parametrize("names_file", [False, True])
def test_ids_are_those_of_the_other_run(tmp_path: Path, kind: str, names_file: bool):
    """Whatever its kind, in features, files of texts and pairs; and other words stay unknown."""
    config = TokenizerConfig(kind, 300, lowercase=True)
    expected = [each.tolist() for each in write_tokenizer(tmp_path, config).encode(TEXTS)]
    path = tmp_path / "lm" / ("text/tokenizer.json" if names_file else "")
    vocabulary = VocabularyPath(str(path))
    feature = FeatureConfig(
        "text",
        tokenizer=kind,
        vocabulary_size=300,
        lowercase=True,
        vocabulary_from=vocabulary,
        sequence_length=LENGTH,
    )
    source = Jsonl(write_texts(tmp_path), inputs={"x": feature}, targets="kind")
    dataset = load_source(source, DataFileOpener())
    assert values(dataset) == [padded(each) for each in expected]
    # The record of the run has the vocabulary: other data does not need the file.
    shutil.move(path if names_file else path / "text", tmp_path / "elsewhere")
    assert values(load_source(source, DataFileOpener(), dataset.preprocessing)) == values(dataset)


def test_sources_of_texts(tmp_path: Path):
    """Text files and pairs take a vocabulary too."""
    config = TokenizerConfig("words", 20, lowercase=True)
    tokenizer = write_tokenizer(tmp_path, config)
    expected = [each.tolist() for each in tokenizer.encode(TEXTS)]
    (tmp_path / "texts").mkdir()
    for number, text in enumerate(TEXTS):
        (tmp_path / "texts" / f"{number}.txt").write_text(text)
    vocabulary = VocabularyPath(str(tmp_path / "lm"))
    files = TextFiles(
        DataPath(str(tmp_path / "texts")),
        lowercase=True,
        vocabulary_from=vocabulary,
        sequence_length=LENGTH,
    )
    assert values(load_source(files, DataFileOpener()), "") == [padded(each) for each in expected]
    (tmp_path / "pairs.tsv").write_text("".join(f"{text}\t{text}\n" for text in TEXTS))
    pairs = Pairs(
        DataPath(str(tmp_path / "pairs.tsv")),
        replace(config, vocabulary_from=vocabulary),
        LENGTH,
    )
    loaded = load_source(pairs, DataFileOpener()).preprocessing.tokenizer
    assert loaded is not None
    assert loaded.to_json() == tokenizer.to_json()


def test_other_tokenizers(tmp_path: Path):
    """Settings that differ are an error that names them; so is a file of another program."""
    write_tokenizer(tmp_path, TokenizerConfig("wordpiece", 60, lowercase=True))
    path = VocabularyPath(str(tmp_path / "lm"))
    texts = write_texts(tmp_path)
    config = FeatureConfig(
        "text", tokenizer="wordpiece", vocabulary_from=path, sequence_length=LENGTH
    )

    def message(feature: FeatureConfig) -> str:
        with pytest.raises(RunError) as error:
            load_source(Jsonl(texts, inputs={"x": feature}, targets="kind"), DataFileOpener())
        return str(error.value)

    assert message(config) == (
        f"the tokenizer of '{tmp_path}/lm/text/tokenizer.json' has other settings: 'tokenizer:"
        " wordpiece', 'lowercase: true', 'strip_punctuation: false'"
    )
    assert "has other settings" in message(replace(config, tokenizer="words", lowercase=True))
    small = message(replace(config, lowercase=True, vocabulary_size=20))
    assert "tokens, more than 'vocabulary_size: 20'" in small
    file = tmp_path / "lm" / "text" / "tokenizer.json"
    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the")
    foreign = Tokenizer(models.WordLevel({name: id_ for id_, name in enumerate(names)}, "[UNK]"))
    file.write_text(foreign.to_str())
    assert "is not a tokenizer that archbuilder has trained" in message(config)
    file.write_text("{}")
    assert "is not a tokenizer file" in message(config)
    file.write_bytes(b"\xff")
    assert "is not a tokenizer file: " in message(config)
    file.unlink()
    assert "cannot read " in message(config)


NET = """
archbuilder: 1
name: NAME
inputs: {tokens: {shape: [6], dtype: int32}}
layers:
  - {Embedding: {input_dim: 20, output_dim: 8}, name: embed}
  - {Dense: {units: 20, activation: softmax}, name: next_token}
"""
PRETRAINING = """
data: {text: {file: corpus.jsonl, field: text, tokenizer: words, sequence_length: 6}}
training: {objective: causal_lm, optimizer: {Adam: 0.05}, epochs: 4, batch_size: 2,
  validation_split: 0}
"""
FINE_TUNING = """
  - {GlobalAveragePooling1D: , name: mean, from: embed}
  - {Dense: {units: 2, activation: softmax}, name: kind}
outputs: {kind: kind, next_token: next_token}
data:
  jsonl:
    file: texts.jsonl
    inputs:
      tokens: {columns: [text], tokenizer: words, vocabulary_from: runs/lm, sequence_length: 6}
    targets: {kind: kind, next_token: {next_tokens_of: tokens}}
training:
  weights: {file: runs/lm, of: [embed, next_token]}
  loss:
    kind: SparseCategoricalCrossentropy
    next_token: {SparseCategoricalCrossentropy: {ignore_class: -1}}
  loss_weights: {next_token: 0.5}
  epochs: 2
  batch_size: 2
  validation_split: {last: 0.5}
"""


def test_language_model_becomes_a_classifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The second step of GPT: its tokens and weights, and the loss of the next tokens beside."""
    monkeypatch.chdir(tmp_path)
    Path("corpus.jsonl").write_text("".join(json.dumps({"text": each}) + "\n" for each in CORPUS))
    write_texts(tmp_path)
    Path("lm.yaml").write_text(NET.replace("NAME", "lm") + PRETRAINING)
    Path("kinds.yaml").write_text(NET.replace("NAME", "kinds") + FINE_TUNING)
    assert main(["train", "lm.yaml", "--run-dir", "runs/lm"]) == 0
    assert main(["train", "kinds.yaml", "--run-dir", "run", "--epochs", "1"]) == 0
    log = capsys.readouterr().out
    assert "3 of 3 weights of 'embed, next_token' in 'kinds' loaded from 'runs/lm/lm.keras'" in log
    assert "'text': vocabulary of 12 tokens (5 special)" in log
    # The run needs neither the file of the vocabulary nor that of the weights any more.
    tokenizer = Tokenizer.from_file("runs/lm/text/tokenizer.json")
    shutil.rmtree("runs/lm")
    monkeypatch.chdir("/")
    run = str(tmp_path / "run")
    assert main(["train", "--resume", run, "--epochs", "2"]) == 0
    ids = [[2, *tokenizer.encode(text).ids, 3] for text in TEXTS[2:]]
    inputs = np.array([padded(each, 6) for each in ids])
    targets = np.array([padded(each[1:], 6, -1) for each in ids])
    assert inputs.tolist() == [[2, 7, 3, 0, 0, 0], [2, 5, 7, 8, 11, 3]]
    model = keras.saving.load_model(f"{run}/kinds.keras")
    outputs = {name: np.asarray(each) for name, each in model(inputs).items()}
    rows, steps = np.nonzero(targets >= 0)
    language = -np.log(outputs["next_token"][rows, steps, targets[rows, steps]]).mean()
    kind = -np.log(outputs["kind"][[0, 1], [0, 1]]).mean()
    metrics = json.loads(Path(run, "run.json").read_text())["validation_metrics"]
    assert metrics["next_token_loss"] == pytest.approx(float(language), rel=1e-4)
    assert metrics["loss"] == pytest.approx(float(kind + 0.5 * language), rel=1e-4)
    capsys.readouterr()
    assert main(["evaluate", run, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == pytest.approx(metrics, rel=1e-5)
    # A file of texts without labels is enough to predict.
    new = tmp_path / "new.jsonl"
    new.write_text(json.dumps({"text": TEXTS[3]}) + "\n")
    assert main(["predict", run, str(new), "--format", "jsonl"]) == 0
    prediction = json.loads(capsys.readouterr().out)
    assert prediction["kind"]["values"] == pytest.approx(outputs["kind"][1].tolist(), rel=1e-4)


def test_outside_of_the_blueprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A blueprint reads a vocabulary of another directory only if the user allows it."""
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    write_tokenizer(tmp_path, TokenizerConfig("words"))
    write_texts(Path())
    text = (NET.replace("NAME", "kinds") + FINE_TUNING).replace("runs/lm,", "../lm,")
    text = "".join(line for line in text.splitlines(keepends=True) if "weights: {f" not in line)
    Path("kinds.yaml").write_text(text)
    inspect = ["inspect-data", "kinds.yaml"]
    assert main(inspect) == 2
    assert "'../lm' leads out of the directory of this file" in capsys.readouterr().err
    assert main([*inspect, "--allow-dir", str(tmp_path / "lm")]) == 0
    # The path is that of the blueprint, wherever the data is.
    shutil.move("texts.jsonl", tmp_path / "texts.jsonl")
    monkeypatch.chdir(tmp_path)
    inspect = ["inspect-data", "mine/kinds.yaml", "--data", "texts.jsonl", "--allow-dir", "lm"]
    assert main(inspect) == 0
