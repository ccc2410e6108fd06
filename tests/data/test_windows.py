"""Windows over rows, compared with Keras's `timeseries_dataset_from_array` on the same rows."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.subprocesses import in_workers

from archbuilder.cli import main
from archbuilder.config.sources import (
    Csv,
    DataPath,
    DataSource,
    FeatureConfig,
    Jsonl,
    Npy,
    Npz,
    Parquet,
    WindowConfig,
)
from archbuilder.config.split import SplitConfig, SplitPlan
from archbuilder.data.columns import LazyColumn
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import RunError

KINDS = ("csv", "parquet", "jsonl", "npz", "npy")
COUNT = 50
PLAN = SplitPlan(SplitConfig(last=0.3), SplitConfig(column="role", value="1"))
RANDOM = np.random.default_rng(5)
# Eighths, which float32 represents.
VALUES = RANDOM.integers(-40, 40, (COUNT, 2)) / 8
TARGETS = RANDOM.integers(-40, 40, COUNT) / 8


def write(folder: Path, kind: str, window: WindowConfig, **extra: object) -> DataSource:
    """The rows in a file of a kind, and in columns of their own where the kind has columns."""
    path = folder / f"rows.{kind}"
    file = DataPath(str(path))
    columns = {"a": VALUES[:, 0], "b": VALUES[:, 1], "y": TARGETS, **extra}
    rows = [
        dict(zip(columns, row, strict=True))
        for row in zip(*(np.asarray(each).tolist() for each in columns.values()), strict=True)
    ]
    inputs = {"x": ("a", "b")}
    if kind == "npz":
        np.savez(path, x=VALUES, y=TARGETS, **extra)
        return Npz(file, window=window)
    if kind == "npy":
        np.save(path, VALUES)
        np.save(folder / "y.npy", TARGETS)
        return Npy(file, DataPath(str(folder / "y.npy")), window=window)
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return Jsonl(file, {"x": FeatureConfig(columns=("a", "b"))}, "y", window=window)
    if kind == "parquet":
        pq.write_table(pa.table({name: np.asarray(each) for name, each in columns.items()}), path)
        return Parquet(file, "y", inputs, window=window)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [*columns])
        writer.writeheader()
        writer.writerows(rows)
    return Csv(file, "y", inputs=inputs, window=window)


def load(source: DataSource, plan: SplitPlan | None = None) -> SourceDataset:
    return load_source(source, DataFileOpener(), plan=plan)


def arrays(dataset: SourceDataset, examples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inputs and targets of some examples, as a network receives them."""
    column = next(iter(dataset.inputs.values())).column
    target = dataset.targets[""]
    return np.asarray(column.gather(examples)), np.asarray(target.gather(examples))


def keras_windows(
    values: np.ndarray, targets: np.ndarray, window: WindowConfig
) -> tuple[np.ndarray, np.ndarray]:
    """The windows of Keras, whose targets are those at the index of the first row."""
    first = (window.length - 1) * window.sampling_rate + window.ahead
    steps = window.sampling_rate * np.arange(window.horizon or 1)
    count = len(values) - first - steps[-1]
    future = np.stack([targets[first + step :][:count] for step in steps], axis=1)
    dataset = keras.utils.timeseries_dataset_from_array(
        values[: count + (window.length - 1) * window.sampling_rate],
        future if window.horizon else future[:, 0],
        window.length,
        sequence_stride=window.stride,
        sampling_rate=window.sampling_rate,
        batch_size=COUNT,
    )
    ((inputs, future_rows),) = dataset.as_numpy_iterator()
    return inputs, future_rows


WINDOWS = [
    WindowConfig(4),
    WindowConfig(3, stride=2, sampling_rate=2, ahead=3),
    WindowConfig(5, ahead=0),
    WindowConfig(2, sampling_rate=3, ahead=2, horizon=2),
    WindowConfig(1, stride=7, horizon=1),
]


@pytest.mark.parametrize(
    ("kind", "window"),
    [*((each, WINDOWS[1]) for each in KINDS), *(("npz", each) for each in WINDOWS)],
    ids=str,
)
def test_windows_are_those_of_keras(tmp_path: Path, kind: str, window: WindowConfig):
    """In the training set and in the validation set, from every kind of file."""
    source = write(tmp_path, kind, window)
    dataset = load(source, SplitPlan(SplitConfig(0.3)))
    assert dataset.split is not None
    assert dataset.split.validation is not None
    assert dataset.split.note == " (last examples)"
    for examples, rows in [
        (dataset.split.train, slice(0, 35)),
        (dataset.split.validation, slice(35, COUNT)),
    ]:
        expected = keras_windows(VALUES[rows], TARGETS[rows], window)
        for values, expected_values in zip(arrays(dataset, examples), expected, strict=True):
            np.testing.assert_array_equal(values, expected_values)
    # Another dataset is one piece.
    dataset = load(source)
    expected = keras_windows(VALUES, TARGETS, window)
    for values, expected_values in zip(
        arrays(dataset, np.arange(dataset.count)), expected, strict=True
    ):
        np.testing.assert_array_equal(values, expected_values)


