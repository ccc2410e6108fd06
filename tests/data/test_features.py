"""Features of tables, compared with NumPy and with Keras's own preprocessing layers."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.feature_tables import KINDS, source_of, write_table
from helpers.subprocesses import in_workers

from archbuilder.cli import main
from archbuilder.config.sources import Csv, DataPath, DataSource, FeatureConfig, Jsonl, Parquet
from archbuilder.config.split import SplitConfig, SplitPlan
from archbuilder.data import columns as columns_module
from archbuilder.data import features as features_module
from archbuilder.data.columns import LazyColumn
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.data.sources import category_writer, load_source
from archbuilder.diagnostics.errors import RunError

Values = list[float | int | str | None]
TRAIN = np.array([0, 1, 2, 4, 5, 7])
PLAN = SplitPlan(SplitConfig(0.25), seed=7)
"""Holds out the other two of eight rows."""
LAST = SplitPlan(SplitConfig(last=0.2))
"""Holds out the last row of two to five."""
COLUMNS: Mapping[str, Values] = {
    "age": [39, None, 38, 53, 28.5, 37, None, 52],
    "gain": [0, 2174, 0, 14084, 3, 7, 100, 9],
    "work": ["State", "Private", "Private", None, "Self", "Private", "State", "Self"],
    "code": [3, 1, 3, 3, 2, 2, 1, None],
    "y": [1, 2, 3, 4, 5, 6, 7, 8],
}


def write(folder: Path, kind: str, columns: Mapping[str, Values] = COLUMNS) -> DataPath:
    """The columns in a file of a kind."""
    return write_table(folder, kind, columns)


def load(source: DataSource, fitted: SourceDataset | None = None) -> SourceDataset:
    preprocessing = None if fitted is None else fitted.preprocessing
    return load_source(source, DataFileOpener(), preprocessing, PLAN)


def values(dataset: SourceDataset, name: str) -> np.ndarray:
    column = dataset.inputs[name].column
    return np.asarray(column.gather(np.arange(column.count)))


def floats(name: str) -> np.ndarray:
    return np.array([math.nan if each is None else each for each in COLUMNS[name]], float)


@pytest.mark.parametrize("kind", KINDS)
class TestNumbers:
    def test_normalize_is_keras_normalization(self, tmp_path: Path, kind: str):
        """The mean and the population standard deviation of the training rows, as in Keras."""
        source = source_of(write(tmp_path, kind), x=FeatureConfig("gain", normalize=True))
        layer = keras.layers.Normalization(axis=None)
        gains = floats("gain")
        layer.adapt(gains[TRAIN])
        dataset = load(source)
        assert values(dataset, "x").shape == (8,)
        np.testing.assert_allclose(values(dataset, "x"), np.asarray(layer(gains)), rtol=1e-5)
        fitted = dataset.preprocessing.schema.features["x"]
        assert fitted.mean == pytest.approx((gains[TRAIN].mean(),), rel=1e-14)
        assert fitted.std == pytest.approx((gains[TRAIN].std(),), rel=1e-14)

    @pytest.mark.parametrize(
        ("missing", "replacement"), [("mean", np.nanmean), ("median", np.nanmedian), (7, None)]
    )
    def test_missing_numbers_are_replaced(
        self, tmp_path: Path, kind: str, missing: str | int, replacement: Callable | None
    ):
        """By the mean or median of the training rows, or by a number, before all else."""
        feature = FeatureConfig("age", missing=missing, normalize=True)
        ages = floats("age")
        fill = missing if replacement is None else replacement(ages[TRAIN])
        filled = np.where(np.isnan(ages), fill, ages)
        expected = (filled - filled[TRAIN].mean()) / filled[TRAIN].std()
        dataset = load(source_of(write(tmp_path, kind), x=feature))
        np.testing.assert_allclose(values(dataset, "x"), expected, rtol=1e-13, atol=1e-13)

    def test_transform_clip_normalize(self, tmp_path: Path, kind: str):
        """In this order."""
        feature = FeatureConfig("gain", transform="log1p", clip=(1.5, 8), normalize=True)
        clipped = np.clip(np.log1p(floats("gain")), 1.5, 8)
        expected = (clipped - clipped[TRAIN].mean()) / clipped[TRAIN].std()
        dataset = load(source_of(write(tmp_path, kind), x=feature))
        np.testing.assert_allclose(values(dataset, "x"), expected, rtol=1e-13, atol=1e-13)

    def test_indicator_appends_flags(self, tmp_path: Path, kind: str):
        """What is missing is 0 after normalization, and has no part in the statistics."""
        feature = FeatureConfig(columns=("age", "gain"), missing="indicator", normalize=True)
        table = np.stack([floats("age"), floats("gain")], axis=1)
        means, deviations = np.nanmean(table[TRAIN], axis=0), np.nanstd(table[TRAIN], axis=0)
        flags = np.isnan(table)
        expected = np.concatenate([np.where(flags, 0, (table - means) / deviations), flags], axis=1)
        dataset = load(source_of(write(tmp_path, kind), x=feature))
        np.testing.assert_allclose(values(dataset, "x"), expected, rtol=1e-13, atol=1e-13)

    def test_columns_on_disk(self, tmp_path: Path, kind: str):
        """Columns that are read on demand have the same values."""
        features = {
            "x": FeatureConfig(columns=("age", "gain"), missing="median", normalize=True),
            "work": FeatureConfig("work", vocabulary=True),
        }
        path = write(tmp_path, kind)
        in_memory, read = (
            load(source_of(path, **features)),
            load(source_of(path, False, **features)),
        )
        assert isinstance(read.inputs["x"].column, LazyColumn)
        for name in features:
            np.testing.assert_array_equal(values(read, name), values(in_memory, name))
        assert read.preprocessing.schema == in_memory.preprocessing.schema

    def test_integers_stay_exact(self, tmp_path: Path, kind: str):
        """A feature that computes nothing keeps 64-bit integers, and NaN would round them."""
        large = 2**53 + 1
        columns: dict[str, Values] = {"id": [large, 1], "y": [0, 1]}
        source = source_of(write(tmp_path, kind, columns), x=FeatureConfig("id", missing=0))
        assert load_source(source, DataFileOpener()).inputs["x"].column.numpy(
            np.array([0])
        ).tolist() == [large]
        columns = {"id": [large, None], "y": [0, 1]}
        source = source_of(write(tmp_path, kind, columns), x=FeatureConfig("id", missing=0))
        with pytest.raises(RunError, match=r"no dtype represents|float64 would round"):
            load_source(source, DataFileOpener())

    def test_constant_column(self, tmp_path: Path, kind: str):
        """It becomes 0 rather than NaN, which is said."""
        columns: dict[str, Values] = {"a": [0.1] * 7, "y": [*range(7)]}
        source = source_of(write(tmp_path, kind, columns), x=FeatureConfig("a", normalize=True))
        dataset = load_source(source, DataFileOpener())
        np.testing.assert_allclose(values(dataset, "x"), np.zeros(7), atol=1e-15)
        assert "not scaled as constant: 'a'" in dataset.notes[-1]

    @pytest.mark.parametrize(
        ("feature", "message"),
        [
            (FeatureConfig("gain", transform="log"), r" \d+ of .* has 0.* 'log' takes numbers abo"),
            (
                FeatureConfig("age"),
                "(has no value in|column 'age' that is missing|shape|other than)",
            ),
            (FeatureConfig("work", missing=0), "(not a number|strings|other than numbers)"),
        ],
    )
    def test_invalid_numbers(self, tmp_path: Path, kind: str, feature: FeatureConfig, message: str):
        """They are errors with their location."""
        with pytest.raises(RunError, match=message):
            load(source_of(write(tmp_path, kind), x=feature))

    def test_nothing_to_learn_from(self, tmp_path: Path, kind: str):
        """A column without a number in the training set has no mean."""
        columns: dict[str, Values] = {"a": [None, 1.0], "y": [0, 1]}
        source = source_of(write(tmp_path, kind, columns), x=FeatureConfig("a", missing="mean"))
        with pytest.raises(
            RunError, match="'a' has no value in the training set, and 'missing: me"
        ):
            load_source(source, DataFileOpener(), None, LAST)


@pytest.mark.parametrize("kind", KINDS)
class TestCategories:
    def test_vocabulary_is_keras_string_lookup(self, tmp_path: Path, kind: str):
        """Words of the training rows by falling count; all others and missing ones are 0."""
        dataset = load(source_of(write(tmp_path, kind), x=FeatureConfig("work", vocabulary=True)))
        words = np.array([each or "" for each in COLUMNS["work"]])
        layer = keras.layers.StringLookup()
        layer.adapt(words[TRAIN])
        assert dataset.preprocessing.schema.features["x"].vocabulary == tuple(
            layer.get_vocabulary()[1:]
        )
        expected = np.where(words == "", 0, np.asarray(layer(words)))
        assert values(dataset, "x").tolist() == expected.tolist()

    def test_integers_are_words(self, tmp_path: Path, kind: str):
        """Equal counts are in alphabetical order."""
        source = source_of(write(tmp_path, kind), x=FeatureConfig("code", vocabulary=True))
        dataset = load(source)
        assert dataset.preprocessing.schema.features["x"].vocabulary == ("2", "3", "1")
        assert values(dataset, "x").tolist() == [2, 3, 2, 2, 1, 1, 3, 0]

    def test_size_of_vocabulary(self, tmp_path: Path, kind: str):
        """Rare words, those beyond the size, and those outside of a list are 0."""
        path = write(tmp_path, kind)
        features = {
            "often": FeatureConfig("work", vocabulary=True, min_count=2),
            "first": FeatureConfig("code", vocabulary=True, max_size=1),
            "listed": FeatureConfig("work", vocabulary=("Self", "Never")),
        }
        dataset = load(source_of(path, **features))
        # "Private" is three times in the training rows, "Self" twice and "State" once.
        assert values(dataset, "often").tolist() == [0, 1, 1, 0, 2, 1, 0, 2]
        held_out = [COLUMNS["work"][row] for row in range(8) if row not in TRAIN]
        num_unknown = sum(each not in (None, "Private", "Self") for each in held_out)
        note = f"{num_unknown} of {len(held_out)} held-out values are not among them"
        assert num_unknown > 0
        assert note in " ".join(dataset.notes)
        assert values(dataset, "first").tolist() == [0, 0, 0, 0, 1, 1, 0, 0]
        assert values(dataset, "listed").tolist() == [0, 0, 0, 0, 1, 0, 0, 1]

    def test_too_many_categories(self, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch):
        """A column of ids or of texts is an error, not a table that fills the memory."""
        source = source_of(write(tmp_path, kind), x=FeatureConfig("work", vocabulary=True))
        monkeypatch.setattr(category_writer, "_MAX_CHARS", 10)
        with pytest.raises(RunError, match="'work' has different values of more than 10 B,"):
            load(source)
        monkeypatch.setattr(category_writer, "MAX_CATEGORIES", 2)
        with pytest.raises(RunError, match="'work' has more than 2 different values"):
            load(source)


GENRES: Values = ["drama|comedy", "comedy", None, "drama | war|war", "comedy|noir"]


def test_record_of_vocabularies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One that is too large to be read again is an error before training."""
    monkeypatch.setattr(features_module, "_MAX_RECORD_BYTES", 50)
    source = source_of(write(tmp_path, "csv"), x=FeatureConfig("work", vocabulary=True))
    with pytest.raises(RunError, match="take 70 B in the record of the run, more than 50 B; limit"):
        load(source)


