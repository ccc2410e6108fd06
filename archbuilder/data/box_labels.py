"""Labels of the boxes or points of an image: the classes that they become."""

from __future__ import annotations

import numpy as np

from archbuilder.config.data_schema import FittedFeature
from archbuilder.data.columns import iter_chunks, map_column
from archbuilder.data.raw_feature import RawFeature
from archbuilder.data.source_dataset import Feature
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.formatting import plural

_MAX_NOTED = 10


def collect_classes(raw: RawFeature) -> tuple[FittedFeature, str]:
    """Return the classes of the labels, with a note for the user.

    As the classes of other targets, they are those of all examples.

    Raises:
        RunError: if there are none.
    """
    if isinstance(raw.config.vocabulary, tuple):
        return FittedFeature(raw.names, vocabulary=tuple(map(str, raw.config.vocabulary))), ""
    classes = tuple(sorted(raw.categories))
    if not classes:
        raise RunError(f"{raw.title} has no labels")
    pairs = (f"{quote(label)} = {number}" for number, label in enumerate(classes[:_MAX_NOTED]))
    note = f"{raw.title}: {plural(len(classes), 'class', 'classes')}: {', '.join(pairs)}"
    return FittedFeature(raw.names, vocabulary=classes), note


def encode_classes(raw: RawFeature, fitted: FittedFeature) -> Feature:
    """Return the class indices of the labels.

    Raises:
        RunError: if a label is not a class of the training data.
    """
    numbers = {label: number for number, label in enumerate(fitted.vocabulary)}
    unknown = [code for code, label in enumerate(raw.categories) if label not in numbers]
    for codes, rows in iter_chunks(raw.column, np.arange(raw.column.count)) if unknown else ():
        is_unknown = np.isin(codes, unknown)
        if is_unknown.any():
            position = int(is_unknown.argmax())
            label = quote(raw.categories[int(codes[position])])
            description = raw.origin.describe_value(int(rows[position]), 0, label)
            raise RunError(f"{description}, which is not a class of the training data")
    table = np.array([numbers[each] for each in raw.categories], np.int32)
    return Feature(
        map_column(raw.column, lambda codes: table[codes.astype(np.int64)], (), table.dtype),
        origin=raw.origin,
    )
