"""Tables as CSV and Parquet: which columns go where, and what is wrong with them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archbuilder.cli import main
from archbuilder.config import data_from_argument
from archbuilder.config.sources import Csv, DataPath, Parquet
from archbuilder.data.columns import ArrayColumn
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.data.sources import load_source, parquet_file
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.diagnostics.errors import RunError, UsageError

COLUMNS = {"a": [1.0, 2.0, 3.0], "b": [4, 5, 6], "w": [1.0, 0.5, 2.0], "kind": ["x", "y", "x"]}
NET = """
archbuilder: 1
name: net
inputs: {image: [8, 8, 1]}
layers:
  - Flatten
  - Dense: {units: 10, activation: softmax}
data: {parquet: {file: "part-*.parquet", inputs: pixels, target: digit, sample_weight: count,
  divide_by: 16}}
training: {loss: SparseCategoricalCrossentropy, metrics: [SparseCategoricalAccuracy],
  optimizer: {Adam: 0.01}, epochs: 8}
"""


CLEAR_REFS = Path("/proc/self/clear_refs")
"""Where 5 resets the peak memory of this process."""


def table(folder: Path, kind: str, columns: dict[str, list], name: str = "d", **options):
    """The same columns in a file of either kind."""
    path = folder / f"{name}.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table(columns), path)
        return Parquet(DataPath(str(path)), **options)
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return Csv(DataPath(str(path)), **options)


def memory(kind: str) -> int:
    """The memory of this process in bytes: VmRSS, or VmHWM for the most so far."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{kind}:")[1].split()[0]) * 1024


def values(column) -> list:
    return np.asarray(column.gather(np.arange(column.count))).tolist()


def load(source, fitted: SourceDataset | None = None) -> SourceDataset:
    return load_source(source, DataFileOpener(), None if fitted is None else fitted.preprocessing)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