DATES: Values = ["2024-02-29", "1969-12-31T23:59:58.5", "2023-06-15 07:08:09", None]
PARTS = (
    "year",
    "month",
    "day",
    "weekday",
    "hour",
    "minute",
    "second",
    "day_of_year",
    "timestamp",
)


def parts_of(text: str) -> list[float]:
    """The parts of a date, by the standard library."""
    moment = datetime.fromisoformat(text)
    second = moment.second + moment.microsecond / 1e6
    return [
        moment.year,
        moment.month,
        moment.day,
        moment.weekday(),
        moment.hour,
        moment.minute,
        second,
        moment.timetuple().tm_yday,
        moment.replace(tzinfo=UTC).timestamp(),
    ]


@pytest.mark.parametrize("kind", KINDS)
class TestDates:
    def test_parts_of_dates(self, tmp_path: Path, kind: str):
        """As the standard library has them; a missing date has one flag."""
        columns: dict[str, Values] = {"when": DATES, "y": [1, 2, 3, 4]}
        feature = FeatureConfig("when", date=PARTS, missing="indicator")
        dataset = load_source(
            source_of(write(tmp_path, kind, columns), x=feature), DataFileOpener()
        )
        expected = [[*parts_of(str(each)), 0] for each in DATES[:3]]
        assert values(dataset, "x").tolist() == [*expected, [0] * len(PARTS) + [1]]

    def test_normalized_dates(self, tmp_path: Path, kind: str):
        """Parts are numbers as others: they are completed and normalized each on its own."""
        columns: dict[str, Values] = {"when": DATES, "y": [1, 2, 3, 4]}
        feature = FeatureConfig("when", date=("month", "hour"), missing="mean", normalize=True)
        path = write(tmp_path, kind, columns)
        dataset = load_source(source_of(path, x=feature), DataFileOpener())
        table = np.array([[2, 0], [12, 23], [6, 7]], float)
        table = np.concatenate([table, table.mean(axis=0, keepdims=True)])
        expected = (table - table.mean(axis=0)) / table.std(axis=0)
        np.testing.assert_allclose(values(dataset, "x"), expected, rtol=1e-13, atol=1e-13)

    def test_times_in_utc(self, tmp_path: Path, kind: str):
        """An offset is taken off, so that a time is the same in all formats."""
        columns: dict[str, Values] = {"when": ["2024-01-01T01:30+02:00"], "y": [1]}
        feature = FeatureConfig("when", date=("year", "hour", "timestamp"))
        dataset = load_source(
            source_of(write(tmp_path, kind, columns), x=feature), DataFileOpener()
        )
        seconds = datetime(2023, 12, 31, 23, 30, tzinfo=UTC).timestamp()
        assert values(dataset, "x").tolist() == [[2023, 23, seconds]]

    @pytest.mark.parametrize(
        ("cell", "message"),
        [
            ("31.01.2024", r"not a date as '2024-01-31' or '2024-01-31T23:59'$"),
            (None, "(has no value in column|that is missing|not a date)"),
        ],
    )
    def test_invalid_dates(self, tmp_path: Path, kind: str, cell: str | None, message: str):
        """They are errors with their location."""
        columns: dict[str, Values] = {"when": ["2024-01-31", cell], "y": [1, 2]}
        source = source_of(write(tmp_path, kind, columns), x=FeatureConfig("when", date=("day",)))
        with pytest.raises(RunError, match=message):
            load_source(source, DataFileOpener())