def test_memory_is_that_of_the_rows(tmp_path: Path):
    """Windows are gathered on demand, and a target in one row is in memory as the rows are."""
    dataset = load(write(tmp_path, "npz", WindowConfig(30)))
    assert isinstance(dataset.inputs[""].column, LazyColumn)
    assert dataset.inputs[""].column.shape == (30, 2)
    assert dataset.count == 20


def test_no_window_crosses_a_boundary(tmp_path: Path):
    """Neither of the split nor of a series, wherever their rows stand."""
    series = np.array([0, 1, 2, 1, 0] * 10)
    role = np.isin(np.arange(COUNT), np.arange(15, 30)).astype(int)
    window = WindowConfig(2, by="series", ahead=2)
    numbers = np.arange(COUNT, dtype=float)
    path = tmp_path / "rows.npz"
    np.savez(path, x=numbers, y=numbers, series=series, role=role)
    dataset = load(Npz(DataPath(str(path)), window=window), PLAN)
    split = dataset.split
    assert split is not None
    sets = {"train": split.train, "validation": split.validation, "test": split.test}
    rows_of_sets = {}
    for name, examples in sets.items():
        assert examples is not None
        inputs, targets = arrays(dataset, examples)
        rows_of_sets[name] = np.concatenate([inputs, targets[:, np.newaxis]], axis=1).astype(int)
    train_rows = rows_of_sets["train"]
    assert not np.isin(train_rows, np.flatnonzero(role)).any()
    assert train_rows.max() < 35
    assert rows_of_sets["validation"].min() >= 35
    expected = []
    for rows in (np.flatnonzero(series == each) for each in range(3)):
        for start in range(len(rows) - 3):
            window_rows = rows[start : start + 4]
            if (window_rows < 35).all() and not role[window_rows].any():
                expected.append([window_rows[0], window_rows[1], window_rows[3]])
    # In the order of the last rows of the windows.
    assert train_rows.tolist() == sorted(expected, key=lambda rows: rows[1])


def test_features_learn_before_rows_become_windows(tmp_path: Path):
    """From the training rows, each of which counts once; validation rows change nothing."""
    window = WindowConfig(4, stride=3)
    source = write(tmp_path, "csv", window)
    assert isinstance(source, Csv)
    feature = FeatureConfig(columns=("a", "b"), normalize=True)
    normalized = Csv(source.file, "y", inputs={"x": feature}, window=window)
    plan = SplitPlan(SplitConfig(last=0.3))
    dataset = load(normalized, plan)
    assert dataset.split is not None
    train = VALUES[:35]
    scaled = (VALUES - train.mean(axis=0)) / train.std(axis=0)
    expected, _ = keras_windows(scaled[:35], TARGETS[:35], window)
    inputs, _ = arrays(dataset, dataset.split.train)
    np.testing.assert_allclose(inputs, expected, rtol=1e-12)
    lines = Path(source.file.path).read_text().splitlines()
    Path(source.file.path).write_text("\n".join([*lines[:36], *["9,9,9"] * 15]) + "\n")
    changed = load(normalized, plan)
    np.testing.assert_array_equal(arrays(changed, dataset.split.train)[0], inputs)


def test_weights_of_windows(tmp_path: Path):
    """A window has the sample weight of the first row of its target."""
    source = write(tmp_path, "csv", WindowConfig(3, ahead=2), w=np.arange(COUNT))
    assert isinstance(source, Csv)
    weighted = Csv(source.file, "y", inputs="a", sample_weight="w", window=source.window)
    dataset = load(weighted)
    assert dataset.sample_weights[""].numpy(np.arange(3)).tolist() == [4, 5, 6]


@pytest.mark.parametrize(
    ("kind", "window", "plan", "message"),
    [
        ("csv", WindowConfig(51), None, "has 50 rows, but nowhere 52 consecutive ones, wh"),
        (
            "npy",
            WindowConfig(50, ahead=1),
            None,
            "but nowhere 51 consecutive ones, which",
        ),
        (
            "npz",
            WindowConfig(14, ahead=9),
            "last",
            "has 15 validation rows, but nowhere 23 consecutive",
        ),
        ("csv", WindowConfig(9, by="when"), None, "has no column 'when'"),
        ("npz", WindowConfig(9, by="when"), None, "has no array 'when'"),
        ("csv", WindowConfig(9, by="y"), None, "but nowhere 10 consecutive ones with the same y"),
        ("csv", WindowConfig(4), "stratify", "'stratify' chooses single rows, of which a 'window'"),
    ],
)
def test_impossible_windows(
    tmp_path: Path, kind: str, window: WindowConfig, plan: str | None, message: str
):
    """Too few rows, columns that are not there, and sets of single rows are errors."""
    configs = {"last": SplitConfig(last=0.3), "stratify": SplitConfig(0.3, stratify=True)}
    split_plan = None if plan is None else SplitPlan(configs[plan])
    with pytest.raises(RunError, match=re.escape(message)):
        load(write(tmp_path, kind, window), split_plan)


