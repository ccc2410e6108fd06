"""Tables that name directories of frames, compared with what Keras and Pillow read of them."""

from __future__ import annotations

import csv
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from archbuilder.cli import main
from archbuilder.config.sources import (
    Csv,
    DataPath,
    DataSource,
    FeatureConfig,
    Jsonl,
    Parquet,
    TableVideo,
    videos,
)
from archbuilder.data.columns import fit_image_size
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import RunError
from archbuilder.diagnostics.span import SourceText, Span

SPAN = Span(SourceText("blueprint.yaml", "data"), 1, 1, 1, 5)
LENGTHS = {"long": 12, "short": 2, "a/third": 5}
NAMES = [*LENGTHS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Videos of 6 by 5 pixels: numbers without zeros, of two kinds of files, and in color."""
    random = np.random.default_rng(0)
    for name, count in LENGTHS.items():
        (tmp_path / "clips" / name).mkdir(parents=True)
        for number in range(count):
            pixels = Image.fromarray(random.integers(0, 256, (6, 5, 3), np.uint8))
            suffix = "JPG" if name == "short" else "png"
            pixels.save(tmp_path / "clips" / name / f"frame{number}.{suffix}")
    (tmp_path / "clips/long/notes.txt").write_text("x")
    (tmp_path / "clips/long/.hidden.png").write_text("x")
    (tmp_path / "table.csv").write_text("name,y\n" + "".join(f"{name},1\n" for name in NAMES))
    return tmp_path


def expected(
    folder: Path, name: str, frames: int = 4, every: int = 1, size: tuple[int, int] | None = None
) -> np.ndarray:
    """The frames as Keras reads each of them, and zeros behind the last."""
    kind = "JPG" if name == "short" else "png"
    files = [folder / f"clips/{name}/frame{n}.{kind}" for n in range(0, LENGTHS[name], every)]
    read = [
        keras.utils.load_img(file, target_size=size, interpolation="bilinear")
        for file in files[:frames]
    ]
    values = np.stack([np.asarray(each) for each in read])
    return np.pad(values, ((0, frames - len(values)), (0, 0), (0, 0), (0, 0)))


def video(**settings: Any) -> FeatureConfig:
    return FeatureConfig("name", video=TableVideo(**{"path": "clips/{}", "frames": 4, **settings}))


def table(folder: Path, target: Any = "y", **settings: Any) -> Csv:
    on_error = settings.pop("on_error", "stop")
    path = DataPath(str(folder / "table.csv"))
    return Csv(path, target, inputs={"x": video(**settings)}, on_error=on_error)


def load(source: DataSource, fitted: SourceDataset | None = None) -> SourceDataset:
    return load_source(source, DataFileOpener(), fitted.preprocessing if fitted else None)


def all_rows(column: Any) -> np.ndarray:
    return np.asarray(column.gather(np.arange(column.count)))


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_tables(folder: Path, kind: str):
    """Frames come in the order of their numbers; short videos end with zeros."""
    path = folder / f"table.{kind}"
    rows = [{"name": name, "y": 1} for name in NAMES]
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    inputs = {"x": video(), "z": video(every=5, size=(3, 4), frames=3)}
    file = DataPath(str(path))
    source: DataSource = Jsonl(file, inputs=inputs, targets="y")
    if kind != "jsonl":
        source = (Csv if kind == "csv" else Parquet)(file, "y", inputs=inputs)
    dataset = load(source)
    plain, sparse = (dataset.inputs[name] for name in "xz")
    assert (plain.divide_by, plain.column.dtype) == (255, np.uint8)
    np.testing.assert_array_equal(
        all_rows(plain.column), np.stack([expected(folder, name) for name in NAMES])
    )
    np.testing.assert_array_equal(
        all_rows(sparse.column), np.stack([expected(folder, name, 3, 5, (3, 4)) for name in NAMES])
    )
    # Frames are decoded to the size of the network, unless the recipe has one.
    np.testing.assert_array_equal(
        all_rows(fit_image_size(plain.column, (4, 3, 4, 3))),
        np.stack([expected(folder, name, size=(3, 4)) for name in NAMES]),
    )
    assert fit_image_size(plain.column, (4, None, None, 3)).shape == plain.shape
    assert fit_image_size(sparse.column, (3, 6, 5, 3)).shape == (3, 3, 4, 3)
    assert any("3 videos of 4 frames, each 6x5" in note for note in dataset.notes)
    cached = load(replace(source, cache=True)).inputs["x"].column
    np.testing.assert_array_equal(
        fit_image_size(cached, (4, 6, 5, 3)).numpy(np.arange(3)), all_rows(plain.column)
    )


def test_other_data_is_decoded_as_the_training_data(folder: Path):
    """The first frame of the training data decides about channels, not that of other data."""
    fitted = load(table(folder))
    Image.new("L", (5, 6), 7).save(folder / "clips/long/frame0.png")
    assert load(table(folder)).inputs["x"].shape == (4, 6, 5, 1)
    values = all_rows(load(table(folder), fitted).inputs["x"].column)
    assert values.shape == (3, 4, 6, 5, 3)
    assert (values[0, 0] == 7).all()


def test_targets(folder: Path):
    """Videos that a network makes, as numbers from 0 to 1 or divided as the recipe says."""
    targets = {"next": video(), "gray": video(channels=1, divide_by=2)}
    dataset = load(table(folder, targets))
    clips = np.stack([expected(folder, name) for name in NAMES])
    np.testing.assert_allclose(all_rows(dataset.targets["next"]), clips / np.float32(255))
    gray = np.asarray(keras.utils.load_img(folder / "clips/long/frame1.png", "grayscale"))
    np.testing.assert_array_equal(all_rows(dataset.targets["gray"])[0, 1, ..., 0], gray / 2)
    resized = fit_image_size(dataset.targets["next"], (4, 3, 4, 3))
    assert resized.shape == (4, 3, 4, 3)


def empty(folder: Path) -> None:
    for file in (folder / "clips/short").iterdir():
        file.unlink()


def cut(folder: Path) -> None:
    file = folder / "clips/short/frame1.JPG"
    file.write_bytes(file.read_bytes()[:300])


def grow(folder: Path) -> None:
    Image.new("RGB", (7, 8)).save(folder / "clips/short/frame1.JPG")


def replace_directory(folder: Path) -> None:
    (folder / "clips/short").rename(folder / "other")
    (folder / "clips/short").write_text("a video")


def add_bits(folder: Path) -> None:
    Image.fromarray(np.full((6, 5), 999, np.uint16)).save(folder / "clips/short/frame1.png")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (empty, r"clips/short' has no frames \(.png, .jpg"),
        (lambda folder: (folder / "clips/short").rename(folder / "x"), "cannot read .*clips/short"),
        (replace_directory, "clips/short' is not a directory: a video is one with an image for"),
        (cut, "clips/short/frame1.JPG' is damaged"),
        (grow, "frame1.JPG' is 8x7, but the first frame of its video is 6x5: write 'size: "),
    ],
)
def test_damaged_videos(folder: Path, damage: Any, message: str):
    """The message names the row and the file; with `on_error: skip` the row is left out."""
    damage(folder)
    located = rf"column 'name' of .*line 3.*: .*{message}"
    with pytest.raises(RunError, match=located):
        all_rows(load(table(folder)).inputs["x"].column)
    assert load(table(folder, on_error="skip")).count == 2
    if damage is grow:
        values = all_rows(load(table(folder, size=(6, 5))).inputs["x"].column)
        assert not values[1, 1].any()


def test_frames_that_do_not_fit(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Bits are not dropped, and an example has a limited size whatever its frames claim."""
    add_bits(folder)
    with pytest.raises(RunError, match=r"frame1.png' has 16 bits per channel, but the images"):
        all_rows(load(table(folder)).inputs["x"].column)
    monkeypatch.setattr(videos, "MAX_VIDEO_PIXELS", 6 * 5 * 3)
    column = load(table(folder)).inputs["x"].column
    first = np.zeros(1, np.int64)
    with pytest.raises(RunError, match="clips/long' has 120 pixels per example, of 90 at most"):
        column.numpy(first)
    assert fit_image_size(column, (4, 3, 4, 3)).numpy(first).shape == (1, 4, 3, 4, 3)


def test_memory_is_that_of_a_frame(folder: Path):
    """Not that of a video in its own size."""
    for number in range(12):
        Image.new("RGB", (400, 400)).save(folder / f"clips/long/frame{number}.bmp")
    column = load(table(folder, frames=30, size=(8, 8))).inputs["x"].column
    tracemalloc.start()
    try:
        column.numpy(np.zeros(1, np.int64))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["../clips/long", "/clips/long", "a//b"])