@pytest.mark.parametrize("arrow_type", [pa.date32(), pa.timestamp("ns", "Europe/Berlin")])
def test_dates_of_parquet(tmp_path: Path, arrow_type: pa.DataType):
    """Dates and times with a type of their own, in UTC."""
    moments = np.array(["2024-02-29", "NaT"], "datetime64[ns]")
    path = tmp_path / "t.parquet"
    dates = pa.array(moments).cast(pa.timestamp("ns", "UTC")).cast(pa.timestamp("ns"))
    pq.write_table(pa.table({"when": dates.cast(arrow_type), "y": [0, 1]}), path)
    feature = FeatureConfig("when", date=("day_of_year", "hour"), missing=0)
    dataset = load_source(source_of(DataPath(str(path)), x=feature), DataFileOpener())
    assert values(dataset, "x").tolist() == [[60, 0], [0, 0]]


@pytest.mark.parametrize("kind", KINDS)
class TestSeveralCategories:
    def source(self, folder: Path, kind: str, **options) -> DataSource:
        columns: dict[str, Values] = {"genres": GENRES, "y": [1, 2, 3, 4, 5]}
        feature = FeatureConfig("genres", separator="|", **options)
        return source_of(write(folder, kind, columns), x=feature)

    def test_multi_hot_is_keras_string_lookup(self, tmp_path: Path, kind: str):
        """A flag per category of the training rows; others have none."""
        dataset = load_source(
            self.source(tmp_path, kind, vocabulary=True),
            DataFileOpener(),
            None,
            LAST,
        )
        # Each of the first two is in two of the four rows.
        vocabulary = dataset.preprocessing.schema.features["x"].vocabulary
        assert vocabulary == ("comedy", "drama", "war")
        layer = keras.layers.StringLookup(vocabulary=list(vocabulary), output_mode="multi_hot")
        expected = []
        for text in GENRES:
            words = [word.strip() for word in str(text or "").split("|")]
            expected.append(np.asarray(layer(np.array(words)))[1:])
        assert values(dataset, "x").tolist() == np.array(expected).tolist()
        assert "3 categories, 1 missing" in dataset.notes[-1]

    def test_size_of_multi_hot(self, tmp_path: Path, kind: str):
        """`min_count` and `max_size` count categories, not texts; a list has its own order."""
        expected = {
            ("min_count", 3): [[1], [1], [0], [0], [1]],
            ("max_size", 1): [[1], [1], [0], [0], [1]],
        }
        for (key, number), flags in expected.items():
            source = self.source(tmp_path, kind, vocabulary=True, **{key: number})
            assert values(load_source(source, DataFileOpener()), "x").tolist() == flags
        source = self.source(tmp_path, kind, vocabulary=("war", "drama"))
        dataset = load_source(source, DataFileOpener())
        assert values(dataset, "x").tolist() == [[0, 1], [0, 0], [0, 0], [1, 1], [0, 0]]

    def test_large_multi_hot_is_computed_on_demand(
        self, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
    ):
        """It may take more memory than the texts by far."""
        monkeypatch.setattr(columns_module, "_MAX_MAPPED_BYTES", 1)
        dataset = load_source(self.source(tmp_path, kind, vocabulary=("war",)), DataFileOpener())
        assert isinstance(dataset.inputs["x"].column, LazyColumn)
        assert values(dataset, "x").tolist() == [[0], [0], [0], [1], [0]]


