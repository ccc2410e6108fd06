"""Directories of videos with classes, compared with what Pillow reads of each frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import archbuilder
from archbuilder.cli import main
from archbuilder.config.sources import Csv, DataPath, FeatureConfig, TableVideo, VideoConfig, Videos
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import RunError

RANDOM = np.random.default_rng(4)
SUFFIXES = ("gif", "png", "webp")
NET = """
archbuilder: 1
name: net
inputs: {clip: [3, 6, 5, 3]}
layers: [Flatten, {Dense: {units: 2, activation: softmax}}]
data: {videos: {directory: clips, frames: 3}}
training:
  loss: SparseCategoricalCrossentropy
  epochs: 1
  batch_size: 2
  validation_split: {last: 0.5}
"""


def pixels(count: int) -> np.ndarray:
    """Return frames of few colors, which a palette holds."""
    return RANDOM.integers(0, 4, (count, 6, 5, 3), np.uint8) * np.uint8(80)


def write_frames(directory: Path, frames: np.ndarray) -> None:
    """Write a file for each frame."""
    directory.mkdir(parents=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(directory / f"frame_{number + 8}.png")


def write_animation(path: Path, frames: np.ndarray) -> None:
    """Write a file of all frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"lossless": True} if path.suffix == ".webp" else {}
    first, *others = map(Image.fromarray, frames)
    first.save(path, save_all=True, append_images=others, duration=100, loop=0, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes: directories of frames, also nested, and files of animated images."""
    for number in range(3):
        write_frames(tmp_path / f"clips/run/{number}", pixels(2 + number))
        write_frames(tmp_path / f"clips/walk/more/{number}", pixels(4))
    for number, suffix in enumerate(SUFFIXES):
        write_animation(tmp_path / f"clips/walk/{number}.{suffix}", pixels(5))
    return tmp_path


def load(folder: Path, fitted: SourceDataset | None = None, **settings: Any) -> SourceDataset:
    frames = {"frames": 3, **settings.pop("video", {})}
    source = Videos(DataPath(str(folder / "clips")), video=VideoConfig(**frames), **settings)
    return load_source(source, DataFileOpener(), fitted.preprocessing if fitted else None)


def read_all(dataset: SourceDataset) -> np.ndarray:
    """Return the frames of all videos."""
    column = dataset.inputs[UNNAMED].column
    return column.numpy(np.arange(column.count))


def expected(folder: Path, name: str, every: int = 1) -> np.ndarray:
    """Return three frames as Pillow reads them, and zeros after the last."""
    path = folder / "clips" / name
    if path.is_dir():
        files = sorted(path.iterdir(), key=lambda file: int(file.stem.removeprefix("frame_")))
        frames = [np.asarray(Image.open(file)) for file in files]
    else:
        frames = []
        with Image.open(path) as image:
            for index in range(image.n_frames):
                image.seek(index)
                frames.append(np.asarray(image.convert("RGB")))
    selected = np.stack(frames[::every][:3])
    return np.pad(selected, ((0, 3 - len(selected)), (0, 0), (0, 0), (0, 0)))


NAMES = [
    *(f"run/{number}" for number in range(3)),
    *(f"walk/{number}.{suffix}" for number, suffix in enumerate(SUFFIXES)),
    *(f"walk/more/{number}" for number in range(3)),
]


@pytest.mark.parametrize("every", [1, 2])
def test_frames_and_classes(folder: Path, every: int):
    """Directories of frames and animated images are videos of the class of their directory."""
    dataset = load(folder, video={"every": every})
    np.testing.assert_array_equal(
        read_all(dataset), np.stack([expected(folder, name, every) for name in NAMES])
    )
    assert dataset.targets[UNNAMED].numpy(np.arange(9)).tolist() == [0] * 3 + [1] * 6
    assert dataset.preprocessing.schema.classes == {UNNAMED: ("run", "walk")}
    assert any("9 videos of 3 frames, each 6x5" in note for note in dataset.notes)
    chosen = load(folder, classes=("walk",))
    assert chosen.count == 6
    # Other data has the classes of the training data.
    write_frames(folder / "clips/sit/1", pixels(2))
    with pytest.raises(RunError, match="'sit', which is not a class of the training videos"):
        load(folder, dataset)


def test_animations_in_tables(folder: Path):
    """A table may name files of animated images beside directories of frames."""
    names = ["walk/0.gif", "run/2"]
    (folder / "table.csv").write_text("name,y\n" + "".join(f"{name},1\n" for name in names))
    feature = FeatureConfig("name", video=TableVideo(path="clips/{}", frames=3))
    source = Csv(DataPath(str(folder / "table.csv")), "y", inputs={"x": feature})
    column = load_source(source, DataFileOpener()).inputs["x"].column
    np.testing.assert_array_equal(
        column.numpy(np.arange(2)), np.stack([expected(folder, name) for name in names])
    )


def test_training_and_prediction(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The network gets the frames in training, `evaluate` and `predict`, also of other videos."""
    monkeypatch.chdir(folder)
    Path("net.yaml").write_text(NET)
    history = archbuilder.train("net.yaml", run_dir="run").history
    network = keras.saving.load_model("run/net.keras")
    clips = np.stack([expected(folder, name) for name in NAMES]).astype(np.float32) / 255
    outputs = np.asarray(network(clips))
    # The last half, rounded down.
    held_out = slice(len(NAMES) - round(len(NAMES) / 2), None)
    labels = np.array([0] * 3 + [1] * 6)
    losses = -np.log(outputs[np.arange(9), labels])
    assert history[0]["val_loss"] == pytest.approx(losses[held_out].mean(), rel=1e-4)
    assert archbuilder.evaluate("run", data="clips")["loss"] == pytest.approx(
        losses.mean(), rel=1e-4
    )
    predictions = list(archbuilder.predict("run", "clips"))
    assert [each.key for each in predictions] == NAMES
    values = np.stack([next(iter(each.outputs.values())) for each in predictions])
    np.testing.assert_allclose(values, outputs, rtol=1e-4, atol=1e-6)
    for name in ("run/2", "walk/1.png"):
        (prediction,) = archbuilder.predict("run", f"clips/{name}")
        np.testing.assert_allclose(
            next(iter(prediction.outputs.values())), outputs[NAMES.index(name)], rtol=1e-4
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("still", r"walk/a\.png' has one frame, and is in no directory of a video"),
        ("still among animations", r"walk/3\.png' has one frame: a video is an animated image"),
        ("damaged", r"walk/1\.png' is (damaged|missing)"),
        ("other size", r"frame_9\.png' is 3x3, but the first frame of its video is 6x5"),
        ("empty class", "the class 'sit' of .* has no videos"),
    ],
)
def test_invalid_videos(folder: Path, change: str, message: str):
    """They are named with their file; damaged ones can be skipped."""
    walk = folder / "clips/walk"
    if change == "empty class":
        (folder / "clips/sit").mkdir()
    elif change == "damaged":
        content = (walk / "1.png").read_bytes()
        (walk / "1.png").write_bytes(content[: len(content) // 2])
    elif change == "other size":
        Image.new("RGB", (3, 3)).save(folder / "clips/run/1/frame_9.png")
    else:
        name = "a.png" if change == "still" else "3.png"
        for path in walk.glob("*.*") if change == "still" else ():
            path.unlink()
        Image.new("RGB", (5, 6)).save(walk / name)
    with pytest.raises(RunError, match=message):
        read_all(load(folder))
    if change not in ("still", "empty class"):
        dataset = load(folder, on_error="skip")
        assert dataset.count == 8 + (change == "still among animations")
        assert any("skipped 1 of" in note for note in dataset.notes)


def test_invalid_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """They are reported without the data."""
    for old, new, message in (
        ("frames: 3", "frames: 0", "'frames' must be"),
        ("frames: 3", "frames: 65536, size: [9999, 9999]", "'videos' has 6,552,289,345,536 pixels"),
        ("frames: 3", "classes: [a, a]", "a directory is twice in 'classes'"),
        ("frames: 3", "fps: 3", "has no key 'fps'"),
    ):
        (tmp_path / "net.yaml").write_text(NET.replace(old, new))
        assert main(["validate", str(tmp_path / "net.yaml")]) == 2
        assert message in capsys.readouterr().err
