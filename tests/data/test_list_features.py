"""Lists of varying length, compared with Keras's `pad_sequences` and its preprocessing layers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.feature_tables import KINDS, source_of, write_table
from helpers.graphs import SPAN
from keras.utils import pad_sequences

from archbuilder.cli import main
from archbuilder.compiler.ir import GraphInput
from archbuilder.config.data_schema import schema_from_dict, schema_to_dict
from archbuilder.config.sources import DataPath, DataSource, FeatureConfig, Jsonl
from archbuilder.config.sources.base import SkippableSource
from archbuilder.config.split import SplitConfig, SplitPlan
from archbuilder.data import list_features
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.input_checks import adapt_input
from archbuilder.data.pipeline import AdaptedDataset, BatchPipeline, train_batches
from archbuilder.data.position import TrainingPosition
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import RunError

NUMBERS = [[3, 1, 4], [], [1.5], [9, 2, 6, 5], [3], [5, 8], [9, 7, 9], [3, 2]]
WORDS = [["b", "a"], ["a"], [], ["c", "a", "a"], ["b"], ["d"], ["b", "c"], ["a", "z"]]
VECTORS = [[[each, each**2] for each in row] for row in NUMBERS]
TRAIN = np.array([0, 1, 2, 4, 5, 7])
PLAN = SplitPlan(SplitConfig(0.25), seed=7)
"""Holds out the other two of eight rows."""


def write(folder: Path, kind: str, **columns: Sequence[Sequence[object]]) -> DataPath:
    """A table of lists, which are texts with a semicolon in csv, and a target."""
    texts = {
        name: [";".join(map(str, each)) for each in lists] if kind == "csv" else lists
        for name, lists in columns.items()
    }
    return write_table(folder, kind, {**texts, "y": [*range(len(NUMBERS))]})


def load(source: DataSource, fitted: SourceDataset | None = None) -> SourceDataset:
    preprocessing = None if fitted is None else fitted.preprocessing
    return load_source(source, DataFileOpener(), preprocessing, PLAN)


def values(dataset: SourceDataset, name: str = "x") -> np.ndarray:
    column = dataset.inputs[name].column
    return np.asarray(column.gather(np.arange(column.count)))


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_pad_sequences(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch):
    """Padding and truncation at either end are those of Keras, and a mask says where values are."""
    path = write(tmp_path, kind, x=NUMBERS)
    for padding in ("pre", "post"):
        for truncating in ("pre", "post"):
            options = {"padding": padding, "truncating": truncating}
            feature = FeatureConfig("x", length=3, separator=";", **options)
            mask = FeatureConfig(mask_of="x")
            dataset = load(source_of(path, x=feature, m=mask))
            expected = pad_sequences(NUMBERS, 3, "float64", **options)
            np.testing.assert_array_equal(values(dataset), expected)
            ones = [np.ones(len(each)) for each in NUMBERS]
            np.testing.assert_array_equal(
                values(dataset, "m"), pad_sequences(ones, 3, "bool", **options)
            )
            assert dataset.notes[-1].endswith("lists of 0 to 3 values")
    # Lists that are not in memory are padded when they are read.
    monkeypatch.setattr(list_features, "_MAX_PADDED_BYTES", 0)
    read = load(source_of(path, False, x=feature))
    np.testing.assert_array_equal(values(read), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_normalized(tmp_path: Path, kind: str):
    """With the mean and deviation of the values of the training set; padding stays 0."""
    feature = FeatureConfig("x", length=5, separator=";", normalize=True)
    dataset = load(source_of(write(tmp_path, kind, x=NUMBERS), x=feature))
    layer = keras.layers.Normalization(axis=None)
    layer.adapt(np.concatenate([NUMBERS[row] for row in TRAIN]))
    scaled = [np.asarray(layer(np.array(each, float))) for each in NUMBERS]
    expected = pad_sequences(scaled, 5, "float64", padding="post")
    np.testing.assert_allclose(values(dataset), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_categories_are_string_lookup(tmp_path: Path, kind: str):
    """0 is padding, 1 are other categories, and those of the training set follow, as in Keras.

    An empty list is one missing category.
    """
    feature = FeatureConfig("x", length=3, separator=";", vocabulary=True, min_count=2)
    path = write(tmp_path, kind, x=WORDS)
    dataset = load(source_of(path, x=feature))
    lookup = keras.layers.StringLookup(vocabulary=["a", "b"], mask_token="", num_oov_indices=1)
    indices = [np.asarray(lookup(np.array(each or ["?"]))) for each in WORDS]
    expected = pad_sequences(indices, 3, padding="post")
    np.testing.assert_array_equal(values(dataset), expected)
    assert dataset.inputs["x"].num_categories == 4
    assert (
        "4 categories (1 padding, 1 out-of-vocabulary), 1 missing, 2 of 5 held-out values are not"
        " among them, lists of 1 to 2" in dataset.notes[-1]
    )
    # Other data has the vocabulary of the training set.
    again = load(source_of(path, x=feature), dataset)
    np.testing.assert_array_equal(values(again), expected)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_vectors(tmp_path: Path, kind: str):
    """Lists of lists have an axis more, and statistics for each of its positions."""
    feature = FeatureConfig("x", length=4, normalize=True)
    dataset = load(source_of(write(tmp_path, kind, x=VECTORS), x=feature))
    layer = keras.layers.Normalization(axis=-1)
    layer.adapt(np.concatenate([np.array(VECTORS[row]).reshape(-1, 2) for row in TRAIN]))
    scaled = [np.asarray(layer(np.array(each, float).reshape(-1, 2))) for each in VECTORS]
    expected = np.zeros((8, 4, 2))
    for row, vectors in enumerate(scaled):
        expected[row, : len(vectors)] = vectors
    np.testing.assert_allclose(values(dataset), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("normalize", [True, None])
def test_lists_without_any_value(tmp_path: Path, normalize: bool | None):
    """Vectors have the form of the training set's; a field that is missing is an empty list."""
    feature = FeatureConfig("x", length=5, normalize=normalize)
    dataset = load(source_of(write(tmp_path, "jsonl", x=VECTORS), x=feature))
    path = write_table(tmp_path, "jsonl", {"x": [[], None], "y": [0, 0]})
    Path(path.path).write_text(Path(path.path).read_text() + '{"y": 0}\n')
    schema = schema_from_dict(schema_to_dict(dataset.preprocessing.schema))
    fitted = replace(dataset, preprocessing=replace(dataset.preprocessing, schema=schema))
    np.testing.assert_array_equal(
        values(load(source_of(path, x=feature), fitted)), np.zeros((3, 5, 2))
    )
    with pytest.raises(RunError, match="'x' has no value in any list of the training set"):
        load_source(source_of(path, x=feature), DataFileOpener())