@pytest.mark.parametrize("kind", KINDS)
def test_validation_rows_teach_nothing(tmp_path: Path, kind: str):
    """Whatever they hold, the training rows and what is learned stay the same."""
    features = {
        "age": FeatureConfig("age", missing="median", normalize=True),
        "gain": FeatureConfig("gain", transform="log1p", missing="mean", normalize=True),
        "work": FeatureConfig("work", vocabulary=True),
    }
    first = load(source_of(write(tmp_path, kind), **features))
    columns = {name: [*each] for name, each in COLUMNS.items()}
    for row in {*range(8)} - {*TRAIN.tolist()}:
        columns["age"][row], columns["gain"][row], columns["work"][row] = 1e6, None, "Zebra"
    second = load(source_of(write(tmp_path, kind, columns), **features))
    assert second.preprocessing.schema.features == first.preprocessing.schema.features
    for name in features:
        np.testing.assert_array_equal(values(second, name)[TRAIN], values(first, name)[TRAIN])
    assert values(second, "work")[3] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_other_data_learns_nothing(tmp_path: Path, kind: str):
    """What the training set has taught applies to it."""
    features = {
        "age": FeatureConfig("age", missing="mean", normalize=True),
        "work": FeatureConfig("work", vocabulary=True),
    }
    dataset = load(source_of(write(tmp_path, kind), **features))
    columns: dict[str, Values] = {"age": [1, None], "work": ["Zebra", "Self"], "y": [1, 2]}
    source = source_of(write(tmp_path, kind, columns), **features)
    second = load(source, dataset)
    ages = floats("age")
    filled = np.where(np.isnan(ages), np.nanmean(ages[TRAIN]), ages)[TRAIN]
    expected = (np.array([1, np.nanmean(ages[TRAIN])]) - filled.mean()) / filled.std()
    np.testing.assert_allclose(values(second, "age"), expected, rtol=1e-13, atol=1e-13)
    assert values(second, "work").tolist() == [0, 2]
    with pytest.raises(RunError, match="the training set had no feature 'z'"):
        load(source_of(DataPath(source.file.path), z=features["age"]), dataset)
    with pytest.raises(RunError, match="the feature 'age' differs from that of the training set"):
        load(
            source_of(DataPath(source.file.path), age=FeatureConfig("age", missing="mean")),
            dataset,
        )


