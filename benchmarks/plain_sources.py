"""The batches of the sources of data, as a program without archbuilder reads them."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf

from benchmarks.source_files import BATCH_SIZE, COLUMNS, IMAGE_SIDE, VOCABULARY, WINDOW, WORDS


def _batches(x: Any, y: Any, *, shuffle: bool) -> tf.data.Dataset:
    examples = tf.data.Dataset.from_tensor_slices((x, y))
    if shuffle:
        examples = examples.shuffle(len(y))
    return examples.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def _npz(folder: Path, *, shuffle: bool) -> tf.data.Dataset:
    with np.load(folder / "data.npz") as arrays:
        return _batches(arrays["x"], arrays["y"], shuffle=shuffle)


def _npy(folder: Path, *, shuffle: bool) -> tf.data.Dataset:
    return _batches(np.load(folder / "x.npy"), np.load(folder / "y.npy"), shuffle=shuffle)


def _read_csv(path: Path, **options: Any) -> Any:
    # Not a dependency of archbuilder.
    return import_module("pandas").read_csv(path, **options)


def _csv(folder: Path, *, shuffle: bool) -> tf.data.Dataset:
    frame = _read_csv(folder / "data.csv")
    x = frame.drop(columns="y").to_numpy(np.float32)
    return _batches(x, frame["y"].to_numpy(), shuffle=shuffle)


def _features(folder: Path, *, shuffle: bool) -> tf.data.Dataset:
    frame = _read_csv(folder / "features.csv", parse_dates=["date"])
    number = frame[["a", "b", "c", "d"]]
    number = number.fillna(number.mean())
    number = ((number - number.mean()) / number.std(ddof=0)).to_numpy(np.float32)
    dates = frame["date"].dt
    day = np.stack([dates.month, dates.weekday], axis=1).astype(np.float32)
    # By falling count, and then in alphabetical order.
    counts = frame["kind"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    ranks = {kind: rank for rank, kind in enumerate(counts.index, 1)}
    kind = frame["kind"].map(ranks).to_numpy(np.int32)
    x = {"number": number, "day": day, "kind": kind}
    return _batches(x, frame["y"].to_numpy(), shuffle=shuffle)


def _parquet(folder: Path, *, shuffle: bool) -> tf.data.Dataset:
    table = pq.read_table(folder / "data.parquet")
    columns = [table.column(number).to_numpy() for number in range(COLUMNS)]
    return _batches(np.stack(columns, axis=1), table.column("y").to_numpy(), shuffle=shuffle)


def _jsonl(folder: Path, *, shuffle: bool) -> tf.data.Dataset:
    with (folder / "data.jsonl").open() as file:
        rows = [json.loads(line) for line in file]
    x = np.array([row["x"] for row in rows], np.float32)
    return _batches(x, np.array([row["y"] for row in rows]), shuffle=shuffle)


def _tfrecord(folder: Path, *, shuffle: bool) -> tf.data.Dataset:
    spec = {
        "x": tf.io.FixedLenFeature([COLUMNS], tf.float32),
        "y": tf.io.FixedLenFeature([], tf.int64),
    }

    def parse(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        example = tf.io.parse_example(records, spec)
        return example["x"], example["y"]

    records = tf.data.TFRecordDataset(str(folder / "data.tfrecord"))
    if shuffle:
        # All records, as the other sources are shuffled as a whole.
        records = records.shuffle(1_000_000)
    batches = records.batch(BATCH_SIZE).map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE)


def _images(folder: Path, *, shuffle: bool) -> tf.data.Dataset:
    files = sorted((folder / "images").glob("*/*.jpg"))
    labels = [int(each.parent.name) for each in files]
    paths = tf.data.Dataset.from_tensor_slices(([*map(str, files)], labels))
    if shuffle:
        paths = paths.shuffle(len(files))

    def decode(path: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.io.decode_jpeg(tf.io.read_file(path), 3)
        # Antialiased, as Pillow and keras.utils.load_img resize.
        return tf.image.resize(image, (IMAGE_SIDE, IMAGE_SIDE), antialias=True) / 255, label

    images = paths.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    return images.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def _text(folder: Path, *, shuffle: bool) -> tf.data.Dataset:
    vectorize = keras.layers.TextVectorization(max_tokens=VOCABULARY, standardize=None)
    text = [(folder / "text.txt").read_text()]
    vectorize.adapt(text)
    # The end of the text is a token.
    ids = np.append(vectorize(text)[0].numpy(), VOCABULARY)
    count = (len(ids) - 1) // WORDS
    x, y = (ids[start : start + count * WORDS].reshape(count, WORDS) for start in (0, 1))
    return _batches(x, y, shuffle=shuffle)


def _text_files(folder: Path, *, shuffle: bool) -> tf.data.Dataset:
    texts = keras.utils.text_dataset_from_directory(
        folder / "texts", batch_size=BATCH_SIZE, shuffle=shuffle, verbose=False
    )
    vectorize = keras.layers.TextVectorization(
        max_tokens=VOCABULARY, standardize=None, output_sequence_length=WORDS
    )
    vectorize.adapt(texts.map(lambda x, _: x))
    ids = texts.map(lambda x, y: (vectorize(x), y), num_parallel_calls=tf.data.AUTOTUNE)
    return ids.prefetch(tf.data.AUTOTUNE)


def _windows(folder: Path, *, shuffle: bool) -> tf.data.Dataset:
    with np.load(folder / "series.npz") as arrays:
        x, y = arrays["x"], arrays["y"]
    batches = keras.utils.timeseries_dataset_from_array(
        x[:-1], y[WINDOW:, np.newaxis], WINDOW, batch_size=BATCH_SIZE, shuffle=shuffle
    )
    return batches.prefetch(tf.data.AUTOTUNE)


PLAIN_SOURCES = {
    "npz": _npz,
    "npy": _npy,
    "csv": _csv,
    "csv with features": _features,
    "parquet": _parquet,
    "jsonl": _jsonl,
    "tfrecord": _tfrecord,
    "images": _images,
    "text": _text,
    "text_files": _text_files,
    "windows": _windows,
}