def test_integers_stay_exact(tmp_path: Path):
    """Large ids are not rounded, and those that float64 would round among fractions are errors."""
    lists = [[2**53 + 1, 1], [2**63]] + [[]] * 6
    feature = FeatureConfig("x", length=2)
    dataset = load(source_of(write(tmp_path, "jsonl", x=lists), x=feature))
    assert values(dataset).dtype == np.uint64
    assert values(dataset)[:2].tolist() == [[2**53 + 1, 1], [2**63, 0]]
    path = write(tmp_path, "jsonl", x=[[2**53 + 1], [0.5]] + [[]] * 6)
    with pytest.raises(RunError, match=r"line 1 of '.*' has 9007199254740993 in the field 'x'"):
        load(source_of(path, x=feature))


def test_lists_of_dates(tmp_path: Path):
    """Parquet has lists of other types, too."""
    path = write(tmp_path, "parquet", x=[[date(2024, 1, 31)]] * 8)
    message = r"column 'x' of row 1 of '.*' contains list<.*date32.*>, not lists of numbers or str"
    with pytest.raises(RunError, match=message):
        load(source_of(path, x=FeatureConfig("x", length=3, vocabulary=True)))


def test_lists_larger_than_the_memory(tmp_path: Path):
    """A length of a million vectors of 100,000 numbers is refused before one is padded."""
    path = tmp_path / "lists.jsonl"
    path.write_text(json.dumps({"x": [[0] * 100_000], "y": 0}) + "\n")
    source = source_of(DataPath(str(path)), x=FeatureConfig("x", length=1_000_000))
    with pytest.raises(RunError, match=r"an example of the field 'x' holds .* more than half"):
        load_source(source, DataFileOpener())