def test_rest_of_the_columns(tmp_path: Path):
    """A feature without a column has all that have no other role, by name in other tables."""
    features = {
        "x": FeatureConfig(missing=0),
        "work": FeatureConfig("work", vocabulary=True),
    }
    dataset = load(source_of(write(tmp_path, "csv"), **features))
    assert dataset.preprocessing.schema.features["x"].columns == ("age", "gain", "code")
    assert values(dataset, "x")[1].tolist() == [0, 2174, 1]
    columns = {name: COLUMNS[name] for name in ("code", "y", "gain", "work", "age")}
    second = load(source_of(write(tmp_path, "csv", columns), **features), dataset)
    assert values(second, "x").tolist() == values(dataset, "x").tolist()


def test_csv_separator_decimal_and_missing(tmp_path: Path):
    """Numbers with a decimal comma, in inputs and targets, and cells that mean nothing."""
    path = tmp_path / "t.csv"
    path.write_text("a;b;kind;y\n1,5;?;x;0,5\n2;n.a.;?;1\n?;3;y;2\n")
    inputs = {
        "a": FeatureConfig("a", missing=-1),
        "b": FeatureConfig("b", missing="mean"),
        "kind": FeatureConfig("kind", vocabulary=True),
    }
    source = Csv(
        DataPath(str(path)), inputs=inputs, separator=";", decimal=",", missing=("?", "n.a.")
    )
    dataset = load_source(source, DataFileOpener())
    assert values(dataset, "a").tolist() == [1.5, 2, -1]
    assert values(dataset, "b").tolist() == [3, 3, 3]
    assert values(dataset, "kind").tolist() == [1, 0, 2]
    assert dataset.targets[""].numpy(np.arange(3)).tolist() == [0.5, 1, 2]
    # A point is not a decimal point then: 1.500 may be a thousand and a half thousand.
    path.write_text("a;y\n1.500;1\n")
    with pytest.raises(RunError, match=r"line 2 of .* has '1\.500' in column 'a', not a number"):
        load_source(Csv(DataPath(str(path)), separator=";", decimal=","), DataFileOpener())
    path.write_text("a\ty\n1\t2\n")
    dataset = load_source(Csv(DataPath(str(path)), separator="\t"), DataFileOpener())
    assert values(dataset, "").tolist() == [[1]]


