"""Files of every source of data with random examples, and the blueprints that read them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

COLUMNS = 16
CLASSES = 4
FILE_SIDE, IMAGE_SIDE = 128, 64
"""Sides of images in files, and as the network takes them."""
WORDS = 60
"""Words of a text file, and of a sequence of a text."""
WINDOW = 24
VOCABULARY = 5000
BATCH_SIZE = 128
NETWORK = f"""\
inputs: {{x: [{COLUMNS}]}}
layers: [Dense: {{units: {CLASSES}, activation: softmax}}]
"""
FEATURES_NETWORK = f"""\
inputs: {{number: [4], day: [2], kind: {{shape: [], dtype: int32}}}}
layers:
  - {{Embedding: {{input_dim: 60, output_dim: 4}}, name: kinds, from: kind}}
  - {{Concatenate: , from: [number, day, kinds]}}
  - Dense: {{units: {CLASSES}, activation: softmax}}
"""
FEATURES_SOURCE = """csv:
    file: features.csv
    inputs:
      number: {columns: [a, b, c, d], missing: mean, normalize: true}
      day: {column: date, date: [month, weekday]}
      kind: {column: kind, vocabulary: true}
    target: y"""
IMAGE_NETWORK = f"""\
inputs: {{image: [{IMAGE_SIDE}, {IMAGE_SIDE}, 3]}}
layers: [GlobalAveragePooling2D: , Dense: {{units: {CLASSES}, activation: softmax}}]
"""
TEXT_FILE_NETWORK = f"""\
inputs: {{text: {{shape: [{WORDS}], dtype: int32}}}}
layers:
  - Embedding: {{input_dim: {VOCABULARY}, output_dim: 4}}
  - GlobalAveragePooling1D
  - Dense: {{units: {CLASSES}, activation: softmax}}
"""
TEXT_NETWORK = f"""\
inputs: {{text: {{shape: [{WORDS}], dtype: int32}}}}
layers:
  - Embedding: {{input_dim: {VOCABULARY}, output_dim: 4}}
  - Dense: {{units: {VOCABULARY}, activation: softmax}}
"""
WINDOW_NETWORK = f"""\
inputs: {{x: [{WINDOW}, {COLUMNS}]}}
layers: [Flatten, Dense: 1]
"""


@dataclass(frozen=True)
class SourceCase:
    """A source of data: how its files are written, and the blueprint that reads them."""

    examples: int
    write: Callable[[Path, int], None]
    """Writes files with a number of examples to a directory."""
    network: str
    source: str
    """The source in the section `data`, indented by two spaces."""
    loss: str = "SparseCategoricalCrossentropy"
    tolerance: float = 1e-6
    """By how much values may differ from those of a plain program."""
    is_text: bool = False
    """Whether values are ids of words, which may be numbered differently."""

    def write_blueprint(self, folder: Path, *, cache: bool | None = None) -> Path:
        """Write the blueprint, and return its path."""
        source = self.source if cache is None else _with_cache(self.source, cache=cache)
        path = folder / "net.yaml"
        path.write_text(
            f"archbuilder: 1\nname: net\n{self.network}data:\n  {source}\n"
            f"training: {{loss: {self.loss}, batch_size: {BATCH_SIZE}, validation_split: 0}}\n"
        )
        return path


def _with_cache(source: str, *, cache: bool) -> str:
    option = f"cache: {str(cache).lower()}"
    if source.endswith("}"):
        return f"{source[:-1]}, {option}}}"
    return f"{source}\n    {option}"


def table(examples: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return random rows and their classes."""
    rng = np.random.default_rng(0)
    return (
        rng.random((examples, COLUMNS), np.float32),
        rng.integers(0, CLASSES, examples, np.int64),
    )


def _write_npz(folder: Path, examples: int) -> None:
    x, y = table(examples)
    np.savez(folder / "data.npz", x=x, y=y)


def _write_npy(folder: Path, examples: int) -> None:
    x, y = table(examples)
    for name, values in (("x", x), ("y", y)):
        np.save(folder / f"{name}.npy", values)


def _write_csv(folder: Path, examples: int) -> None:
    x, y = table(examples)
    with (folder / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"c{number}" for number in range(COLUMNS)), "y"])
        writer.writerows(
            [*row, label] for row, label in zip(x.round(5).tolist(), y.tolist(), strict=True)
        )