class TestColumns:
    def test_default_input_and_target_columns(self, tmp_path: Path, kind: str):
        """The target is the last one, and its words are classes."""
        dataset = load(table(tmp_path, kind, COLUMNS))
        assert values(dataset.inputs[UNNAMED].column) == [[1, 4, 1], [2, 5, 0.5], [3, 6, 2]]
        assert values(dataset.targets[UNNAMED]) == [0, 1, 0]
        assert dataset.preprocessing.schema.classes == {UNNAMED: ("x", "y")}

    def test_string_labels_of_a_run_with_numbers(self, tmp_path: Path, kind: str):
        """They must be numbers too: names would be numbered in another order."""
        numbers = load(table(tmp_path, kind, {"x": [1.5, 2.5, 3.5], "y": [0, 1, 2]}))
        dataset = load(table(tmp_path, kind, {"x": [1.5, 2.5], "y": ["2", "0"]}), numbers)
        assert values(dataset.targets[UNNAMED]) == [2, 0]
        words = table(tmp_path, kind, {"x": [1.5, 2.5], "y": ["one", "zero"]})
        with pytest.raises(RunError, match="'one', but the targets of the training data are num"):
            load(words, numbers)

    def test_columns_by_name(self, tmp_path: Path, kind: str):
        """A column alone has no axis, several stand side by side."""
        options = {"inputs": {"one": "a", "two": ("b", "a")}, "target": {"k": "kind", "n": "b"}}
        dataset = load(table(tmp_path, kind, COLUMNS, sample_weight="w", **options))
        assert values(dataset.inputs["one"].column) == [1, 2, 3]
        assert values(dataset.inputs["two"].column) == [[4, 1], [5, 2], [6, 3]]
        assert values(dataset.targets["k"]) == [0, 1, 0]
        assert values(dataset.targets["n"]) == [4, 5, 6]
        assert values(dataset.sample_weights[UNNAMED]) == [1, 0.5, 2]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                {"inputs": {"width": "a"}, "target": "kind"},
                (
                    "'inputs' of FILE has no entry for the input 'size' of the network, but for"
                    " 'width'; write 'inputs: {width: ..., size: ...}'; unused: 'b', 'w'"
                ),
            ),
            (
                {"inputs": {"width": "a", "size": "b"}, "target": {"kind": "kind"}},
                (
                    "'target' of FILE has no entry for the output 'k' of the network, but for"
                    " 'kind'; write 'target: {k: ...}'; unused: 'w'"
                ),
            ),
            (
                {"target": "kind"},
                (
                    "FILE has one array for the inputs, but the network has 2: width, size;"
                    " write 'inputs: {width: ..., size: ...}'"
                ),
            ),
        ],
    )
    def test_recipe_names_missing_columns(
        self, tmp_path: Path, kind: str, options: dict, message: str
    ):
        """The error has the key, what it lacks, and the columns that are left."""
        dataset = load(table(tmp_path, kind, COLUMNS, **options))
        with pytest.raises(RunError) as caught:
            dataset.select_for(("width", "size"), ("k",))
        assert str(caught.value) == message.replace("FILE", dataset.source_name)

    @pytest.mark.parametrize(
        ("target", "dtype_kind"),
        [([1, 0, 2], "i"), ([1.0, 0.0, 2.0], "i"), ([1.0, 0.5, 2.0], "f")],
    )
    def test_integer_targets(self, tmp_path: Path, kind: str, target: list, dtype_kind: str):
        """Whole numbers are integers, however they are written."""
        column = load(table(tmp_path, kind, {"a": [1, 2, 3], "y": target})).targets[UNNAMED]
        assert (column.dtype.kind, values(column)) == (dtype_kind, target)

    def test_table_of_several_files(self, tmp_path: Path, kind: str):
        """They are one table, whose classes are those of all."""
        table(tmp_path, kind, {"a": [1, 2], "kind": ["y", "z"]}, "part-1")
        source = table(tmp_path, kind, {"a": [3], "kind": ["x"]}, "part-2")
        dataset = load(type(source)(DataPath(str(tmp_path / f"part-*.{kind}"))))
        assert values(dataset.inputs[UNNAMED].column) == [[1], [2], [3]]
        assert values(dataset.targets[UNNAMED]) == [1, 2, 0]

    def test_files_with_different_columns(self, tmp_path: Path, kind: str):
        """The file is named."""
        table(tmp_path, kind, {"a": [1], "y": [1]}, "part-1")
        source = table(tmp_path, kind, {"b": [3], "y": [1]}, "part-2")
        with pytest.raises(RunError, match=r"part-2.*(does not have the columns|no column 'a')"):
            load(type(source)(DataPath(str(tmp_path / f"part-*.{kind}"))))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"target": "knid"}, "no column 'knid'; did you mean 'kind'"),
            ({"inputs": "c"}, "no column 'c'"),
            ({"inputs": {"x": ("a", "c")}}, "no column 'c'"),
            ({"sample_weight": "v"}, "no column 'v'"),
            ({"inputs": "kind", "target": "a"}, "not a number|strings, not numbers"),
            ({"sample_weight": "a", "target": 99}, "no column 99"),
        ],
    )
    def test_invalid_tables(self, tmp_path: Path, kind: str, options: dict, message: str):
        """They are told."""
        with pytest.raises(RunError, match=message):
            load(table(tmp_path, kind, COLUMNS, **options))

    def test_duplicate_column_names(self, tmp_path: Path, kind: str):
        """Nobody can say which of them is meant."""
        path = tmp_path / f"d.{kind}"
        if kind == "csv":
            path.write_text("a,a,y\n1,2,0\n")
        else:
            arrays = [pa.array([number]) for number in range(3)]
            pq.write_table(pa.Table.from_arrays(arrays, names=["a", "a", "y"]), path)
        with pytest.raises(RunError, match="has two columns 'a'"):
            load(Csv(DataPath(str(path))) if kind == "csv" else Parquet(DataPath(str(path))))

    def test_directory_in_place_of_a_file(self, tmp_path: Path, kind: str):
        """It is told."""
        folder = tmp_path / f"d.{kind}"
        folder.mkdir()
        source = DataPath(str(folder))
        with pytest.raises(UsageError, match="it is a directory"):
            load(Csv(source) if kind == "csv" else Parquet(source))

    def test_negative_sample_weights(self, tmp_path: Path, kind: str):
        """The example is named."""
        source = table(tmp_path, kind, {"a": [1, 2], "w": [1, -1], "y": [0, 1]}, sample_weight="w")
        with pytest.raises(RunError, match="the sample weight of example 2 is negative"):
            load(source)

    def test_many_columns_are_fast(self, tmp_path: Path, kind: str):
        """Twenty thousand take seconds, and those of another table are found as fast."""
        columns = {f"c{number}": [number] for number in range(20_000)}
        start = time.process_time()
        source = table(tmp_path, kind, columns)
        dataset = load(source, load(source))
        assert values(dataset.inputs[UNNAMED].column) == [[*range(19_999)]]
        assert time.process_time() - start < 20

    def test_lazy_and_cached_values_agree(self, tmp_path: Path, kind: str):
        """Whether it is held in memory or not is a matter of memory alone."""
        rows = {"a": list(range(3000)), "y": [f"c{number % 7}" for number in range(3000)]}
        held = load(table(tmp_path, kind, rows, cache=True))
        read = load(table(tmp_path, kind, rows, cache=False))
        assert isinstance(held.inputs[UNNAMED].column, ArrayColumn)
        assert not isinstance(read.inputs[UNNAMED].column, ArrayColumn)
        assert values(held.inputs[UNNAMED].column) == values(read.inputs[UNNAMED].column)
        assert values(held.targets[UNNAMED]) == values(read.targets[UNNAMED])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
