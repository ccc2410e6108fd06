"""Features of text, compared with Keras's `TextVectorization` and with the tokenizers."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.feature_tables import KINDS, source_of, write_table

from archbuilder.cli import main
from archbuilder.config.data_schema import schema_from_dict, schema_to_dict
from archbuilder.config.sources import Csv, DataPath, DataSource, FeatureConfig, Jsonl, Parquet
from archbuilder.config.sources.tokenizers import TokenizerConfig
from archbuilder.config.split import SplitConfig, SplitPlan
from archbuilder.data import text_features
from archbuilder.data.columns import ArrayColumn, LazyColumn
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.data.sources import load_source
from archbuilder.data.text import text_column
from archbuilder.data.text.tokenizer import (
    BEGIN_ID,
    END_ID,
    SPECIAL_TOKENS,
    UNK_ID,
    TextTokenizer,
    Vocabulary,
)
from archbuilder.diagnostics.errors import RunError

Texts = Sequence[str | None]
PLAN = SplitPlan(SplitConfig(last=0.375))
"""Holds out the last three of eight rows."""
TRAIN = np.arange(5)
# In the training rows no two of the first words occur equally often: Keras orders equal counts from
# z to a, and this package from a to z.
TEXTS: Texts = [
    "Good film, good film, GOOD film! Good.",
    "A (bad) film: a bad end. Good?",
    "a film a film a a\tplot",
    "Bad end, bad film. Good; a end a film?",
    "a film film",
    "A plot nobody knows; zebra",
    None,
    "good plot",
]


def load(source: DataSource, fitted: SourceDataset | None = None) -> SourceDataset:
    preprocessing = None if fitted is None else fitted.preprocessing
    return load_source(source, DataFileOpener(), preprocessing, PLAN)


def values(dataset: SourceDataset, name: str = "x") -> np.ndarray:
    column = dataset.inputs[name].column
    return np.asarray(column.gather(np.arange(column.count)))


def reviews(folder: Path, kind: str, texts: Texts = TEXTS) -> DataPath:
    return write_table(folder, kind, {"text": texts, "y": [*range(len(texts))]})


def vectorization(**options: object) -> keras.layers.TextVectorization:
    """The layer of Keras, adapted to the training rows."""
    layer = keras.layers.TextVectorization(**options)
    layer.adapt([TEXTS[row] or "" for row in TRAIN])
    return layer


WORDS = FeatureConfig("text", tokenizer="words", lowercase=True, strip_punctuation=True)


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_those_of_keras(tmp_path: Path, kind: str):
    """Apart from three more special tokens: padding and unknown words have the same ids."""
    layer = vectorization(max_tokens=6, output_sequence_length=5)
    expected = np.array(layer([each or "" for each in TEXTS]))
    feature = replace(WORDS, vocabulary_size=9, sequence_length=5)
    dataset = load(source_of(reviews(tmp_path, kind), x=feature))
    assert {*expected.reshape(-1).tolist()} == {*range(6)}
    # A text without a word is one unknown word, and not only padding.
    expected[6, 0] = 1
    np.testing.assert_array_equal(values(dataset), np.where(expected < 2, expected, expected + 3))
    vocabulary = dataset.preprocessing.schema.features["x"].vocabulary
    assert [*vocabulary] == layer.get_vocabulary()[2:]
    assert "'text': vocabulary of 9 tokens (5 special)" in " ".join(dataset.notes)
    assert dataset.inputs["x"].num_categories == 9


@pytest.mark.parametrize("output", ["multi_hot", "count", "tf_idf"])
@pytest.mark.parametrize("size", [6, 12])
def test_counts_are_those_of_keras(tmp_path: Path, output: str, size: int):
    """A column for other words, one for each word, and zeros up to the size of the vocabulary."""
    feature = replace(WORDS, vocabulary_size=size, output=output)
    layer = vectorization(max_tokens=size, output_mode=output, pad_to_max_tokens=True)
    expected = np.asarray(layer([each or "" for each in TEXTS]))
    dataset = load(source_of(reviews(tmp_path, "csv"), x=feature))
    np.testing.assert_allclose(values(dataset), expected, rtol=1e-5)
    assert values(dataset).shape == (8, size)
    assert dataset.inputs["x"].num_categories is None
    on_demand = load(source_of(reviews(tmp_path, "csv"), x=feature), dataset)
    np.testing.assert_array_equal(values(on_demand), values(dataset))


@pytest.mark.parametrize("output", ["multi_hot", "count", "tf_idf"])
def test_phrases_are_those_of_keras(tmp_path: Path, output: str):
    """Words and phrases of up to three words, whose order differs among equally frequent ones."""
    feature = replace(WORDS, vocabulary_size=100, output=output, ngrams=3)
    layer = vectorization(max_tokens=100, output_mode=output, pad_to_max_tokens=True, ngrams=3)
    expected = np.asarray(layer([each or "" for each in TEXTS]))
    dataset = load(source_of(reviews(tmp_path, "csv"), x=feature))
    vocabulary = dataset.preprocessing.schema.features["x"].vocabulary
    columns = [0, *(layer.get_vocabulary().index(each) for each in vocabulary)]
    assert max(len(each.split()) for each in vocabulary) == 3
    assert sorted(columns) == [*range(len(layer.get_vocabulary()))]
    counts = values(dataset)
    np.testing.assert_allclose(counts[:, : len(columns)], expected[:, columns], rtol=1e-5)
    assert not counts[:, len(columns) :].any()
    on_demand = load(source_of(reviews(tmp_path, "csv"), x=feature), dataset)
    np.testing.assert_array_equal(values(on_demand), counts)
    fewest = load(source_of(reviews(tmp_path, "csv"), x=replace(feature, vocabulary_size=6)))
    assert fewest.preprocessing.schema.features["x"].vocabulary == vocabulary[:5]


@pytest.mark.parametrize("tokenizer", ["characters", "words", "bpe", "wordpiece"])
def test_record_gives_the_same_tokens(
    tmp_path: Path, tokenizer: str, monkeypatch: pytest.MonkeyPatch
):
    """What `run.json` keeps is all that a tokenizer needs, whatever its kind."""
    monkeypatch.setattr(text_column, "_BATCH_BYTES", 10)
    feature = FeatureConfig(
        "text", tokenizer=tokenizer, vocabulary_size=290, sequence_length=40, lowercase=True
    )
    config = TokenizerConfig(tokenizer, 290, lowercase=True)
    path = reviews(tmp_path, "jsonl")
    expected = TextTokenizer.train(
        config, lambda: iter([TEXTS[row] or "" for row in TRAIN]), "the text"
    ).encode([each or "" for each in TEXTS])
    dataset = load(source_of(path, x=feature))
    schema = schema_from_dict(json.loads(json.dumps(schema_to_dict(dataset.preprocessing.schema))))
    recorded = replace(dataset, preprocessing=replace(dataset.preprocessing, schema=schema))
    monkeypatch.setattr(text_features, "_MAX_ENCODED_BYTES", 0)
    again = load(source_of(path, False, x=feature), recorded)
    assert isinstance(dataset.inputs["x"].column, ArrayColumn)
    assert isinstance(again.inputs["x"].column, LazyColumn)
    for row, ids in enumerate(expected):
        padded = [*(ids.tolist() or [UNK_ID]), *[0] * 40][:40]
        assert values(dataset)[row].tolist() == padded
        assert values(again)[row].tolist() == padded


def test_validation_rows_teach_nothing(tmp_path: Path):
    """Whatever they hold, the vocabulary and the training rows stay the same."""
    feature = replace(WORDS, vocabulary_size=20, output="tf_idf")
    first = load(source_of(reviews(tmp_path, "csv"), x=feature))
    texts = [each if row in TRAIN else "zebra " * 9 for row, each in enumerate(TEXTS)]
    second = load(source_of(reviews(tmp_path, "csv", texts), x=feature))
    assert second.preprocessing.schema.features == first.preprocessing.schema.features
    np.testing.assert_array_equal(values(second)[TRAIN], values(first)[TRAIN])
    assert values(second)[5, 0] > values(first)[5, 0]


def naive_truncation(first: list[int], second: list[int], length: int) -> None:
    """Remove tokens one by one from the longer text, and from the second of two equal ones."""
    while len(first) + len(second) > length:
        (first if len(first) > len(second) else second).pop()


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_of_texts(tmp_path: Path, kind: str):
    """As in BERT: `[CLS]`, each text with `[SEP]` after it, and the number of the text."""
    columns = {
        "premise": ["a b c", "a", "a b c a b c a", "", "c b a b c a", "a a"],
        "hypothesis": ["b", "c b a c b a b c", "a b c a b", "c", None, "b b b b b b b"],
        "y": [*range(6)],
    }
    features = {
        "segment": FeatureConfig(segments_of="x"),
        "x": FeatureConfig(columns=("premise", "hypothesis"), tokenizer="words", sequence_length=9),
    }
    dataset = load_source(
        source_of(write_table(tmp_path, kind, columns), **features), DataFileOpener()
    )
    ids = {
        word: number
        for number, word in enumerate(dataset.preprocessing.schema.features["x"].vocabulary, 5)
    }
    assert [*ids] == ["b", "a", "c"]
    for row in range(6):
        first, second = (
            [ids[word] for word in (columns[name][row] or "").split()]
            for name in ("premise", "hypothesis")
        )
        naive_truncation(first, second, 6)
        expected = [BEGIN_ID, *first, END_ID, *second, END_ID]
        padding = [0] * (9 - len(expected))
        assert values(dataset)[row].tolist() == [*expected, *padding]
        segments = [*[0] * (len(first) + 2), *[1] * (len(second) + 1), *padding]
        assert values(dataset, "segment")[row].tolist() == segments
    assert dataset.inputs["segment"].num_categories == 2
    assert dataset.preprocessing.schema.features["segment"].vocabulary == ()


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_lists_of_words(tmp_path: Path, kind: str):
    """They are the words of a text; a list with something else is not valid."""
    columns = {"text": [["EU", "rejects", "."], ["EU"], [], None], "y": [1, 2, 3, 4]}
    feature = FeatureConfig("text", tokenizer="words", sequence_length=3)
    path = write_table(tmp_path, kind, columns)
    dataset = load_source(source_of(path, x=feature), DataFileOpener())
    eu, dot, rejects = 5, 6, 7
    assert values(dataset).tolist() == [[eu, rejects, dot], [eu, 0, 0], [1, 0, 0], [1, 0, 0]]
    assert "2 texts empty" in " ".join(dataset.notes)
    write_table(tmp_path, kind, {"text": [["New York"], ["a"]], "y": [1, 2]})
    with pytest.raises(RunError, match="has 'New York' in a list of words, which is not a text"):
        load_source(source_of(path, x=feature), DataFileOpener())
    source = replace(source_of(path, x=feature), on_error="skip")
    assert load_source(source, DataFileOpener()).count == 1
    write_table(tmp_path, kind, {"text": [3, 4], "y": [1, 2]})
    with pytest.raises(RunError, match="3, not a text or a list of words"):
        load_source(source_of(path, x=feature), DataFileOpener())


def test_column_as_text_and_category(tmp_path: Path):
    """Inputs of different kinds may read one column."""
    features = {
        "x": FeatureConfig("code", tokenizer="words", sequence_length=1),
        "category": FeatureConfig("code", vocabulary=True),
        "number": FeatureConfig("code", normalize=True),
    }
    path = write_table(tmp_path, "csv", {"code": [1, 1, 2], "y": [1, 2, 3]})
    dataset = load_source(source_of(path, **features), DataFileOpener())
    assert values(dataset).tolist() == [[5], [5], [6]]
    assert values(dataset, "category").tolist() == [1, 1, 2]
    assert values(dataset, "number")[0] == values(dataset, "number")[1]


def test_empty_texts(tmp_path: Path):
    """There is nothing to learn from."""
    feature = replace(WORDS, sequence_length=2)
    with pytest.raises(RunError, match="'text' has no text"):
        load(source_of(reviews(tmp_path, "csv", [""] * 8), x=feature))


@pytest.mark.parametrize(
    "change",
    [
        {"vocabulary": tuple(map(str, range(200)))},
        {"idf": (1.0,)},
        {"merges": (("a", "b"),)},
    ],
)
def test_record_that_does_not_suit(tmp_path: Path, change: dict[str, object]):
    """A record may come from a stranger."""
    feature = replace(WORDS, vocabulary_size=7, output="tf_idf")
    path = reviews(tmp_path, "csv")
    dataset = load(source_of(path, x=feature))
    schema = dataset.preprocessing.schema
    damaged = replace(schema, features={"x": replace(schema.features["x"], **change)})
    preprocessing = replace(dataset.preprocessing, schema=damaged)
    with pytest.raises(RunError, match="'x' differs from that of the training set"):
        load(source_of(path, x=feature), replace(dataset, preprocessing=preprocessing))


def test_damaged_merges(tmp_path: Path):
    """Byte pairs whose tokens are not in the vocabulary are an error, not a crash."""
    feature = FeatureConfig("text", tokenizer="bpe", vocabulary_size=270, sequence_length=4)
    path = reviews(tmp_path, "csv")
    dataset = load(source_of(path, x=feature))
    schema = dataset.preprocessing.schema
    fitted = replace(schema.features["x"], merges=(("no", "where"),))
    preprocessing = replace(dataset.preprocessing, schema=replace(schema, features={"x": fitted}))
    with pytest.raises(RunError, match="the vocabulary of a tokenizer is damaged"):
        load(source_of(path, x=feature), replace(dataset, preprocessing=preprocessing))


NET = """
archbuilder: 1
name: net
inputs: {review: {shape: [6], dtype: int32}}
layers:
  - Embedding: {input_dim: SIZE, output_dim: 4, mask_zero: true}
  - GlobalAveragePooling1D
  - Dense: {units: 2, activation: softmax}
