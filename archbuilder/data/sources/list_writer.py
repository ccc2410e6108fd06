"""Columns of lists of varying length that grow while a file is read."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, groupby

import numpy as np

from archbuilder.config.sources import FeatureConfig
from archbuilder.data.lists import ListBounds
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.data.raw_feature import RawFeature
from archbuilder.data.sources.category_writer import CategoryWriter
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.data.sources.list_parser import ListValues


class ListWriter:
    """A column of lists that grows while a file is read: their values, one after another."""

    def __init__(self, title: str, store: ColumnStore, origin: ColumnOrigin) -> None:
        self._ends = array("q")
        self._origin = origin
        # While values are added, an error of one of them looks for its list.
        values = replace(
            origin, describe_row=lambda value: origin.describe_row(bisect_right(self._ends, value))
        )
        self._numbers = store.create_writer("the input", values)
        self._categories = CategoryWriter(title, store, values)

    def add(self, lists: Sequence[ListValues]) -> None:
        """Append lists.

        Raises:
            RunError: if no dtype represents all numbers, there are too many categories, or the disk
                is full.
        """
        for values in lists:
            self._ends.append((self._ends[-1] if self._ends else 0) + len(values))
        arrays = [each for each in lists if isinstance(each, np.ndarray) and len(each)]
        # One by one only where dtypes differ: numpy would join int64 and uint64 as float64.
        for _, group in groupby(arrays, key=lambda numbers: numbers.dtype):
            self._numbers.add(np.concatenate([*group]))
        words = [each for each in lists if isinstance(each, list)]
        if words:
            self._categories.add([*chain.from_iterable(words)])

    def to_raw_feature(self, config: FeatureConfig, names: tuple[str, ...]) -> RawFeature:
        """Return the finished column."""
        writer = self._categories if config.is_category else self._numbers
        return RawFeature(
            config,
            names,
            writer.to_column(),
            writer.origin,
            categories=self._categories.categories,
            lists=ListBounds(np.array(self._ends, np.int64)),
            list_origin=self._origin,
        )


def list_bytes(lists: Iterable[ListValues]) -> int:
    """Return the size of lists in memory."""
    num_bytes = 0
    for values in lists:
        if isinstance(values, np.ndarray):
            num_bytes += values.nbytes
        else:
            num_bytes += sum(len(each or "") for each in values)
    return num_bytes