def test_names_that_lead_elsewhere(folder: Path, name: str):
    """A table may be a stranger's."""
    (folder / "table.csv").write_text(f"name,y\nclips/long/,1\n{name},1\n")
    with pytest.raises(RunError, match=r"line 3 .* put the videos beside the table"):
        load(table(folder, path="{}"))


def test_links_below_a_blueprint(folder: Path):
    """Neither a video nor a frame may be one, as other files that a blueprint names."""
    (folder / "clips/linked").symlink_to(folder / "clips/long")
    (folder / "clips/short/frame0.JPG").unlink()
    (folder / "clips/short/frame0.JPG").symlink_to(folder / "clips/long/frame0.png")
    messages = {
        "linked": "linked' is not a directory",
        "short": "cannot read .*frame0.JPG",
        "absent": "column 'name' of .*line 2.*: cannot read 'clips/absent'",
    }
    for name, message in messages.items():
        (folder / "table.csv").write_text(f"name,y\n{name},1\n")
        source = replace(table(folder), file=DataPath("table.csv", SPAN))
        with pytest.raises(RunError, match=message):
            all_rows(load_source(source, DataFileOpener(folder)).inputs["x"].column)


NET = """
archbuilder: 1
name: net
inputs: {x: [4, 3, 4, 3]}
layers: [{GlobalAveragePooling3D: }, {Dense: 1}]
data:
  csv:
    {file: table.csv, inputs: {x: {column: name, video: {path: "clips/{}", frames: 4}}}, target: y}
training:
  loss: MeanSquaredError
  epochs: 2
  batch_size: 2
  validation_split: 0
  checkpoint_every_seconds: 0
"""