def _write_features(folder: Path, examples: int) -> None:
    rng = np.random.default_rng(0)
    x, y = table(examples)
    with (folder / "features.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "c", "d", "date", "kind", "y"])
        days = (np.datetime64("2020-01-01") + rng.integers(0, 1000, examples)).astype(str)
        kinds = rng.integers(0, 50, examples)
        for row, day, kind, label in zip(x[:, :4].round(5).tolist(), days, kinds, y, strict=True):
            cells = [value if value > 0.05 else "" for value in row]
            writer.writerow([*cells, day, f"kind {kind}", label])


def _write_parquet(folder: Path, examples: int) -> None:
    x, y = table(examples)
    columns = {f"c{number}": x[:, number] for number in range(COLUMNS)}
    pq.write_table(pa.table({**columns, "y": y}), folder / "data.parquet", row_group_size=10_000)


def _write_jsonl(folder: Path, examples: int) -> None:
    x, y = table(examples)
    with (folder / "data.jsonl").open("w") as file:
        for row, label in zip(x.round(5).tolist(), y.tolist(), strict=True):
            file.write(json.dumps({"x": row, "y": label}) + "\n")


def _write_tfrecord(folder: Path, examples: int) -> None:
    with tf.io.TFRecordWriter(str(folder / "data.tfrecord")) as writer:
        for row, label in zip(*table(examples), strict=True):
            features = {
                "x": tf.train.Feature(float_list=tf.train.FloatList(value=row)),
                "y": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


def _write_images(folder: Path, examples: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(examples):
        path = folder / "images" / str(number % CLASSES) / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Small noise, enlarged: compressed to about the size of a photograph.
        pixels = Image.fromarray(
            rng.integers(0, 256, (FILE_SIDE // 8, FILE_SIDE // 8, 3), np.uint8)
        )
        pixels.resize((FILE_SIDE, FILE_SIDE), Image.Resampling.BICUBIC).save(path, quality=90)


def _words(examples: int) -> NDArray[np.str_]:
    # Few words are frequent, as in language.
    numbers = np.random.default_rng(0).zipf(1.2, (examples, WORDS)) % (VOCABULARY - 10)
    return numbers.astype("<U6")


def _write_text(folder: Path, examples: int) -> None:
    lines = (" ".join(f"w{word}" for word in line) for line in _words(examples))
    (folder / "text.txt").write_text("\n".join(lines))


def _write_text_files(folder: Path, examples: int) -> None:
    for number, words in enumerate(_words(examples)):
        path = folder / "texts" / str(number % CLASSES) / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(" ".join(f"w{word}" for word in words))


def _write_series(folder: Path, examples: int) -> None:
    x, _ = table(examples + WINDOW)
    np.savez(folder / "series.npz", x=x, y=x[:, 0])


TEXT_OPTIONS = f"tokenizer: words, vocabulary_size: {VOCABULARY}, sequence_length: {WORDS}"
SOURCES = {
    "npz": SourceCase(100_000, _write_npz, NETWORK, "npz: {file: data.npz}"),
    "npy": SourceCase(100_000, _write_npy, NETWORK, "npy: {inputs: x.npy, targets: y.npy}"),
    "csv": SourceCase(50_000, _write_csv, NETWORK, "csv: {file: data.csv, target: y}"),
    "csv with features": SourceCase(50_000, _write_features, FEATURES_NETWORK, FEATURES_SOURCE),
    "parquet": SourceCase(
        100_000, _write_parquet, NETWORK, "parquet: {file: data.parquet, target: y}"
    ),
    "jsonl": SourceCase(50_000, _write_jsonl, NETWORK, "jsonl: {file: data.jsonl}"),
    "tfrecord": SourceCase(50_000, _write_tfrecord, NETWORK, "tfrecord: {file: data.tfrecord}"),
    "images": SourceCase(
        1_000, _write_images, IMAGE_NETWORK, "images: {directory: images}",
        tolerance=0.03,  # Pillow and TensorFlow decode JPEG to pixels that differ a little.
    ),
    "text": SourceCase(
        10_000, _write_text, TEXT_NETWORK, f"text: {{file: text.txt, {TEXT_OPTIONS}}}",
        is_text=True,
    ),
    "text_files": SourceCase(
        4_000, _write_text_files, TEXT_FILE_NETWORK,
        f"text_files: {{directory: texts, {TEXT_OPTIONS}}}", is_text=True,
    ),
    "windows": SourceCase(
        50_000, _write_series, WINDOW_NETWORK,
        f"npz: {{file: series.npz, window: {{length: {WINDOW}}}}}", "MeanSquaredError",
    ),
}  # fmt: skip