class TestColumnsOfTraining:
    """A table to validate with, whose columns are those that were trained on."""

    def trained(self, folder: Path, kind: str, **options) -> SourceDataset:
        return load(table(folder, kind, COLUMNS, "train", **options))

    def test_columns_in_any_order(self, tmp_path: Path, kind: str):
        """Inputs and the target are found by their names, in files of either kind."""
        trained = self.trained(tmp_path, kind)
        columns = {key: COLUMNS[key] for key in ("kind", "w", "b", "a")}
        for name in ("csv", "parquet"):
            dataset = load(table(tmp_path, name, columns, "other"), trained)
            assert values(dataset.inputs[UNNAMED].column) == values(trained.inputs[UNNAMED].column)
            assert values(dataset.targets[UNNAMED]) == [0, 1, 0]

    def test_sample_weight_column_is_not_an_input(self, tmp_path: Path, kind: str):
        """They were no input in training, and are none here."""
        trained = self.trained(tmp_path, kind, sample_weight="w")
        dataset = load(table(tmp_path, kind, COLUMNS, "other"), trained)
        assert dataset.inputs[UNNAMED].shape == (2,)
        assert not dataset.sample_weights

    def test_target_with_named_inputs(self, tmp_path: Path, kind: str):
        """It is that of training even where it is not the last."""
        trained = self.trained(tmp_path, kind, inputs=("a", "b"))
        columns = {key: COLUMNS[key] for key in ("kind", "b", "a")}
        dataset = load(table(tmp_path, kind, columns, "other", inputs=("a", "b")), trained)
        assert values(dataset.targets[UNNAMED]) == [0, 1, 0]

    @pytest.mark.parametrize(
        ("names", "options", "message"),
        [
            ("p q w kind", {}, "other.* has no column 'a'"),
            ("a b w y", {}, "other.* has no column 'kind'"),
            ("a b w y", {"target": 3}, None),
            ("a b w more kind", {}, "other.* has a column 'more', which was neither"),
            ("a b w", {"target": 2}, "column 'w' of .*other.* was an input in training"),
        ],
    )
    def test_missing_training_columns(
        self, tmp_path: Path, kind: str, names: str, options: dict, message: str | None
    ):
        """The file and the column are named; a target that is named may be another one."""
        trained = self.trained(tmp_path, kind)
        columns = {name: COLUMNS.get(name, ["x", "y", "x"]) for name in names.split()}
        second_table = table(tmp_path, kind, columns, "other", **options)
        if message is None:
            assert load(second_table, trained).count == 3
            return
        with pytest.raises(RunError, match=message):
            load(second_table, trained)


