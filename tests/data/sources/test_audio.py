"""Audio files in directories and tables, compared with what soundfile and soxr make of them."""

from __future__ import annotations

import csv
import json
import re
import struct
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archbuilder.cli import main
from archbuilder.config import data_from_argument
from archbuilder.config.sources import (
    Audio,
    AudioConfig,
    Csv,
    DataConfig,
    DataPath,
    DataSource,
    FeatureConfig,
    Jsonl,
    Parquet,
    TableAudio,
)
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import RunError, UsageError

REASON = "the extra 'audio' is not installed"
soundfile = pytest.importorskip("soundfile", reason=REASON)
soxr = pytest.importorskip("soxr", reason=REASON)

RATE = 8000
SAMPLES = 40


def sound(count: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (count, channels)).astype(np.float32)


def write(path: Path, values: np.ndarray, rate: int = RATE, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, values, rate, **options)


def expected(path: Path, rate: int = RATE, samples: int = SAMPLES) -> np.ndarray:
    """One channel of a file as the libraries read it whole, then cut, resampled and padded."""
    values, file_rate = soundfile.read(path, dtype="float32", always_2d=True)
    values = values[: -(-samples * file_rate // rate)].mean(axis=1)
    if file_rate != rate:
        values = soxr.resample(values, file_rate, rate)
    values = values[:samples]
    return np.pad(values, (0, samples - len(values)))[:, np.newaxis]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Long, short, stereo, resampled and compressed recordings, in two directories."""
    write(tmp_path / "sounds/cat/long_a.wav", sound(100))
    write(tmp_path / "sounds/cat/stereo_b.wav", sound(SAMPLES, 2, seed=1), subtype="FLOAT")
    write(tmp_path / "sounds/dog/more/short_a.flac", sound(10, seed=2), subtype="PCM_24")
    write(tmp_path / "sounds/dog/rate_b.flac", sound(400, seed=3), 44_100)
    write(tmp_path / "sounds/dog/slow_a.ogg", sound(4000, seed=4))
    return tmp_path


FILES = (
    "cat/long_a.wav",
    "cat/stereo_b.wav",
    "dog/more/short_a.flac",
    "dog/rate_b.flac",
    "dog/slow_a.ogg",
)


def directory(folder: Path, **settings: Any) -> Audio:
    recording = {"sample_rate": RATE, "duration": SAMPLES / RATE, **settings.pop("recording", {})}
    path = DataPath(str(folder / "sounds"))
    return Audio(directory=path, recording=AudioConfig(**recording), **settings)


def load(source: DataSource, fitted: SourceDataset | None = None) -> SourceDataset:
    return load_source(source, DataFileOpener(), fitted.preprocessing if fitted else None)


def all_rows(column: Any) -> np.ndarray:
    return np.asarray(column.gather(np.arange(column.count)))


def test_directory_of_classes(folder: Path):
    """Each recording has the declared rate and length, and the class of its directory."""
    (folder / "sounds/notes.txt").write_text("x")
    dataset = load(directory(folder))
    values = all_rows(dataset.inputs[UNNAMED].column)
    assert values.dtype == np.float32
    for row, name in zip(values, FILES, strict=True):
        np.testing.assert_array_equal(row, expected(folder / "sounds" / name))
    assert all_rows(dataset.targets[UNNAMED]).tolist() == [0, 0, 1, 1, 1]
    assert dataset.preprocessing.schema.classes == {UNNAMED: ("cat", "dog")}
    notes = "\n".join(dataset.notes)
    assert "5 recordings of 40 samples at 8000 Hz" in notes
    assert "skipped 1 file without a recording suffix (.wav, .flac, .ogg" in notes
    # In the order of the recipe; other data has the classes of the training data.
    turned = load(directory(folder, classes=("dog", "cat")))
    assert all_rows(turned.targets[UNNAMED]).tolist() == [1, 1, 0, 0, 0]
    validation = load(directory(folder, classes=("cat",)), turned)
    assert all_rows(validation.targets[UNNAMED]).tolist() == [1, 1]


def test_channels_and_labels(folder: Path):
    """Two channels keep those of stereo and repeat the only one; labels are in the names."""
    source = directory(folder, label="*_{label}", recording={"channels": 2, "duration": 0.01})
    dataset = load(source)
    values = all_rows(dataset.inputs[UNNAMED].column)
    assert values.shape == (5, 80, 2)
    stereo, _ = soundfile.read(folder / "sounds/cat/stereo_b.wav", dtype="float32")
    np.testing.assert_array_equal(values[1], np.pad(stereo, ((0, 40), (0, 0))))
    np.testing.assert_array_equal(values[0, :, 0], values[0, :, 1])
    assert all_rows(dataset.targets[UNNAMED]).tolist() == [0, 1, 0, 1, 0]
    assert dataset.preprocessing.schema.classes == {UNNAMED: ("a", "b")}
    write(folder / "sounds/cat/name.wav", sound(9))
    with pytest.raises(RunError, match=r"name.wav' without its suffix does not match"):
        load(source)


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_tables(folder: Path, kind: str):
    """A column names the files of an input, and another those of a target."""
    rows = [{"file": name, "clean": name.rpartition(".")[0]} for name in (FILES[1], FILES[0])]
    write(folder / "clean/cat/long_a.wav", sound(SAMPLES, seed=5))
    write(folder / "clean/cat/stereo_b.wav", sound(SAMPLES, seed=6))
    path = folder / f"table.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path.write_text("file,clean\n" + "".join(",".join(row.values()) + "\n" for row in rows))
    settings = {"sample_rate": RATE, "duration": SAMPLES / RATE}
    inputs = {"x": FeatureConfig("file", audio=TableAudio(path="sounds/{}", **settings))}
    targets = {"y": FeatureConfig("clean", audio=TableAudio(path="clean/{}.wav", **settings))}
    file = DataPath(str(path))
    source: DataSource = Jsonl(file, inputs=inputs, targets=targets)
    if kind != "jsonl":
        source = (Csv if kind == "csv" else Parquet)(file, targets, inputs=inputs)
    dataset = load(source)
    for row, (name, clean) in enumerate(each.values() for each in rows):
        noisy_path, clean_path = folder / "sounds" / name, folder / "clean" / f"{clean}.wav"
        values = all_rows(dataset.inputs["x"].column)[row]
        np.testing.assert_array_equal(values, expected(noisy_path))
        np.testing.assert_array_equal(all_rows(dataset.targets["y"])[row], expected(clean_path))
    (folder / "sounds" / FILES[0]).unlink()
    with pytest.raises(RunError, match=r"'file' of .*(line 3|row 2|:2).*cannot read .*long_a.wav"):
        load(source)


def changed(path: Path, offset: int, form: str, *values: int) -> bytes:
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, offset, *values)
    return bytes(content)


def not_a_number(path: Path) -> bytes:
    write(path, np.array([0.5, np.nan, 0.5], np.float32), subtype="FLOAT")
    return path.read_bytes()


DAMAGES = {
    "NaN": (not_a_number, "has samples that are NaN or infinite"),
    "empty": (lambda _: b"", "is empty"),
    "text": (lambda _: b"not a recording", r"is not an audio file \(WAV, FLAC, Ogg, MP3"),
    "header": (lambda path: path.read_bytes()[:20], "is damaged: "),
    "no samples": (lambda path: path.read_bytes()[:44], "has no samples"),
    "cut": (lambda path: path.read_bytes()[:-140], "ends too early: after 0.00375 seconds"),
    "rate": (lambda path: changed(path, 24, "<I", 2**31 - 1), "has a sample rate of 2,147,483,647"),
    "channels": (lambda path: changed(path, 22, "<H", 1000), "has 1,000 channels, of 64 at most"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files(folder: Path, damage: str):
    """The message names the file and what is wrong; with `on_error: skip` it is left out."""
    change, message = DAMAGES[damage]
    path = folder / "sounds/cat/long_a.wav"
    path.write_bytes(change(path))
    with pytest.raises(RunError, match=rf"cat/long_a.wav' {message}"):
        load(directory(folder))
    dataset = load(directory(folder, on_error="skip"))
    assert all_rows(dataset.targets[UNNAMED]).tolist() == [0, 1, 1, 1]
    assert "skipped 1 of 5 recordings" in "\n".join(dataset.notes)
    table = folder / "table.csv"
    table.write_text(f"file,y\n{FILES[1]},1\n{FILES[0]},2\n")
    feature = FeatureConfig("file", audio=TableAudio(sample_rate=RATE, path="sounds/{}"))
    source = Csv(DataPath(str(table)), "y", inputs={"x": feature})
    with pytest.raises(RunError, match=rf"'file' of line 3 of .*long_a.wav' {message}"):
        all_rows(load(source).inputs["x"].column)


def test_files_that_end_too_early(folder: Path):
    """A compressed file that is cut is an error, unless all of the example is there."""
    path = folder / "sounds/dog/rate_b.flac"
    write(path, sound(40_000), 44_100)
    path.write_bytes(path.read_bytes()[:60_000])
    column = load(directory(folder)).inputs[UNNAMED].column
    assert all_rows(column).shape == (5, SAMPLES, 1)
    column = load(directory(folder, recording={"duration": 1.0})).inputs[UNNAMED].column
    with pytest.raises(RunError, match=r"dog/rate_b.flac' (is damaged|ends too early)"):
        column.numpy(np.arange(5))


def test_memory_is_that_of_the_duration(folder: Path):
    """Neither a long recording nor what a header claims takes more."""
    path = folder / "sounds/cat/long_a.wav"
    write(path, np.zeros((4_000_000, 2), np.int16))
    # The size of the samples is the largest: a program wrote to a pipe.
    path.write_bytes(changed(path, 40, "<I", 2**32 - 1))
    column = load(directory(folder)).inputs[UNNAMED].column
    tracemalloc.start()
    try:
        column.numpy(np.zeros(1, np.int64))
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_more_channels_than_the_examples(folder: Path):
    """They are not dropped unless the recipe says how."""
    write(folder / "sounds/cat/long_a.wav", sound(9, 3))
    with pytest.raises(RunError, match="has 3 channels, but the examples have 2: 'channels: 1'"):
        load(directory(folder, recording={"channels": 2}))


def test_without_the_libraries(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The message says what to install."""
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(UsageError, match=r"pip install 'keras-archbuilder\[audio\]'"):
        load(directory(folder))


def test_data_argument(folder: Path):
    """A directory replaces that of a recipe that reads audio files."""
    recipe = DataConfig(Audio(directory=DataPath("x"), recording=AudioConfig(duration=2.0)))
    source = data_from_argument(str(folder / "sounds"), recipe).train
    assert isinstance(source, Audio)
    assert source.directory == DataPath(str(folder / "sounds"))
    assert source.recording == AudioConfig(duration=2.0)


NET = """
archbuilder: 1
name: net
inputs: {sound: [40]}
layers: [{Dense: {units: 2, activation: softmax}}]
data: {audio: {directory: sounds, sample_rate: 8000, duration: 0.005}}
training:
  loss: SparseCategoricalCrossentropy
  epochs: 2
  batch_size: 2
  validation_split: 0
  checkpoint_every_seconds: 0
"""


def write_recipes(folder: Path) -> None:
    """The same files in directories, and in a table."""
    Path("net.yaml").write_text(NET)
    Path("table.csv").write_text("file,y\n" + "".join(f"{name},{name[:3]}\n" for name in FILES))
    audio = "audio: {path: 'sounds/{}', sample_rate: 8000, duration: 0.005}"
    inputs = f"{{csv: {{file: table.csv, inputs: {{sound: {{column: file, {audio}}}}}}}}}"
    Path("table.yaml").write_text(re.sub("{audio: .*}", inputs, NET))


def test_run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Training on a table, and evaluation and prediction on files, directories and tables."""
    monkeypatch.chdir(folder)
    write_recipes(folder)
    assert main(["train", "table.yaml", "--run-dir", "run"]) == 0
    model = keras.saving.load_model("run/net.keras")
    sounds = np.stack([expected(folder / "sounds" / name)[:, 0] for name in FILES])
    outputs = np.asarray(model(sounds))
    capsys.readouterr()
    Path("recipe.yaml").write_text(NET[NET.index("data:") :])
    options = ["--data", "sounds", "--format", "json"]
    assert main(["evaluate", "run", "--recipe", "recipe.yaml", *options]) == 0
    loss = keras.losses.SparseCategoricalCrossentropy()(np.array([0, 0, 1, 1, 1]), outputs)
    printed = json.loads(capsys.readouterr().out)["loss"]
    assert printed == pytest.approx(float(loss), rel=1e-4)
    assert main(["predict", "run", "sounds/dog", "sounds/cat/long_a.wav"]) == 0
    rows = [*csv.DictReader(capsys.readouterr().out.splitlines())]
    keys = ["more/short_a.flac", "rate_b.flac", "slow_a.ogg", "long_a.wav"]
    assert [row["key"] for row in rows] == keys
    predicted = [[float(row["cat"]), float(row["dog"])] for row in rows]
    np.testing.assert_allclose(predicted, outputs[[2, 3, 4, 0]], rtol=1e-4)
    assert main(["predict", "run", "table.csv"]) == 0
    rows = [*csv.DictReader(capsys.readouterr().out.splitlines())]
    predicted = [[float(row["cat"]), float(row["dog"])] for row in rows]
    np.testing.assert_allclose(predicted, outputs, rtol=1e-4)
    assert main(["predict", "run", "net.yaml"]) == 2
    assert "file, an IDX file or a recording" in capsys.readouterr().err


@pytest.mark.thorough
def test_resume(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A directory, a table and a resumed run give the same weights."""
    monkeypatch.chdir(folder)
    write_recipes(folder)
    assert main(["train", "net.yaml", "--run-dir", "whole"]) == 0
    assert main(["train", "table.yaml", "--run-dir", "table"]) == 0
    assert main(["train", "net.yaml", "--run-dir", "part", "--epochs", "1"]) == 0
    assert main(["train", "--resume", "part", "--epochs", "2"]) == 0
    weights = [
        keras.saving.load_model(f"{run}/net.keras").get_weights()
        for run in ("whole", "table", "part")
    ]
    for values in zip(*weights, strict=True):
        np.testing.assert_array_equal(values[0], values[1])
        np.testing.assert_array_equal(values[0], values[2])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("duration: 0", "'duration' must be"),
        ("sample_rate: 10", "'sample_rate' must be"),
        ("sample_rate: 768000, duration: 86400", "has 66,355,200,000 samples per example"),
        ("classes: [a, a]", "a directory is twice in 'classes'"),
        ('classes: [a], label: "{label}"', "'classes' are directories"),
        ("rate: 3", "has no key 'rate'"),
    ],
)
def test_invalid_settings(
    tmp_path: Path, settings: str, message: str, capsys: pytest.CaptureFixture[str]
):
    """They are reported with their location, without the libraries."""
    path = tmp_path / "net.yaml"
    path.write_text(NET.replace("sample_rate: 8000, duration: 0.005", settings))
    assert main(["validate", str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert f"{path}:6:" in error