def test_run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Training, evaluation, and prediction on a table without targets."""
    monkeypatch.chdir(folder)
    Path("net.yaml").write_text(NET)
    assert main(["train", "net.yaml", "--run-dir", "whole"]) == 0
    assert "Input 'x': images decoded to 3x4" in capsys.readouterr().out
    model = keras.saving.load_model("whole/net.keras")
    clips = np.stack([expected(folder, name, size=(3, 4)) for name in NAMES])
    outputs = np.asarray(model(clips / np.float32(255)))
    capsys.readouterr()
    assert main(["evaluate", "whole", "--data", "table.csv", "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)["loss"]
    assert printed == pytest.approx(float(np.mean((outputs - 1) ** 2)), rel=1e-4)
    Path("new.csv").write_text("name\n" + "".join(f"{name}\n" for name in NAMES))
    assert main(["predict", "whole", "new.csv"]) == 0
    rows = [*csv.reader(capsys.readouterr().out.splitlines())][1:]
    np.testing.assert_allclose([[float(row[-1])] for row in rows], outputs, rtol=1e-4)
    for wrong in ("clips/short", "clips/short/frame0.JPG"):
        assert main(["predict", "whole", wrong]) == 2
        assert "the network takes videos, which a table names, not " in capsys.readouterr().err
    Path("net.yaml").write_text(NET.replace("frames: 4", "frames: 3"))
    assert main(["train", "net.yaml", "--run-dir", "wrong"]) == 1
    message = (
        "but the network takes [4, 3, 4, 3]; 'frames', 'size' and 'channels' of 'video' decide"
    )
    assert message in capsys.readouterr().err


@pytest.mark.thorough
def test_resume(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A resumed run has the weights of an uninterrupted one."""
    monkeypatch.chdir(folder)
    Path("net.yaml").write_text(NET)
    assert main(["train", "net.yaml", "--run-dir", "whole"]) == 0
    assert main(["train", "net.yaml", "--run-dir", "part", "--epochs", "1"]) == 0
    assert main(["train", "--resume", "part", "--epochs", "2"]) == 0
    model, resumed_model = (
        keras.saving.load_model(f"{run}/net.keras") for run in ("whole", "part")
    )
    pairs = zip(resumed_model.get_weights(), model.get_weights(), strict=True)
    for resumed, values in pairs:
        np.testing.assert_array_equal(resumed, values)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("frames: 0", "'frames' must be"),
        ("every: 0", "'every' must be"),
        ("frames: 65536, size: [9999, 9999]", "has 6,552,289,345,536 pixels per example, of 67,"),
        ('path: "../{}"', "which must be relative to the table"),
        ("fps: 3", "has no key 'fps'"),
        ("frames: 4}, image: {", "has both 'image' and 'video'"),
    ],
)
def test_invalid_settings(
    tmp_path: Path, settings: str, message: str, capsys: pytest.CaptureFixture[str]
):
    """They are reported with their location, without the data."""
    path = tmp_path / "net.yaml"
    path.write_text(NET.replace('path: "clips/{}", frames: 4', settings))
    assert main(["validate", str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert f"{path}:8:" in error