def test_table_without_header_after_training_with_header(tmp_path: Path):
    """They are taken in their order only where somebody says that they have no names."""
    trained = load(table(tmp_path, "csv", COLUMNS))
    (tmp_path / "o.csv").write_text("1,2,3,0\n4,5,6,1\n")
    file = DataPath(str(tmp_path / "o.csv"))
    with pytest.raises(RunError, match="not column names, which the run was trained with"):
        load(Csv(file), trained)
    plain = load(table(tmp_path, "csv", {"a": [1], "y": [0]}))
    dataset = load(Csv(file, header=False), plain)
    assert values(dataset.inputs[UNNAMED].column) == [[1, 2, 3], [4, 5, 6]]


class TestParquet:
    def test_parquet_strings_stay_strings(self, tmp_path: Path):
        """What looks like a number is one where nothing says that it is a word."""
        columns = {"a": [1, 2, 3], "y": ["7", "30", "7"]}
        assert values(load(table(tmp_path, "parquet", columns)).targets[UNNAMED]) == [1, 0, 1]
        assert values(load(table(tmp_path, "csv", columns)).targets[UNNAMED]) == [7, 30, 7]

    def test_parquet_types(self, tmp_path: Path):
        """Lists of lists, truth values, categories and floats of any width."""
        columns = {
            "grid": pa.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], pa.list_(pa.list_(pa.uint8()))),
            "flag": pa.array([True, False]),
            "half": pa.array(np.array([0.5, 1.5], np.float16)),
            "kind": pa.array(["b", "a"]).dictionary_encode(),
        }
        pq.write_table(pa.table(columns), tmp_path / "d.parquet")
        inputs = {key: key for key in ("grid", "flag", "half")}
        dataset = load(Parquet(DataPath(str(tmp_path / "d.parquet")), inputs=inputs))
        assert values(dataset.inputs["grid"].column)[1] == [[5, 6], [7, 8]]
        assert values(dataset.inputs["flag"].column) == [1, 0]
        assert values(dataset.inputs["half"].column) == [0.5, 1.5]
        assert values(dataset.targets[UNNAMED]) == [1, 0]

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ([b"x", b"y"], "contains binary, not numbers"),
            ([1, None], r"row 2 of .*d\.parquet' has a value in column 'a' that is missing"),
            ([[1], [1, 2]], r"row 2 of .* of a different length"),
            ([1.0, float("inf")], "row 2 of"),
            ([["u"], ["v"]], "contains string, not numbers"),
        ],
    )
    def test_parquet_missing_values(self, tmp_path: Path, values: list, message: str):
        """The row or the column is named."""
        with pytest.raises(RunError, match=message):
            load(table(tmp_path, "parquet", {"a": values, "y": [0, 1]}))

    def test_parquet_huge_rows(self, tmp_path: Path):
        """A small file may hold them; they are refused by what it says of itself."""
        source = Parquet(DataPath(str(tmp_path / "d.parquet")), cache=False)
        for length in (2**20, 2**25):
            columns = {"a": pa.array([np.zeros(length, np.int8)]), "y": pa.array([0])}
            pq.write_table(pa.table(columns), tmp_path / "d.parquet")
            assert (tmp_path / "d.parquet").stat().st_size < 10_000
            if length == 2**20:
                assert load(source).inputs[UNNAMED].column.shape == (length,)
        with pytest.raises(RunError, match="rows of more than 256 MiB"):
            load(source)

    def test_parquet_long_strings(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """Fewer are read at once, and those that are enormous are refused."""
        strings = [chr(97 + number) * 2**20 for number in range(40)]
        source = table(tmp_path, "parquet", {"a": [*range(40)], "y": strings})
        rows_per_read: list[int] = []
        iter_batches = pq.ParquetFile.iter_batches

        def observed(file: pq.ParquetFile, rows: int, **options: object):
            rows_per_read.append(rows)
            return iter_batches(file, rows, **options)

        monkeypatch.setattr(pq.ParquetFile, "iter_batches", observed)
        assert load(source).preprocessing.schema.classes == {UNNAMED: tuple(strings)}
        assert rows_per_read == [26]
        monkeypatch.setattr(parquet_file, "_MAX_ROW_BYTES", 2**19)
        with pytest.raises(RunError, match="rows of more than"):
            load(source)

    @pytest.mark.skipif(not CLEAR_REFS.exists(), reason="only Linux can reset the peak")
    @pytest.mark.parametrize("groups", [1, 100])
    def test_parquet_memory(self, tmp_path: Path, groups: int):
        """It does not grow with the file, nor with its groups of rows."""
        x = np.random.default_rng(0).random((6, 1_000_000), np.float32)
        columns = {"y": np.zeros(x.shape[1], np.int8)} | {f"c{each}": x[each] for each in range(6)}
        path = tmp_path / "d.parquet"
        pq.write_table(
            pa.table(columns),
            path,
            row_group_size=x.shape[1] // groups,
            use_dictionary=False,
            data_page_size=2**16,
        )
        del x, columns
        # Not `load`, whose checks read the columns, mapped from their files.
        context = LoadContext(DataFileOpener(), ColumnStore(memory_limit=0))
        CLEAR_REFS.write_text("5")
        size = memory("VmRSS")
        assert Parquet(DataPath(str(path)), target="y").load(context).count == 1_000_000
        assert memory("VmHWM") - size < path.stat().st_size / 2

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\xff" * 40 + b"PAR1"])
    def test_not_a_parquet_file(self, tmp_path: Path, content: bytes):
        """It is named."""
        (tmp_path / "d.parquet").write_bytes(content)
        with pytest.raises(RunError, match=r"d\.parquet' is not a Parquet file, or is damaged"):
            load(Parquet(DataPath(str(tmp_path / "d.parquet"))))

    def test_truncated_parquet(self, tmp_path: Path):
        """A page in the middle that is overwritten is damage too."""
        source = table(tmp_path, "parquet", {"a": list(range(100)), "y": [0] * 100})
        path = Path(source.file.path)
        content = path.read_bytes()
        path.write_bytes(content[:4] + b"\xff" * 40 + content[44:])
        with pytest.raises(RunError, match="is not a Parquet file, or is damaged"):
            load(source)

    def test_parquet_from_the_command_line(self, tmp_path: Path):
        """By the end of its name."""
        source = table(tmp_path, "parquet", COLUMNS)
        assert data_from_argument(source.file.path).train == source


def test_train_on_parquet_digits(tmp_path: Path):
    """Lists of pixels in two files, with what each example counts, from a blueprint."""
    digits = load_source(data_from_argument("digits").train, DataFileOpener())
    pixels, labels = (
        digits.inputs[UNNAMED].column.values[:600],
        digits.targets[UNNAMED].values[:600],
    )
    for file_number in range(2):
        rows = slice(file_number * 300, file_number * 300 + 300)
        columns = {
            "pixels": pixels[rows, :, :, None].tolist(),
            "digit": labels[rows].tolist(),
            "count": [1.0] * 300,
        }
        pq.write_table(pa.table(columns), tmp_path / f"part-{file_number}.parquet")
    (tmp_path / "net.yaml").write_text(NET)
    run = tmp_path / "run"
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(run)]) == 0
    record = json.loads((run / "run.json").read_text())
    assert record["validation_metrics"]["sparse_categorical_accuracy"] > 0.8
    jsonl_path = tmp_path / "made.jsonl"
    data = [str(tmp_path / "part-0.parquet"), "--output", str(jsonl_path)]
    assert main(["predict", str(run), *data]) == 0
    assert len(jsonl_path.read_text().splitlines()) == 300
