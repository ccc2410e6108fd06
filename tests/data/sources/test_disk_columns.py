"""Columns that grow: in memory, or on the disk when they are large."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archbuilder.data.columns import ArrayColumn, LazyColumn
from archbuilder.data.sources.disk_columns import ColumnStore, concat_columns
from archbuilder.data.sources.label_encoder import LabelEncoder
from archbuilder.diagnostics.errors import RunError


def parts_of(values: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return np.split(values, sorted(cut % (len(values) + 1) for cut in cuts))


@given(st.lists(st.integers(0, 50), max_size=5), st.sampled_from([0, 100, 2**20]))
def test_column_writer_roundtrip(cuts: list[int], held: int):
    """In whatever parts it comes, and wherever it is kept."""
    values = np.arange(120, dtype=np.int16).reshape(40, 3)
    gathering = ColumnStore(memory_limit=held).create_writer("x")
    for chunk in parts_of(values, cuts):
        if len(chunk):
            gathering.add(chunk)
    column = gathering.to_column()
    assert isinstance(column, ArrayColumn if held >= values.nbytes else LazyColumn)
    assert (column.count, column.shape, column.dtype) == (40, (3,), np.int16)
    rows = np.array([39, 0, 0, 17])
    assert np.array_equal(column.gather(rows), values[rows])


def test_no_temporary_file_remains(tmp_path: Path):
    """The file has no name, so it goes with the process."""
    gathering = ColumnStore(tmp_path, memory_limit=0).create_writer("x")
    gathering.add(np.ones((1000, 10)))
    column = gathering.to_column(lambda values: values * 2)
    assert [*tmp_path.iterdir()] == []
    assert np.array_equal(column.gather(np.array([999])), [[2.0] * 10])


def test_integer_check_before_widening():
    """Fractions in float32 are not forgotten once integers make the column float64."""
    writer = ColumnStore().create_writer("the target")
    writer.add(np.array([0.5, 1.5], np.float32))
    writer.add(np.array([1, 2], np.int64))
    assert (writer.dtype, writer.is_integral) == (np.float64, False)


def test_mismatched_shapes():
    """The two shapes are told."""
    gathering = ColumnStore().create_writer("the input")
    gathering.add(np.zeros((2, 3)))
    with pytest.raises(RunError, match=r"the shape \[4\], but the first one has \[3\]"):
        gathering.add(np.zeros((1, 4)))


def test_disk_space_is_checked(tmp_path: Path):
    """It is looked at before it is full."""
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(RunError, match="are free"):
        ColumnStore(tmp_path).check_free_space(free, "x.npz")


@given(st.lists(st.integers(0, 11), min_size=1, max_size=20))
def test_concatenated_columns(rows: list[int]):
    """They are read as one."""
    values = np.arange(24).reshape(12, 2)

    def lazy_column(begin: int, end: int) -> LazyColumn:
        chunk = values[begin:end]
        return LazyColumn("", len(chunk), (2,), values.dtype, lambda rows: chunk[rows])

    column = concat_columns([lazy_column(0, 5), lazy_column(5, 6), lazy_column(6, 12)], "all")
    assert np.array_equal(column.gather(np.array(rows)), values[rows])


class TestLabels:
    def labels(
        self, *parts: list[str], categories: tuple[str, ...] | None = None, held: int = 2**20
    ):
        labels = LabelEncoder("the column", categories, ColumnStore(memory_limit=held))
        for chunk in parts:
            labels.add(chunk)
        column, classes, remarks = labels.finish()
        return np.asarray(column.gather(np.arange(column.count))), classes, remarks

    @pytest.mark.parametrize("held", [0, 2**20])
    def test_label_encoding_of_words(self, held: int):
        """By the alphabet, whenever they come, and a number among them is a word too."""
        values, classes, remarks = self.labels(["1", "cat"], ["ant", "cat"], held=held)
        assert values.tolist() == [0, 2, 1, 2]
        assert classes == ("1", "ant", "cat")
        assert "'ant' = 1" in remarks[0]

    @pytest.mark.parametrize("held", [0, 2**20])
    def test_label_encoding_of_numbers(self, held: int):
        """Whole ones stay so, unless one of them is not."""
        values, classes, _ = self.labels(["3", "1"], ["2"], held=held)
        assert (values.tolist(), values.dtype, classes) == ([3, 1, 2], np.int64, ())
        values, _, _ = self.labels(["3", "1"], ["2.5"], held=held)
        assert (values.tolist(), values.dtype) == ([3, 1, 2.5], np.float32)

    def test_label_encoding_of_large_numbers(self):
        """They are no whole numbers of any type."""
        values, _, _ = self.labels(["1", "99999999999999999999"])
        assert (values.dtype, values.tolist()) == (np.float32, [1, np.float32(1e20)])

    def test_label_encoding_with_known_classes(self):
        """They have the numbers of what is trained on; others are told."""
        values, _, _ = self.labels(["7", "b"], categories=("a", "b", "7"))
        assert values.tolist() == [2, 1]
        with pytest.raises(RunError, match="'c', which is not a class"):
            self.labels(["c"], categories=("a", "b"))