data:
  csv:
    file: table.csv
    inputs: {review: {column: text, tokenizer: bpe, vocabulary_size: 280, sequence_length: 6}}
    target: label
training: {loss: SparseCategoricalCrossentropy, epochs: 2, batch_size: 2, validation_split: 0.25,
  checkpoint_every_seconds: 0}
"""


def test_run_with_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Resume, evaluation and prediction use the tokenizer of the run."""
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path, "csv", {"text": TEXTS, "label": ["pos", "neg"] * 4})
    Path("net.yaml").write_text(NET.replace("SIZE", "100"))
    assert main(["inspect-data", "net.yaml"]) == 1
    error = capsys.readouterr().err
    assert "takes integers from 0 to 99: write 280, or limit the vocabulary with" in error
    assert "'vocabulary_size'" in error
    Path("net.yaml").write_text(NET.replace("SIZE", "280"))
    assert main(["train", "net.yaml", "--run-dir", "run", "--epochs", "1"]) == 0
    assert main(["train", "--resume", "run", "--epochs", "2"]) == 0
    model = keras.saving.load_model("run/net.keras")
    record = json.loads(Path("run/run.json").read_text())["schema"]["features"]["review"]
    ids = {token: number for number, token in enumerate(record["vocabulary"], len(SPECIAL_TOKENS))}
    # A text of single bytes and of one merge, in a file without labels.
    merged = record["merges"][0].replace(" ", "")
    Path("new.csv").write_text(f'text\nxQ{merged}\n""\n')
    capsys.readouterr()
    assert main(["predict", "run", "new.csv"]) == 0
    rows = [*csv.DictReader(capsys.readouterr().out.splitlines())]
    tokens = np.array([[ids["x"], ids["Q"], ids[merged], 0, 0, 0], [1, *[0] * 5]], np.int32)
    np.testing.assert_allclose(
        [float(row["pos"]) for row in rows], np.asarray(model(tokens))[:, 1], rtol=1e-5
    )
    assert main(["evaluate", "run"]) == 0