@pytest.mark.parametrize("kind", KINDS)
def test_features_as_targets(tmp_path: Path, kind: str):
    """The flags of several categories, and a number on a logarithmic scale."""
    columns: dict[str, Values] = {
        "genres": GENRES,
        "price": [1, 10, 100, 1000, 5],
        "a": [*range(5)],
    }
    path = write(tmp_path, kind, columns)
    targets = {
        "genres": FeatureConfig("genres", separator="|", vocabulary=True),
        "price": FeatureConfig("price", transform="log", normalize=True),
        "a": "a",
    }
    source = (
        Jsonl(path, inputs="a", targets=targets)
        if kind == "jsonl"
        else (Csv if kind == "csv" else Parquet)(path, targets, inputs="a")
    )
    rows = np.arange(4)
    dataset = load_source(source, DataFileOpener(), None, LAST)
    assert [*dataset.inputs] == [""]
    assert dataset.targets["genres"].numpy(np.arange(5)).tolist() == [
        [1, 1, 0],
        [1, 0, 0],
        [0, 0, 0],
        [0, 1, 1],
        [1, 0, 0],
    ]
    logs = np.log(columns["price"])
    expected = (logs - logs[:4].mean()) / logs[:4].std()
    np.testing.assert_allclose(dataset.targets["price"].numpy(np.arange(5)), expected, rtol=1e-13)
    assert dataset.targets["a"].numpy(rows).tolist() == [0, 1, 2, 3]
    other_rows = load_source(source, DataFileOpener(), dataset.preprocessing)
    assert other_rows.preprocessing.schema.features == dataset.preprocessing.schema.features


