"""Format predictions as lines of CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archbuilder.inference.predict import Prediction
from archbuilder.inference.predicted_outputs import Values

PredictionFormat: TypeAlias = Literal["csv", "jsonl"]
_RESERVED: Final = ("key", "class", "probability")
"""Names of columns that a class must not have."""
_TOLERANCE: Final = 1e-3
"""How far a sum of probabilities may be from 1."""


def format_predictions(
    predictions: Iterable[Prediction], output_format: PredictionFormat
) -> Iterator[str]:
    """Yield a line for each example, for CSV after a header.

    For an output with a value per class, the top class comes first, with its probability if the
    values are probabilities. With several outputs, the name of the output is part of each column.
    """
    is_first = True
    for prediction in predictions:
        if output_format == "jsonl":
            yield json.dumps({"key": prediction.key, **_json_object(prediction)})
            continue
        row = {"key": prediction.key, **_csv_row(prediction)}
        if is_first:
            yield _csv_line(list(row))
        yield _csv_line([str(value) for value in row.values()])
        is_first = False


def _csv_row(prediction: Prediction) -> dict[str, float | str]:
    row: dict[str, float | str] = {}
    for name, values in prediction.outputs.items():
        prefix = f"{name}." if len(prediction.outputs) > 1 else ""
        # The classes of positions would need columns for each position.
        names = prediction.class_names.get(name) if values.ndim == 1 else None
        if names is not None:
            top_class, probability = _top1(values, names)
            # Every line of a CSV file needs the same columns.
            cell = "" if probability is None else probability
            row |= {f"{prefix}class": top_class, f"{prefix}probability": cell}
        # Class names are the columns, unless the network has more outputs than there are names.
        columns: Sequence[str] = names or ()
        if len(columns) != values.size or {*columns} & {*_RESERVED}:
            columns = [str(index) for index in range(values.size)]
        numbers = _shortest(values).reshape(-1).tolist()
        row |= {f"{prefix}{column}": each for column, each in zip(columns, numbers, strict=True)}
    return row


def _json_object(prediction: Prediction) -> dict[str, object]:
    result: dict[str, object] = {}
    for name, values in prediction.outputs.items():
        fields: dict[str, object] = {}
        if name in prediction.class_names and values.ndim > 1:
            # The name of the top class of each position, as nested lists.
            names = prediction.class_names[name]
            all_names = [*names, *map(str, range(len(names), values.shape[-1]))]
            fields["class"] = np.array(all_names, object)[np.argmax(values, axis=-1)].tolist()
        elif name in prediction.index_names:
            labels = np.array([*prediction.index_names[name], None], object)
            # Other numbers, as the -1 of padding, are no class.
            is_class = (values >= 0) & (values < len(labels) - 1)
            names_of_values = labels[np.where(is_class, values, -1).astype(np.int64)]
            # numpy returns a single object as it is.
            fields["class"] = np.asarray(names_of_values, object).tolist()
        elif name in prediction.class_names:
            top_class, probability = _top1(values, prediction.class_names[name])
            fields = {"class": top_class}
            if probability is not None:
                fields["probability"] = probability
            if len(prediction.class_names[name]) == values.size:
                fields["classes"] = list(prediction.class_names[name])
        fields["values"] = _replace_non_finite(_shortest(values).tolist())
        result |= fields if len(prediction.outputs) == 1 else {name: fields}
    return result


def _top1(values: Values, names: Sequence[str]) -> tuple[str | int, float | None]:
    """Return the top class, by name if it has one, and its probability if there is one."""
    best = int(np.argmax(values))
    is_distribution = values.min() >= 0 and abs(values.sum(dtype=np.float64) - 1) <= _TOLERANCE
    name = names[best] if best < len(names) else best
    return name, _shortest(values[best]).item() if is_distribution else None


def _shortest(values: Values) -> NDArray[np.float64] | NDArray[np.int32]:
    """Return values whose text is the shortest that reads back as the same float32, or integers."""
    if np.issubdtype(values.dtype, np.integer):
        return np.asarray(values, np.int32)
    return np.asarray(values, np.float32).astype(np.str_).astype(np.float64)


def _replace_non_finite(values: object) -> object:
    if isinstance(values, list):
        return [_replace_non_finite(each) for each in values]
    # JSON has no NaN or infinity.
    return None if isinstance(values, float) and not math.isfinite(values) else values


def _csv_line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