@pytest.mark.parametrize("kind", KINDS)
def test_lists_of_bad_records_are_skipped(tmp_path: Path, kind: str):
    """A list that is too long, or has a value of a wrong type, makes its row a bad record."""
    wrong: object = "7;oops" if kind == "csv" else [7.5, 8.5, 9.5, 10.5]
    lists = [";".join(map(str, each)) for each in NUMBERS] if kind == "csv" else [*NUMBERS]
    lists[1] = wrong
    path = write_table(tmp_path, kind, {"x": lists, "y": [*range(8)]})
    source = source_of(path, x=FeatureConfig("x", length=4 if kind == "csv" else 3, separator=";"))
    with pytest.raises(RunError, match=r"column 'x'|the field 'x'"):
        load(source)
    assert isinstance(source, SkippableSource)
    dataset = load_source(replace(source, on_error="skip"), DataFileOpener())
    valid = [row for row in range(8) if row != 1 and (kind == "csv" or row != 3)]
    length = dataset.inputs["x"].shape[0]
    expected = pad_sequences([NUMBERS[row] for row in valid], length, "float64", padding="post")
    np.testing.assert_array_equal(values(dataset), expected)
    assert dataset.targets[""].count == len(valid)


LENGTHS = (2, 3, 6)


@pytest.fixture(scope="module")
def lists() -> list[list[float]]:
    rng = np.random.default_rng(3)
    return [rng.random(size).tolist() for size in rng.integers(0, 7, 45)]


@pytest.fixture(scope="module")
def dataset(lists: list[list[float]], tmp_path_factory: pytest.TempPathFactory) -> AdaptedDataset:
    """Lists and their masks, whose batches are padded to the least of several lengths."""
    path = tmp_path_factory.mktemp("lists") / "lists.jsonl"
    path.write_text("".join(json.dumps({"x": each, "y": 0}) + "\n" for each in lists))
    inputs = {"x": FeatureConfig("x", length=LENGTHS), "m": FeatureConfig(mask_of="x")}
    source = load_source(Jsonl(DataPath(str(path)), inputs=inputs, targets="y"), DataFileOpener())
    adapted = {
        name: adapt_input(source.inputs[name], GraphInput(name, (None,), "float32", SPAN))
        for name in inputs
    }
    return AdaptedDataset(adapted, {}, np.arange(45), named_inputs=True, named_outputs=True)


def batches(dataset: AdaptedDataset, epoch: int = 0, batch: int = 0) -> BatchPipeline:
    """The step, the rows and the inputs of batches."""
    start = TrainingPosition(epoch, batch)
    pipeline = train_batches(dataset, start, batch_size=4, seed=5, epochs=3)
    return pipeline.map(lambda share, batch: (share.step, share.rows, batch[0]))


def test_batches_have_the_least_length(dataset: AdaptedDataset, lists: list[list[float]]):
    """Each epoch has all examples, in batches that are cut to their lists and rarely padded."""
    numpy_batches = [*batches(dataset).dataset().as_numpy_iterator()]
    epochs = np.split(np.concatenate([rows for _, rows, _ in numpy_batches]), 3)
    assert all(sorted(epoch) == [*range(45)] for epoch in epochs)
    assert not np.array_equal(epochs[0], epochs[1])
    num_padded, seen = 0, set()
    for _, rows, inputs in numpy_batches:
        longest = max(len(lists[row]) for row in rows)
        length = next(each for each in LENGTHS if each >= longest)
        expected = pad_sequences([lists[row] for row in rows], length, "float32", padding="post")
        np.testing.assert_array_equal(inputs["x"], expected)
        np.testing.assert_array_equal(inputs["m"], expected != 0)
        num_padded += np.count_nonzero(expected == 0)
        seen.add(length)
    assert seen == {*LENGTHS}
    # All lists in the largest length would have about half of it.
    assert num_padded < 3 * (45 * 6 - sum(map(len, lists))) / 2


def test_batches_resume(dataset: AdaptedDataset):
    """A run that starts anywhere has the batches of an uninterrupted one."""
    uninterrupted = [*batches(dataset).dataset().as_numpy_iterator()]
    for epoch, batch in ((0, 7), (2, 3)):
        resumed = batches(dataset, epoch, batch).dataset().as_numpy_iterator()
        expected = uninterrupted[epoch * 12 + batch :]
        for (step, rows, inputs), (expected_step, expected_rows, expected_inputs) in zip(
            resumed, expected, strict=True
        ):
            assert step == expected_step
            np.testing.assert_array_equal(rows, expected_rows)
            np.testing.assert_array_equal(inputs["x"], expected_inputs["x"])