NET = """
archbuilder: 1
name: net
inputs: {x: {shape: [4, 2], dtype: DTYPE}}
layers: [Flatten, {Dense: 1}]
data:
  csv:
    file: rows.csv
    inputs: {x: {columns: [a, b]}}
    target: y
    window: {length: 4, stride: 2, ahead: 3, by: s}
training: {loss: MeanSquaredError, epochs: 2, batch_size: 8, validation_split: {last: 0.3}}
"""


def test_run_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Training, evaluation and prediction see the same windows; keys are the last rows."""
    monkeypatch.chdir(tmp_path)
    series = np.arange(COUNT) % 2
    write(tmp_path, "csv", WindowConfig(4), s=series)
    Path("net.yaml").write_text(NET.replace("DTYPE", "float32"))
    assert main(["train", "net.yaml", "--run-dir", "run", "--epochs", "1"]) == 0
    log = capsys.readouterr().out
    assert "Windows of 4 rows; target: 3 after the last row\n" in log
    assert main(["train", "--resume", "run", "--epochs", "2"]) == 0
    record = json.loads(Path("run/run.json").read_text())
    window = {"length": 4, "stride": 2, "sampling_rate": 1, "ahead": 3, "by": "s"}
    assert record["recipe"]["data"]["train"]["csv"]["window"] == window
    model = keras.saving.load_model("run/net.keras")
    pairs = []
    for number in range(2):
        rows = np.arange(35, COUNT)[series[35:] == number]
        pairs.append(keras_windows(VALUES[rows], TARGETS[rows], WindowConfig(4, 2, ahead=3)))
    inputs, targets = (np.concatenate(each) for each in zip(*pairs, strict=True))
    assert f" {len(inputs)} validation examples (last examples)" in log
    expected = np.mean((np.asarray(model(inputs))[:, 0] - targets) ** 2)
    assert record["validation_metrics"]["loss"] == pytest.approx(expected, rel=1e-5)
    capsys.readouterr()
    assert main(["predict", "run", "rows.csv"]) == 0
    predictions = [*csv.reader(io.StringIO(capsys.readouterr().out))][1:]
    starts = [start + each for each in range(2) for start in range(0, COUNT - 6, 4)]
    expected_rows = {}
    for start in starts:
        rows = start + 2 * np.arange(4)
        if rows[-1] < COUNT:
            expected_rows[rows[-1]] = float(np.asarray(model(VALUES[np.newaxis, rows]))[0, 0])
    assert [int(key) for key, _ in predictions] == sorted(expected_rows)
    for key, value in predictions:
        assert float(value) == pytest.approx(expected_rows[int(key)], rel=1e-4)
    assert main(["predict", "run"]) == 0
    keys = [int(key) for key, _ in [*csv.reader(io.StringIO(capsys.readouterr().out))][1:]]
    assert len(keys) == len(inputs)
    assert min(keys) == 35 + 6
    assert main(["evaluate", "run", "--data", "rows.csv", "--format", "json"]) == 0
    assert main(["inspect-data", "net.yaml"]) == 0
    assert "4x2" in capsys.readouterr().out


@pytest.mark.thorough
def test_two_workers_have_the_same_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each of them splits the rows by their groups, and finds the windows of every set."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "csv", WindowConfig(4), s=np.arange(COUNT) // 10)
    text = NET.replace("DTYPE", "float32")
    text = text.replace("{last: 0.3}", "{fraction: 0.2, by: s}, test_split: {last: 0.2}")
    Path("net.yaml").write_text(text)
    arguments = ["train", "net.yaml", "--run-dir"]
    assert main([*arguments, "one"]) == 0
    in_workers(2, [[*arguments, str(tmp_path / "two")]])
    alone, together = (json.loads(Path(run, "run.json").read_text()) for run in ("one", "two"))
    for key in ("validation_metrics", "test_metrics"):
        assert together[key] == pytest.approx(alone[key], rel=1e-5)


def test_windows_without_targets(tmp_path: Path):
    """The windows of an autoencoder, which are their own targets, need no row after the last."""
    source = write(tmp_path, "csv", WindowConfig(4, stride=3, sampling_rate=2))
    assert isinstance(source, Csv)
    dataset = load(Csv(source.file, {}, inputs={"x": ("a", "b")}, window=source.window))
    expected = keras.utils.timeseries_dataset_from_array(
        VALUES, None, 4, sequence_stride=3, sampling_rate=2, batch_size=COUNT
    )
    values = dataset.inputs["x"].column.numpy(np.arange(dataset.count))
    np.testing.assert_array_equal(values, next(iter(expected)))
    assert dataset.notes == ("Windows of 4 rows, 2 apart",)


def test_values_of_windows_are_located(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """An error about a value in a window names the line and the column."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "csv", WindowConfig(4), s=np.arange(COUNT) % 2)
    Path("net.yaml").write_text(NET.replace("DTYPE", "int32"))
    lines = [",".join(map(str, [row, row, row, 0])) for row in range(COUNT)]
    lines[20] = "20,3.5,20,0"
    Path("rows.csv").write_text("\n".join(["a,b,y,s", *lines]) + "\n")
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 1
    assert "line 22 of 'rows.csv' has 3.5 in column 'b'" in capsys.readouterr().err