MULTI_LABEL = """
archbuilder: 1
name: net
inputs: {a: [1]}
layers: [{Dense: {units: 3, activation: sigmoid}, name: genres}]
outputs: {genres: genres}
data:
  csv:
    file: table.csv
    target: {genres: {column: genres, separator: "|", vocabulary: true}}
training: {loss: BinaryCrossentropy, metrics: [BinaryAccuracy], epochs: 2, batch_size: 2,
  validation_split: 0.4, shuffle: false, checkpoint_every_seconds: 0}
"""


def test_run_with_several_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """It resumes to the same weights, its loss is that of Keras, and it predicts without labels."""
    monkeypatch.chdir(tmp_path)
    columns: dict[str, Values] = {"a": [0, 1, 2, 3, 4], "genres": [*GENRES]}
    columns["genres"][1:3] = ["war", "comedy"]
    write(tmp_path, "csv", columns)
    Path("net.yaml").write_text(MULTI_LABEL)
    assert main(["train", "net.yaml", "--run-dir", "whole"]) == 0
    assert main(["train", "net.yaml", "--run-dir", "part", "--epochs", "1"]) == 0
    assert main(["train", "--resume", "part", "--epochs", "2"]) == 0
    for resumed, expected in zip(weights("part"), weights("whole"), strict=True):
        np.testing.assert_array_equal(resumed, expected)
    record = json.loads(Path("whole/run.json").read_text())
    assert record["schema"]["features"]["target genres"]["vocabulary"] == ["comedy", "drama", "war"]
    model = keras.saving.load_model("whole/net.keras")
    predicted = np.asarray(model(np.array([[3], [4]], np.float32)))
    labels = np.array([[0, 1, 1], [1, 0, 0]], np.float32)
    loss = keras.losses.BinaryCrossentropy()(labels, predicted)
    assert record["validation_metrics"]["loss"] == pytest.approx(float(loss), rel=1e-5)
    Path("new.csv").write_text("a\n3\n4\n")
    capsys.readouterr()
    assert main(["predict", "whole", "new.csv"]) == 0
    rows = [*csv.reader(capsys.readouterr().out.splitlines())][1:]
    np.testing.assert_allclose(np.array(rows, float)[:, 1:], predicted, rtol=1e-5)
    assert main(["evaluate", "whole", "--data", "table.csv"]) == 0