def test_shares_of_a_batch_have_its_length(dataset: AdaptedDataset):
    """Those of two workers together are the batch."""
    pipeline = batches(dataset)
    first = pipeline.dataset(lambda size: (tf.constant(0), size // 2)).as_numpy_iterator()
    second = pipeline.dataset(lambda size: (size // 2, size)).as_numpy_iterator()
    for (_, _, batch), *shares in zip(
        pipeline.dataset().as_numpy_iterator(), first, second, strict=True
    ):
        joined = np.concatenate([inputs["x"] for _, _, inputs in shares])
        np.testing.assert_array_equal(joined, batch["x"])


NET = """
archbuilder: 1
name: net
params: {items: {from_data: items.vocabulary_size, default: 9}}
inputs:
  items: {shape: [null], dtype: int32}
  ratings: [null]
  points: [null, 2]
  is_point: [null]
layers:
  - {Embedding: {input_dim: $items, output_dim: 3, mask_zero: true}, from: items}
  - {GlobalAveragePooling1D: , name: history}
  - {Reshape: [-1, 1], from: ratings}
  - {Masking: , name: rated}
  - {GlobalAveragePooling1D: , name: rates}
  - {Reshape: [-1, 1], from: is_point, name: weights}
  - {Dense: {units: 3, activation: tanh}, from: points}
  - {Multiply: , from: [previous, weights]}
  - {ops.sum: {axis: 1}, name: sum}
  - {Concatenate: , from: [history, rates, sum]}
  - {Dense: 1, name: y}
data:
  jsonl:
    file: lists.jsonl
    inputs:
      items: {column: items, vocabulary: true, length: [2, 4, 8], truncating: pre}
      ratings: {column: ratings, length: 8, padding: pre, normalize: true}
      points: {column: points, length: [4, 8]}
      is_point: {mask_of: points}
    targets: y
training: {loss: MeanSquaredError, optimizer: {Adam: 0.05}, epochs: 2, batch_size: 3,
  validation_split: 0.25, checkpoint_every_seconds: 0}
"""


def test_run_with_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """It resumes, and its predictions and its loss are those of Keras."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = []
    for size in rng.integers(1, 10, 20):
        items = rng.choice([*"abcd"], size).tolist()
        numbers = rng.random((min(size, 8), 2)).tolist()
        ratings = [each for each, _ in numbers]
        rows.append({"items": items, "ratings": ratings, "points": numbers, "y": float(size)})
    Path("lists.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("net.yaml").write_text(NET)
    assert main(["train", "net.yaml", "--run-dir", "run", "--epochs", "1"]) == 0
    assert main(["train", "--resume", "run", "--epochs", "2"]) == 0
    capsys.readouterr()
    assert main(["predict", "run", "lists.jsonl"]) == 0
    predicted = [float(line.split(",")[1]) for line in capsys.readouterr().out.splitlines()[1:]]
    feature = json.loads(Path("run/run.json").read_text())["schema"]["features"]
    indices = {word: index for index, word in enumerate(feature["items"]["vocabulary"], 2)}
    (mean,), (std,) = feature["ratings"]["mean"], feature["ratings"]["std"]
    items = [[indices[word] for word in row["items"]] for row in rows]
    ratings = [[(each - mean) / std for each in row["ratings"]] for row in rows]
    points = np.zeros((20, 8, 2), np.float32)
    for number, row in enumerate(rows):
        points[number, : len(row["points"])] = row["points"]
    inputs = {
        "items": pad_sequences(items, 8, padding="post", truncating="pre"),
        "ratings": pad_sequences(ratings, 8, "float32"),
        "points": points,
        "is_point": points.any(axis=2),
    }
    expected = keras.saving.load_model("run/net.keras").predict(inputs, verbose=0)[:, 0]
    np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-5)
    assert main(["evaluate", "run", "--data", "lists.jsonl"]) == 0
    loss = np.mean((expected - [row["y"] for row in rows]) ** 2)
    assert float(re.findall(r"loss +([\d.]+)", capsys.readouterr().out)[-1]) == pytest.approx(
        loss, rel=1e-4
    )