WORD_LISTS = [["EU", "rejects", "German", "call"], ["Peter", "Blackburn"], ["EU"], [], ["a", "b"]]
LABEL_LISTS = [["ORG", "O", "MISC", "O"], ["PER", "PER"], ["ORG"], [], ["O", "O"]]
WORD_FEATURE = FeatureConfig("tokens", tokenizer="words", sequence_length=3)
LABELS = FeatureConfig("tags", labels_of="words")


def labeled(folder: Path, kind: str, labels: Sequence[Sequence[str]] = LABEL_LISTS) -> DataPath:
    """Lists of words and labels; in `csv` as text."""
    columns: dict[str, Sequence[object]] = {"tokens": WORD_LISTS, "tags": labels}
    if kind == "csv":
        columns = {name: [" ".join(each) for each in lists] for name, lists in columns.items()}
    return write_table(folder, kind, columns)


def label_source(path: DataPath, labels: FeatureConfig = LABELS, **options: object) -> DataSource:
    source = {"csv": Csv, "parquet": Parquet, "jsonl": Jsonl}[path.path.rpartition(".")[2]]
    key = "targets" if source is Jsonl else "target"
    return source(path, inputs={"words": WORD_FEATURE}, **{key: {"tag": labels}}, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_words(tmp_path: Path, kind: str):
    """A class for each word, truncated as the words, and -1 for padding."""
    path = labeled(tmp_path, kind)
    dataset = load_source(label_source(path), DataFileOpener())
    ids = {
        word: number
        for number, word in enumerate(dataset.preprocessing.schema.features["words"].vocabulary, 5)
    }
    labels = dataset.targets["tag"].numpy(np.arange(5))
    assert dataset.preprocessing.schema.classes == {"tag": ("MISC", "O", "ORG", "PER")}
    for row, words in enumerate(WORD_LISTS):
        expected = [["MISC", "O", "ORG", "PER"].index(each) for each in LABEL_LISTS[row]]
        assert labels[row].tolist() == [*expected, -1, -1, -1][:3]
        tokens = [ids[each] for each in words] or [UNK_ID]
        assert values(dataset, "words")[row].tolist() == [*tokens, 0, 0, 0][:3]
    assert "4 classes of words: 'MISC' = 0, 'O' = 1" in " ".join(dataset.notes)
    chosen = replace(LABELS, vocabulary=("O", "PER", "ORG", "MISC", "LOC"))
    reordered = load_source(label_source(path, chosen), DataFileOpener())
    assert reordered.targets["tag"].numpy(np.array([0])).tolist() == [[2, 0, 3]]
    # Other data has the classes of the training data.
    few = [["PER", "O", "O", "O"], ["PER", "PER"], ["O"], [], ["O", "O"]]
    path = labeled(tmp_path, kind, few)
    again = load_source(label_source(path), DataFileOpener(), dataset.preprocessing)
    assert again.targets["tag"].numpy(np.array([0])).tolist() == [[3, 1, 1]]
    path = labeled(tmp_path, kind, [["X", "O", "O", "O"], *few[1:]])
    with pytest.raises(RunError, match=r"'X' in .*'tags', which is not a class of the training"):
        load_source(label_source(path), DataFileOpener(), dataset.preprocessing)


@pytest.mark.parametrize("kind", KINDS)
def test_as_many_labels_as_words(tmp_path: Path, kind: str):
    """An example with more or fewer is an error, or skipped."""
    path = labeled(tmp_path, kind, [LABEL_LISTS[0], ["PER"], *LABEL_LISTS[2:]])
    message = r"has 2 words in .*'tokens', and 1 label in .*'tags'"
    with pytest.raises(RunError, match=message):
        load_source(label_source(path), DataFileOpener())
    dataset = load_source(label_source(path, on_error="skip"), DataFileOpener())
    assert dataset.count == 4
    assert "skipped 1 of 5" in " ".join(dataset.notes)
    path = labeled(tmp_path, kind, [[]] * 5)
    with pytest.raises(RunError, match="has 4 words in"):
        load_source(label_source(path), DataFileOpener())


@pytest.mark.parametrize("tokenizer", ["wordpiece", "bpe", "characters"])
@pytest.mark.parametrize("is_framed", [False, True])
def test_labels_of_words_in_parts(tmp_path: Path, tokenizer: str, is_framed: bool):
    """The first token of a word has its label, as in the token classification of Hugging Face."""
    columns = {"columns": ("tokens",)} if is_framed else {"column": "tokens"}
    words = FeatureConfig(
        tokenizer=tokenizer, vocabulary_size=290, sequence_length=9, lowercase=True, **columns
    )
    source = replace(label_source(labeled(tmp_path, "jsonl")), inputs={"words": words})
    dataset = load_source(source, DataFileOpener())
    recorded = dataset.preprocessing.schema.features["words"]
    encoder = TextTokenizer.from_vocabulary(
        words.tokenizer_config, Vocabulary(recorded.vocabulary, recorded.merges)
    )
    classes = dataset.preprocessing.schema.classes["tag"]
    labels = dataset.targets["tag"].numpy(np.arange(5))
    for row, (word_list, label_list) in enumerate(zip(WORD_LISTS, LABEL_LISTS, strict=True)):
        ids, expected = [], []
        for number, (word, label) in enumerate(zip(word_list, label_list, strict=True)):
            # Bytes of a word include the space before it, and a space is a character.
            text = f" {word}" if number and tokenizer != "wordpiece" else word
            (tokens,) = encoder.encode([text])
            is_space = number > 0 and tokenizer == "characters"
            ids += tokens.tolist()
            rest = len(tokens) - 1 - is_space
            expected += [*[-1] * is_space, classes.index(label), *[-1] * rest]
        frame = 1 if is_framed else 0
        expected = [*[-1] * frame, *expected[: 9 - 2 * frame], *[-1] * 9][:9]
        ids = [BEGIN_ID, *ids[:7], END_ID] if is_framed else ids or [UNK_ID]
        assert values(dataset, "words")[row].tolist() == [*ids, *[0] * 9][:9]
        assert labels[row].tolist() == expected
    assert (labels >= 0).any(axis=1).tolist() == [True, True, True, False, True]


TAGGER = """
archbuilder: 1
name: net
inputs: {words: {shape: [4], dtype: int32}}
layers:
  - Embedding: {input_dim: 20, output_dim: 4}
  - {Dense: {units: 4, activation: softmax}, name: tag}
outputs: {tag: tag}
data:
  jsonl:
    file: table.jsonl
    inputs: {words: {column: tokens, tokenizer: words, sequence_length: 4}}
    targets: {tag: {column: tags, labels_of: words}}
training: {loss: LOSS, metrics: [accuracy], epochs: 1, batch_size: 2,
  validation_split: 0.4, shuffle: false}
"""


def test_run_with_labels_of_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Padding has no part in the loss and in the metrics, and predictions have labels."""
    monkeypatch.chdir(tmp_path)
    path = labeled(tmp_path, "jsonl")
    Path("net.yaml").write_text(TAGGER.replace("LOSS", "SparseCategoricalCrossentropy"))
    assert main(["train", "net.yaml", "--run-dir", "none"]) == 1
    assert "write 'ignore_class: -1' of the loss to ignore them" in capsys.readouterr().err
    loss = "{SparseCategoricalCrossentropy: {ignore_class: -1}}"
    Path("net.yaml").write_text(TAGGER.replace("LOSS", loss))
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    record = json.loads(Path("run/run.json").read_text())
    model = keras.saving.load_model("run/net.keras")
    dataset = load_source(
        replace(label_source(path), inputs={"words": replace(WORD_FEATURE, sequence_length=4)}),
        DataFileOpener(),
        None,
        SplitPlan(SplitConfig(last=0.4)),
    )
    tokens = values(dataset, "words")[3:]
    probabilities = np.asarray(model(tokens))
    # The last two rows: one without words, and one with two words, both of the class `O`.
    expected = -np.log(probabilities[1, :2, 1]).mean()
    metrics = record["validation_metrics"]
    assert metrics["loss"] == pytest.approx(float(expected), rel=1e-5)
    accuracy = (probabilities[1, :2].argmax(axis=-1) == 1).mean()
    assert metrics["accuracy"] == pytest.approx(float(accuracy))
    Path("new.jsonl").write_text(json.dumps({"tokens": WORD_LISTS[4]}) + "\n")
    capsys.readouterr()
    assert main(["predict", "run", "new.jsonl", "--format", "jsonl"]) == 0
    prediction = json.loads(capsys.readouterr().out)
    names = record["schema"]["classes"]["tag"]
    assert prediction["class"] == [names[each] for each in probabilities[1].argmax(axis=-1)]
    assert main(["predict", "run", "new.jsonl"]) == 0


def test_row_with_two_bad_texts(tmp_path: Path):
    """It is one bad record."""
    texts = [["a", "b"], ["b c"], ["c"]]
    path = write_table(tmp_path, "parquet", {"a": texts, "b": texts, "y": [0, 1, 0]})
    feature = FeatureConfig(columns=("a", "b"), tokenizer="words", sequence_length=8)
    source = Parquet(path, "y", inputs={"x": feature}, on_error="skip")
    dataset = load_source(source, DataFileOpener())
    assert dataset.count == 2
    assert any(
        note.startswith("skipped 1 of 3 rows: column 'a' of row 2") for note in dataset.notes
    )
