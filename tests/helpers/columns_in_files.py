"""The same columns of numbers, written to every kind of file that holds numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from archbuilder.config.sources import Csv, DataPath, DataSource, Jsonl, Npy, Npz, Parquet, Tfrecord

Columns = Sequence[np.ndarray]


def names(columns: Columns) -> list[str]:
    return [f"c{number}" for number in range(len(columns))]


def rows(columns: Columns) -> list[list[bool | int | float]]:
    return [list(row) for row in zip(*(each.tolist() for each in columns), strict=True)]


def csv(folder: Path, columns: Columns) -> DataSource:
    lines = [",".join([*names(columns), "y"])]
    lines += [",".join([*map(repr, row), "0"]) for row in rows(columns)]
    (folder / "d.csv").write_text("\n".join(lines) + "\n")
    return Csv(DataPath(str(folder / "d.csv")))


def parquet(folder: Path, columns: Columns) -> DataSource:
    arrays = dict(zip(names(columns), map(pa.array, columns), strict=True))
    pq.write_table(pa.table({**arrays, "y": [0] * len(columns[0])}), folder / "d.parquet")
    return Parquet(DataPath(str(folder / "d.parquet")))


def jsonl(folder: Path, columns: Columns) -> DataSource:
    lines = [json.dumps({"x": row, "y": 0}) + "\n" for row in rows(columns)]
    (folder / "d.jsonl").write_text("".join(lines))
    return Jsonl(DataPath(str(folder / "d.jsonl")))


def npz(folder: Path, columns: Columns) -> DataSource:
    np.savez(folder / "d.npz", x=np.stack(columns, axis=1), y=np.zeros(len(columns[0])))
    return Npz(DataPath(str(folder / "d.npz")))


def npy(folder: Path, columns: Columns) -> DataSource:
    np.save(folder / "d.npy", np.stack(columns, axis=1))
    np.save(folder / "y.npy", np.zeros(len(columns[0])))
    return Npy(DataPath(str(folder / "d.npy")), DataPath(str(folder / "y.npy")))


def tfrecord(folder: Path, columns: Columns) -> DataSource:
    def feature(values: list[int] | list[float]) -> tf.train.Feature:
        if columns[0].dtype.kind == "f":
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=map(int, values)))

    with tf.io.TFRecordWriter(str(folder / "d.tfrecord")) as writer:
        for row in rows(columns):
            features = tf.train.Features(feature={"x": feature(row), "y": feature([0])})
            writer.write(tf.train.Example(features=features).SerializeToString())
    return Tfrecord(DataPath(str(folder / "d.tfrecord")))


WRITERS: Final[Mapping[str, Callable[[Path, Columns], DataSource]]] = {
    "csv": csv,
    "parquet": parquet,
    "jsonl": jsonl,
    "npz": npz,
    "npy": npy,
    "tfrecord": tfrecord,
}
TABLES: Final = ("csv", "parquet", "jsonl")
"""Kinds whose columns may have different types."""


def can_hold(kind: str, dtype: np.dtype) -> bool:
    """Records have int64 and float32 alone."""
    if kind == "tfrecord":
        return dtype not in (np.uint64, np.float64)
    return True