NET = """
archbuilder: 1
name: net
inputs: {age: [2], work: {shape: [], dtype: int32}}
layers:
  - {Embedding: {input_dim: SIZE, output_dim: 3}, name: emb, from: work}
  - {Concatenate: , name: all, from: [age, emb]}
  - {Dense: 1, name: y}
data:
  csv:
    file: table.csv
    inputs:
      age: {column: age, missing: indicator, normalize: true}
      work: {column: work, vocabulary: true}
    target: y
training: {loss: MeanSquaredError, epochs: 2, batch_size: 2, validation_split: 0.25,
  checkpoint_every_seconds: 0}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A blueprint with its table, in the working directory."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "csv")
    (tmp_path / "net.yaml").write_text(NET.replace("SIZE", "4"))
    return tmp_path


def weights(run: str) -> list[np.ndarray]:
    return keras.saving.load_model(f"{run}/net.keras").get_weights()


def test_run_with_features(folder: Path, capsys: pytest.CaptureFixture[str]):
    """Training, resume, evaluation and prediction see what one pass over the file learned."""
    assert main(["train", "net.yaml", "--run-dir", "whole"]) == 0
    output = capsys.readouterr().out
    assert "column 'work': 4 categories (1 out-of-vocabulary)" in output
    assert main(["train", "net.yaml", "--run-dir", "part", "--epochs", "1"]) == 0
    assert main(["train", "--resume", "part", "--epochs", "2"]) == 0
    for resumed, expected in zip(weights("part"), weights("whole"), strict=True):
        np.testing.assert_array_equal(resumed, expected)
    feature = json.loads((folder / "whole/run.json").read_text())["schema"]["features"]
    means, deviations = feature["age"]["mean"], feature["age"]["std"]
    vocabulary = feature["work"]["vocabulary"]
    # Without a target, with a missing number and a new word.
    Path("new.csv").write_text(f"work,age\nZebra,\n{vocabulary[1]},30\n")
    capsys.readouterr()
    assert main(["predict", "whole", "new.csv"]) == 0
    predicted = [float(row["0"]) for row in csv.DictReader(capsys.readouterr().out.splitlines())]
    model = keras.saving.load_model("whole/net.keras")
    ages = np.array([[0, 1], [(30 - means[0]) / deviations[0], 0]], np.float32)
    expected = model({"age": ages, "work": np.array([0, 2], np.int32)})
    np.testing.assert_allclose(predicted, np.ravel(expected), rtol=1e-5)
    assert main(["evaluate", "whole"]) == 0
    loss = json.loads((folder / "whole/run.json").read_text())["validation_metrics"]["loss"]
    assert f"{loss:.6g}"[:6] in capsys.readouterr().out


def test_vocabulary_larger_than_embedding(folder: Path, capsys: pytest.CaptureFixture[str]):
    """The error gives the number to write."""
    Path("net.yaml").write_text(NET.replace("SIZE", "3"))
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 1
    assert "has 4 entries, one of them for other values" in (error := capsys.readouterr().err)
    assert "takes integers from 0 to 2: write 4, or limit the vocabulary" in error


@pytest.mark.thorough
def test_two_workers_learn_the_same(folder: Path):
    """Each of them reads the table, and the weights are those of one process."""
    arguments = ["train", "net.yaml", "--run-dir"]
    assert main([*arguments, "one"]) == 0
    in_workers(2, [[*arguments, str(folder / "two")]])
    records = [json.loads(Path(run, "run.json").read_text()) for run in ("one", "two")]
    assert records[0]["schema"] == records[1]["schema"]
    for together, alone in zip(weights("two"), weights("one"), strict=True):
        np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)


def test_damaged_record(folder: Path, capsys: pytest.CaptureFixture[str]):
    """A record may come from a stranger: what it claims to have learned is checked."""
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    record = json.loads(Path("run/run.json").read_text())
    for key, value in (("std", [0.0]), ("mean", [1.0, 2.0]), ("std", [math.inf]), ("mean", ["1"])):
        damaged = json.loads(json.dumps(record))
        damaged["schema"]["features"]["age"][key] = value
        shutil.copytree("run", "damaged", dirs_exist_ok=True)
        Path("damaged/run.json").write_text(json.dumps(damaged))
        capsys.readouterr()
        assert main(["evaluate", "damaged"]) != 0
        assert "'features.age' has statistics that are not valid" in capsys.readouterr().err
