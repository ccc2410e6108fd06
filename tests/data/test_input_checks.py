"""Values on their way from a file to the input of a network: the same ones, or an error."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from helpers.columns_in_files import TABLES, WRITERS, can_hold
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from archbuilder.compiler.ir import GraphInput
from archbuilder.config.sources import Csv, DataPath, DataSource, Jsonl, Npy, Npz, Parquet
from archbuilder.data.columns import ArrayColumn, LazyColumn, translate_read_errors
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.input_checks import adapt_input
from archbuilder.data.lookup_tables import LookupTable
from archbuilder.data.source_dataset import UNNAMED, Feature
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import RunError
from archbuilder.diagnostics.span import SourceText, Span

SPAN = Span(SourceText("test", ""), 1, 1, 1, 1)
INPUTS = ("int32", "int64", "float32", "float64", "bool")
DTYPES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
)
PLACES = {
    "csv": r"line \d+ of .*d\.csv' has .* in column 'c\d'",
    "parquet": r"row \d+ of .*d\.parquet' has .* in column 'c\d'",
    "jsonl": r"line \d+ of .*d\.jsonl' has .* in the field 'x'|the field 'x' of .*d\.jsonl':\d+",
    "npz": r"example \d+ of the array 'x' of .*d\.npz' has",
    "npy": r"example \d+ of .*d\.npy' has",
    "tfrecord": (
        r"record \d+ of .*d\.tfrecord' has .* in the feature 'x'"
        r"|the feature 'x' of record \d+ of .*d\.tfrecord'"
    ),
}


def network_input(dtype: str, *shape: int) -> GraphInput:
    return GraphInput("ids", shape, dtype, SPAN)


def reach(source: DataSource, dtype: str, indices: Sequence[LookupTable] = ()) -> np.ndarray:
    """The values that reach an input of a dtype."""
    feature = load_source(source, DataFileOpener()).inputs[UNNAMED]
    with translate_read_errors():
        fitted = adapt_input(feature, network_input(dtype, *feature.shape), indices)
        return fitted.gather(tf.range(feature.column.count)).numpy()


def is_representable(value: bool | float, dtype: str) -> bool:
    """Whether an input has the value of a file, or a fraction that is rounded to one."""
    if dtype == "bool":
        return value in (0, 1)
    if dtype.startswith("int"):
        limits = np.iinfo(dtype)
        return value == int(value) and limits.min <= value <= limits.max
    with np.errstate(over="ignore"):
        rounded = float(np.array(value).astype(dtype))
    return rounded == value if isinstance(value, int) else np.isfinite(rounded)


def values_of(dtype: str, count: int) -> st.SearchStrategy[np.ndarray]:
    finite = {"allow_nan": False, "allow_infinity": False}
    elements = arrays.from_dtype(np.dtype(dtype), **(finite if dtype.startswith("float") else {}))
    near = [0, 1, 2**24 - 1, 2**24 + 1, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]
    if dtype.startswith(("int", "uint")):
        limits = np.iinfo(dtype)
        elements |= st.sampled_from([each for each in near if each <= limits.max])
    elif dtype == "float64":
        elements |= st.sampled_from([0.0, 1.0, 0.7, 2.0**24 + 1, 1e300])
    return arrays.arrays(dtype, count, elements=elements)


def outcome(source: DataSource, dtype: str) -> np.ndarray | RunError:
    try:
        return reach(source, dtype)
    except RunError as error:
        return error


def check(kind: str, folder: Path, columns: list[np.ndarray], dtype: str) -> None:
    """The values that reach an input are those of the file, or an error tells where."""
    values = [array.tolist() for array in columns]
    right = all(is_representable(array, dtype) for column in values for array in column)
    outputs = outcome(WRITERS[kind](folder, columns), dtype)
    if isinstance(outputs, RunError):
        # Side by side, numbers have to have one dtype before that of the input is known.
        mixed = len({array.dtype.kind for array in columns}) > 1
        assert not right or (mixed and "no dtype represents" in str(outputs))
        assert re.search(PLACES[kind], str(outputs)), outputs
        return
    assert right
    assert outputs.dtype == dtype
    expected = np.stack([np.array(column).astype(dtype) for column in columns], axis=1)
    outputs = outputs.reshape(expected.shape)
    if dtype.startswith("float"):
        # TensorFlow takes the smallest numbers of a dtype for zero: of the file's when it reads
        # them, and of the input's when it writes them.
        dtypes = [dtype, *(array.dtype for array in columns if array.dtype.kind == "f")]
        smallest = max(float(np.finfo(each).smallest_normal) for each in dtypes)
        for array in (outputs, expected):
            array[abs(array) < smallest] = 0
    np.testing.assert_array_equal(outputs, expected)


@pytest.mark.parametrize("kind", WRITERS)
@settings(max_examples=25)
@given(st.data())
def test_values_are_exact_or_rejected(tmp_path_factory, kind: str, data):
    """Whatever the dtypes of a file and of an input are: nothing changes but by rounding."""
    dtype = data.draw(st.sampled_from([each for each in DTYPES if can_hold(kind, np.dtype(each))]))
    count = data.draw(st.integers(1, 3))
    columns = [data.draw(values_of(dtype, count)) for _ in range(data.draw(st.integers(1, 2)))]
    folder = tmp_path_factory.mktemp("values")
    check(kind, folder, columns, data.draw(st.sampled_from(INPUTS)))


def test_integers_on_both_sides_of_the_signed_range(tmp_path: Path):
    """They have a dtype in common: that of unsigned ones."""
    columns = [np.array([each], np.uint64) for each in (2**63, 2**53 + 1)]
    for kind in ("jsonl", "csv"):
        folder = tmp_path / kind
        folder.mkdir()
        with pytest.raises(RunError, match=r"9,?223,?372,?036,?854,?775,?808"):
            reach(WRITERS[kind](folder, columns), "int64")


@pytest.mark.parametrize("kind", TABLES)
@settings(max_examples=25)
@given(st.data())
def test_columns_of_different_types_side_by_side(tmp_path_factory, kind: str, data):
    """An id keeps its digits beside a fraction."""
    count = data.draw(st.integers(1, 3))
    dtypes = data.draw(st.lists(st.sampled_from(DTYPES), min_size=2, max_size=3))
    columns = [data.draw(values_of(dtype, count)) for dtype in dtypes]
    folder = tmp_path_factory.mktemp("values")
    check(kind, folder, columns, data.draw(st.sampled_from(INPUTS)))


class TestIntegers:
    """Neighboring ids stay different, or are refused."""

    IDS = (2**24, 2**24 + 1)

    def table(self, folder: Path, *rows: str) -> Csv:
        (folder / "d.csv").write_text("\n".join(["id,price,y", *rows]) + "\n")
        return Csv(DataPath(str(folder / "d.csv")), inputs="id")

    def ids(self, folder: Path) -> Csv:
        return self.table(folder, *(f"{each},0.5,0" for each in self.IDS))

    @pytest.mark.parametrize("dtype", ["int32", "int64", "float64"])
    def test_exact_integers(self, tmp_path: Path, dtype: str):
        """Each reaches the network as it is."""
        assert reach(self.ids(tmp_path), dtype).tolist() == [*self.IDS]

    def test_inexact_integers(self, tmp_path: Path):
        """The line, the column and what to do are told."""
        message = (
            r"line 3 of .*d\.csv' has 16777217 in column 'id', and the input 'ids' takes float32"
        )
        advice = r"int64 if it is an id, or write it as a float \(16777217\.0\) if it is a quantity"
        with pytest.raises(RunError, match=f"{message}: it would be rounded .* as {advice}$"):
            reach(self.ids(tmp_path), "float32")
        quantities = self.table(tmp_path, "16777217.0,0.5,0")
        assert reach(quantities, "float32").tolist() == [2**24]

    def test_integers_beside_fractions(self, tmp_path: Path):
        """A column of integers is one wherever it stands."""
        source = replace(self.ids(tmp_path), inputs=("price", "id"))
        with pytest.raises(RunError, match=r"line 3 of .* has 16777217 in column 'id'"):
            reach(source, "float32")
        assert reach(source, "float64").tolist() == [[0.5, each] for each in self.IDS]

    def test_fractional_values_are_rounded(self, tmp_path: Path):
        """Numbers with a point are rounded as floats are, and so is what is divided."""
        source = self.table(tmp_path, *(f"{each}.0,0.5,0" for each in self.IDS))
        assert reach(source, "float32").tolist() == [2**24, 2**24]
        feature = Feature(ArrayColumn(np.array(self.IDS)), divide_by=2.0**24)
        fitted = adapt_input(feature, network_input("float32"))
        assert fitted.gather(tf.range(2)).numpy().tolist() == [1, 1]

    @pytest.mark.parametrize("cache", [None, False])
    def test_late_fraction_makes_a_column_float(self, tmp_path: Path, cache: bool | None):
        """It makes floats of the column, in memory and on the disk, and is no integer."""
        rows = [f"{number},0.5,0" for number in range(3000)]
        source = replace(self.table(tmp_path, *rows, "0.7,0.5,0"), cache=cache)
        assert reach(source, "float64").tolist() == [*range(3000), 0.7]
        with pytest.raises(RunError, match=r"line 3002 of .* has 0.7 .* integers from -2147483648"):
            reach(source, "int32")

    def test_line_numbers_with_skipped_and_multiline_records(self, tmp_path: Path):
        """Whatever is left out before, and however many lines a value has."""
        rows = ["1,x,0", "2,0.5", "", '3,"0.\n5",0', "4,0.5,0", f"{2**31},0.5,0"]
        source = replace(self.table(tmp_path, *rows), inputs=("id",), on_error="skip")
        assert reach(source, "int64").tolist() == [[1], [3], [4], [2**31]]
        with pytest.raises(RunError, match="line 8 of"):
            reach(source, "int32")

    def test_true_and_false_words(self, tmp_path: Path):
        """True and False, as pandas writes them, are 1 and 0."""
        source = self.table(tmp_path, "True,0.5,0", "false,0.5,1")
        assert reach(source, "bool").tolist() == [True, False]
        assert reach(source, "float32").tolist() == [1, 0]


class TestIndices:
    TABLE = (LookupTable(10, "'embedding' (input_dim: 10)"),)

    @pytest.mark.parametrize("dtype", ["int32", "float32"])
    @pytest.mark.parametrize("number", [-1, 10, 0.7, 2**40])
    def test_index_out_of_range(self, dtype: str, number: float):
        """It is told with its place, also for an input of floats."""
        feature = Feature(ArrayColumn(np.array([[0, 9], [1, number]]), "'x.npy'"))
        message = (
            rf"example 2 of 'x\.npy' has {number}, and the input 'ids' feeds 'embedding'"
            r" \(input_dim: 10\), which takes integers from 0 to 9"
        )
        with pytest.raises(RunError, match=message):
            adapt_input(feature, network_input(dtype, 2), self.TABLE)

    def test_float_indices(self):
        """Whole ones are indices too."""
        fitted = adapt_input(
            Feature(ArrayColumn(np.array([0.0, 9.0]))), network_input("int32"), self.TABLE
        )
        assert fitted.gather(tf.range(2)).numpy().tolist() == [0, 9]

    def test_lazy_columns_are_checked_on_read(self, tmp_path: Path):
        """What is mapped is looked at as it is read; what was gathered on the disk, before."""
        np.save(tmp_path / "x.npy", np.array([0, 10]))
        np.save(tmp_path / "y.npy", np.zeros(2))
        files = [DataPath(str(tmp_path / f"{name}.npy")) for name in "xy"]
        feature = load_source(Npy(*files), DataFileOpener()).inputs[UNNAMED]
        fitted = adapt_input(feature, network_input("int32"), self.TABLE)
        assert fitted.gather(tf.constant([0])).numpy().tolist() == [0]
        with (
            pytest.raises(RunError, match=r"example 2 of .*x\.npy' has 10"),
            translate_read_errors(),
        ):
            fitted.gather(tf.constant([1]))
        (tmp_path / "d.csv").write_text("x,y\n0,0\n10,0\n")
        source = Csv(DataPath(str(tmp_path / "d.csv")), inputs="x", cache=False)
        feature = load_source(source, DataFileOpener()).inputs[UNNAMED]
        assert isinstance(feature.column, LazyColumn)
        with pytest.raises(RunError, match=r"line 3 of .* has 10 in column 'x'"):
            adapt_input(feature, network_input("int32"), self.TABLE)


class TestFiles:
    """Several files of one source, whose types differ."""

    def test_several_npz_archives(self, tmp_path: Path):
        """The second is not cut to the type of the first."""
        for name, dtype in (("a", np.int32), ("b", np.float64)):
            np.savez(tmp_path / f"{name}.npz", x=np.array([1, 2.7]).astype(dtype), y=np.zeros(2))
        source = Npz(DataPath(str(tmp_path / "*.npz")))
        assert reach(source, "float64").tolist() == [1, 2, 1, 2.7]

    def test_several_parquet_tables(self, tmp_path: Path):
        """A column of integers in one file and of floats in another is of floats."""
        for name, values in (("a", [2**53, 1]), ("b", [0.5, 2.0])):
            pq.write_table(pa.table({"x": values, "y": [0, 0]}), tmp_path / f"{name}.parquet")
        source = Parquet(DataPath(str(tmp_path / "*.parquet")), inputs="x")
        assert reach(source, "float64").tolist() == [2**53, 1, 0.5, 2]
        pq.write_table(pa.table({"x": [2**53 + 1], "y": [0]}), tmp_path / "a.parquet")
        message = (
            r"row 1 of .*a\.parquet' has 9007199254740993 in column 'x', .* no dtype represents"
        )
        with pytest.raises(RunError, match=message):
            reach(source, "float64")

    @pytest.mark.parametrize(
        ("column", "message"),
        [
            (pa.array([0, 1], pa.timestamp("ns")), "timestamp.*dates and times as numbers"),
            (pa.array([0, 1], pa.date32()), "date32.*dates and times as numbers"),
            (pa.array([1, 2]).cast(pa.decimal128(19, 0)), "decimal128.*decimals as float64"),
        ],
    )
    def test_non_numeric_types(self, tmp_path: Path, column: pa.Array, message: str):
        """Dates and decimals are refused with what to write in their place."""
        pq.write_table(pa.table({"x": column, "y": [0, 0]}), tmp_path / "d.parquet")
        with pytest.raises(RunError, match=f"column 'x' of .* contains {message}"):
            reach(Parquet(DataPath(str(tmp_path / "d.parquet"))), "float32")

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ([[2**64, 1]], "more than 64 bits"),
            ([[2**64, 0.5]], "more than 64 bits"),
            ([[2**53 + 1, 0.5]], "has 9007199254740993 among"),
            ([[0.5, 0.5], [2**53 + 1, 0.5]], "has 9007199254740993 among"),
            ([[2**53 + 1, 0], [0.5, 0]], "the field 'x' of .* has 9007199254740993, among numbers"),
            ([[2**24 + 1, 0.5]], "has 16777217 in the field 'x', .* takes float32"),
        ],
    )
    def test_json_integers(self, tmp_path: Path, rows: list, message: str):
        """They keep their digits beside fractions, or the line is told."""
        lines = (json.dumps({"x": row, "y": 0}) for row in rows)
        (tmp_path / "d.jsonl").write_text("\n".join(lines))
        with pytest.raises(RunError, match=message):
            reach(Jsonl(DataPath(str(tmp_path / "d.jsonl"))), "float32")


def test_text_input():
    """Numbers are no text."""
    with pytest.raises(RunError, match=r"takes strings, .* 'vocabulary' or a 'tokenizer'"):
        adapt_input(Feature(ArrayColumn(np.zeros(2))), network_input("string"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("number", "dtype", "hint"),
    [
        (2**64 + 2**12, "float32", "rounded to 18446744073709551616; declare the input as float64"),
        (-(2**64) - 2**12, "float32", "declare the input as float64"),
        (2**63 + 2**11, "float32", "declare the input as uint64"),
        (-(2**24) - 1, "float32", "declare the input as int64"),
        (70000, "float16", "exceeds the maximum of this dtype"),
    ],
)
def test_error_suggests_a_wider_dtype(number: int, dtype: str, hint: str):
    """The message names a dtype that represents the integer, which may have more than 64 bits."""
    column = ArrayColumn(np.array([[number, 0.5]], np.float64))
    feature = Feature(column, integer_mask=np.array([True, False]))
    with pytest.raises(RunError, match=re.escape(hint)):
        adapt_input(feature, network_input(dtype, 2))
    fitted = adapt_input(feature, network_input("float64", 2))
    assert fitted.gather(tf.range(1)).numpy().tolist() == [[number, 0.5]]
