"""Tables of features in the formats that have them, and their sources."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from archbuilder.config.sources import Csv, DataPath, DataSource, FeatureConfig, Jsonl, Parquet

KINDS = ("csv", "parquet", "jsonl")


def write_table(folder: Path, kind: str, columns: Mapping[str, Sequence[object]]) -> DataPath:
    """The columns in a file of a kind."""
    path = folder / f"table.{kind}"
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if kind == "parquet":
        pq.write_table(pa.table(dict(columns)), path)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, [*columns])
            writer.writeheader()
            writer.writerows(rows)
    return DataPath(str(path))


def source_of(path: DataPath, cache: bool | None = None, **features: FeatureConfig) -> DataSource:
    if path.path.endswith("jsonl"):
        return Jsonl(path, inputs=features, targets="y", cache=cache)
    return (Csv if path.path.endswith("csv") else Parquet)(path, "y", inputs=features, cache=cache)
