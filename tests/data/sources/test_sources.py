from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from archbuilder.config.sources import Csv, DataPath, DataSource, Digits, Idx, Npy, Npz
from archbuilder.data.columns import translate_read_errors
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import BlueprintError, RunError, UsageError
from archbuilder.diagnostics.span import SourceText, Span

PACKAGE = Path(__file__).parents[3] / "archbuilder"
MNIST = Path(__file__).parents[4] / "shared" / "data" / "mnist"


def load(source: DataSource) -> SourceDataset:
    return load_source(source, DataFileOpener())


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    return (
        bytes([0, 0, kind, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.tobytes()
    )


def header(text: str) -> bytes:
    """The head of an array in version 1 of numpy's format."""
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text.encode()


SHAPE = "{{'descr': '<f8', 'fortran_order': False, 'shape': {}}}"


class TestDigits:
    def test_digits_checksum(self):
        """The digits are byte for byte what the README beside them says."""
        content = (PACKAGE / "data" / "digits.csv.gz").read_bytes()
        readme = (PACKAGE / "data" / "README.md").read_text()
        assert hashlib.sha256(content).hexdigest() in readme
        assert hashlib.sha256(gzip.decompress(content)).hexdigest() in readme

    def test_digits_images_and_labels(self):
        """There are 1,797 images of 8 by 8 pixels from 0 to 16, and ten classes."""
        digits = load(Digits())
        feature, labels = digits.inputs[UNNAMED], digits.targets[UNNAMED].values
        assert feature.column.values.shape == (1797, 8, 8)
        assert (feature.column.values.min(), feature.column.values.max(), feature.divide_by) == (
            0,
            16,
            16,
        )
        # The numbers of each digit, from the dataset's own description.
        assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


class TestIdx:
    def write(self, folder: Path, images: bytes, labels: bytes) -> Idx:
        (folder / "images").write_bytes(images)
        (folder / "labels").write_bytes(labels)
        return Idx(DataPath(str(folder / "images")), DataPath(str(folder / "labels")))

    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_reads_images_plain_and_compressed(self, tmp_path: Path, pack):
        """An IDX file may be compressed or not."""
        images = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
        labels = np.array([1, 0], np.uint8)
        dataset = load(self.write(tmp_path, pack(idx(images)), pack(idx(labels))))
        assert np.array_equal(dataset.inputs[UNNAMED].column.values, images)
        assert dataset.inputs[UNNAMED].divide_by == 255
        assert np.array_equal(dataset.targets[UNNAMED].values, labels)

    @pytest.mark.parametrize(
        ("images", "message"),
        [
            (b"", "not an IDX file: it starts with nothing"),
            (b"\x89PNG....", "not an IDX file: it starts with 89 50 4e 47"),
            (b"\0\0\x08\x03\0\0", "ends within its header"),
            (idx(np.zeros((2, 3, 4), np.uint8))[:-1], "less than the 24 bytes"),
            (idx(np.zeros((2, 3, 4), np.uint8)) + b"x", "more than the 24 bytes"),
            (gzip.compress(idx(np.zeros((2, 3, 4), np.uint8)), mtime=0)[:-9], "damaged"),
            (b"\0\0\x08\x03" + b"\xff" * 12, "on the disk, and"),
            (idx(np.zeros(2, np.uint8)), "has 1 axis, which is not a list of images"),
            (b"\0\0\x08\x46" + b"\0\0\0\x01" * 70, "has 70 axes, which is not a list of images"),
            (b"\0\0\x08\x03" + struct.pack(">3I", 0, 2**32 - 1, 2**32 - 1), "is empty"),
            (b"\0\0\x08\x03" + struct.pack(">3I", 9, 0, 7), "is empty"),
        ],
        ids=range(11),
    )
    def test_damaged_files_are_told(self, tmp_path: Path, images: bytes, message: str):
        """A file that is cut, too long, or no IDX file at all is named with the reason."""
        source = self.write(tmp_path, images, idx(np.zeros(2, np.uint8)))
        with pytest.raises(RunError, match=message):
            load(source)

    def test_idx_example_exceeds_memory(self, tmp_path: Path, monkeypatch):
        """A compressed file of some kilobytes can announce images of gigabytes."""
        free = shutil.disk_usage(tmp_path)._replace(free=2**50)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
        images = gzip.compress(b"\0\0\x08\x03" + struct.pack(">3I", 2, 2**17, 2**15), mtime=0)
        source = self.write(tmp_path, images, idx(np.zeros(2, np.uint8)))
        with pytest.raises(RunError, match=r"has 4\.0 GiB per example, more than 256\.0 MiB"):
            load(source)

    def test_idx_length_mismatch(self, tmp_path: Path):
        """Three images with two labels are a mistake."""
        source = self.write(
            tmp_path, idx(np.zeros((3, 2, 2), np.uint8)), idx(np.zeros(2, np.uint8))
        )
        with pytest.raises(RunError, match="'targets' has 2 examples, 'inputs' has 3 examples"):
            load(source)

    def test_reads_mnist(self):
        """The test set of MNIST, as its authors publish it."""
        if not MNIST.is_dir():
            pytest.skip("MNIST is not in ../shared/data/mnist")
        images, labels = (
            MNIST / f"t10k-{each}.gz" for each in ("images-idx3-ubyte", "labels-idx1-ubyte")
        )
        dataset = load(Idx(DataPath(str(images)), DataPath(str(labels))))
        assert dataset.inputs[UNNAMED].column.values.shape == (10_000, 28, 28)
        assert np.bincount(dataset.targets[UNNAMED].values).tolist()[:3] == [980, 1135, 1032]


class TestNpz:
    def source(self, folder: Path, **arrays: np.ndarray) -> Npz:
        np.savez_compressed(folder / "data.npz", **arrays)
        return Npz(DataPath(str(folder / "data.npz")))

    def test_npz_default_names(self, tmp_path: Path):
        """The arrays x and y, where nothing else is said."""
        x = np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3))
        dataset = load(self.source(tmp_path, x=x, y=np.array([0, 1])))
        assert np.array_equal(dataset.inputs[UNNAMED].column.values, x)
        assert dataset.inputs[UNNAMED].column.values.dtype.isnative

    def test_npz_uint8_images(self, tmp_path: Path):
        """Arrays of bytes with height and width are scaled, floats are not."""
        x = np.full((2, 4, 4), 2, np.uint8)
        assert load(self.source(tmp_path, x=x, y=x)).inputs[UNNAMED].divide_by == 255
        assert load(self.source(tmp_path, x=x.astype(float), y=x)).inputs[UNNAMED].divide_by is None

    def test_npz_missing_array(self, tmp_path: Path):
        """A name that is not there is answered with those that are."""
        with pytest.raises(RunError, match=r"no array 'y'; it has 'x', 'label'"):
            load(self.source(tmp_path, x=np.zeros(2), label=np.zeros(2)))

    def test_npz_unused_arrays(self, tmp_path: Path):
        """Some of their names are enough."""
        arrays = {f"a{number}": np.zeros(2) for number in range(500)}
        with pytest.raises(RunError, match=r"no array 'x'; it has 'a0', .*, 'a9' and 490 more$"):
            load(self.source(tmp_path, **arrays))

    def test_npz_shapes_are_compared_first(self, tmp_path: Path):
        """Of arrays in one archive, and in several: here the values are damaged."""
        source = self.source(tmp_path, x=np.zeros((2, 9999)), y=np.zeros(2))
        path = tmp_path / "more.npz"
        for shape, message in (
            ((5, 9999), "'y' has 2 examples, 'x' has 5 examples"),
            ((2, 9000), r"an example of the shape \[9000\], but the first one has \[9999\]"),
        ):
            np.savez(path, x=np.zeros(shape), y=np.zeros(2))
            content = bytearray(path.read_bytes())
            content[100_000] ^= 1
            path.write_bytes(content)
            with pytest.raises(RunError, match=message):
                load(replace(source, file=DataPath(str(tmp_path / "*.npz"))))

    @pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
    def test_npz_nonfinite_values(self, tmp_path: Path, number: float):
        """They are told with how many there are, and the first, before anything is trained."""
        x, y = np.zeros((5, 2)), np.zeros(5)
        x[2, 1] = x[4, 0] = number
        message = r"the input of .* is not finite in 2 of 5 examples; .* is example 3"
        with pytest.raises(RunError, match=message):
            load(self.source(tmp_path, x=x, y=y))
        with pytest.raises(RunError, match=r"the target of .* in 5 of 5 examples"):
            load(self.source(tmp_path, x=np.zeros((5, 2)), y=y + number))
        with pytest.raises(RunError, match=r"the target of .* in 5 of 5 examples"):
            load(self.source(tmp_path, x=np.zeros((5, 2)), y=y + 1e300))

    def test_npz_unknown_members(self, tmp_path: Path):
        """An array is a member that ends in .npy; others beside it are left alone."""
        path = tmp_path / "data.npz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x", b"")
            archive.writestr("y.npy", b"")
        with pytest.raises(RunError, match=r"data\.npz' has no array 'x'; it has 'y'$"):
            load(Npz(DataPath(str(path))))

    @pytest.mark.parametrize(
        ("offset", "value", "message"),
        [(6, 1, "is encrypted, password required"), (8, 99, "compression method is not supported")],
        ids=["encrypted", "unknown compression"],
    )
    def test_npz_unreadable_archives(self, tmp_path: Path, offset: int, value: int, message: str):
        """What zipfile cannot read is told with its reason."""
        source = self.source(tmp_path, x=np.zeros((2, 3)), y=np.zeros(2))
        content = bytearray((tmp_path / "data.npz").read_bytes())
        # The second head of a member, in the directory, begins two bytes later.
        for position in (offset, content.index(b"PK\1\2") + offset + 2):
            content[position] = value
        (tmp_path / "data.npz").write_bytes(content)
        with pytest.raises(RunError, match=rf"data\.npz' is not a NumPy archive.*{message}"):
            load(source)

    def test_npz_objects_are_refused(self, tmp_path: Path):
        """An array of Python objects would need pickle, which runs code."""
        with pytest.raises(RunError, match="contains Python objects, not numbers"):
            load(self.source(tmp_path, x=np.array([{}, {}], object), y=np.zeros(2)))
        with pytest.raises(RunError, match=r"datetime64\[D\], not numbers: write dates and times"):
            load(self.source(tmp_path, x=np.array(["2024-01-31"] * 2, "M8[D]"), y=np.zeros(2)))

    def test_npz_declared_size_is_not_trusted(self, tmp_path: Path):
        """A head that announces more than there is takes no memory."""
        path = tmp_path / "data.npz"
        head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"
        member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head) + 1) + head + b"\n"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", member)
            archive.writestr("y.npy", member)
        with pytest.raises(RunError, match="its size does not match its header"):
            load(Npz(DataPath(str(path))))

    @given(st.binary(max_size=200), st.booleans())
    def test_npz_fuzz(self, tmp_path_factory, content: bytes, inside: bool):
        """Whatever a file holds, the user gets a sentence and no traceback."""
        path = tmp_path_factory.mktemp("npz") / "data.npz"
        path.write_bytes(content)
        if inside:
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("x.npy", b"\x93NUMPY" + content)
                archive.writestr("y.npy", content)
        with pytest.raises(RunError):
            load(Npz(DataPath(str(path))))


class TestNpy:
    def source(self, folder: Path, x: np.ndarray, y: np.ndarray) -> Npy:
        np.save(folder / "x.npy", x)
        np.save(folder / "y.npy", y)
        return Npy(DataPath(str(folder / "x.npy")), DataPath(str(folder / "y.npy")))

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_npy_random_access(self, tmp_path: Path, order):
        """The rows that are asked for, whatever way round the file lies and its numbers are."""
        x = np.array(np.arange(24).reshape(4, 3, 2), dtype=">f4", order=order)
        column = load(self.source(tmp_path, x, np.arange(4))).inputs[UNNAMED].column
        assert (column.count, column.shape, column.dtype) == (4, (3, 2), np.float32)
        assert np.array_equal(column.gather(tf.constant([3, 0, 3])), x[[3, 0, 3]])

    def test_npy_is_lazy(self, tmp_path: Path):
        """A file far larger than the memory opens: it is a hole of 4 TiB here."""
        head = io.BytesIO()
        numbers = {"descr": "<f4", "fortran_order": False, "shape": (2**40, 1)}
        np.lib.format.write_array_header_1_0(head, numbers)
        for name in ("x", "y"):
            with (tmp_path / f"{name}.npy").open("wb") as file:
                file.write(head.getvalue())
                file.truncate(len(head.getvalue()) + 2**42)
        files = (DataPath(str(tmp_path / f"{name}.npy")) for name in ("x", "y"))
        column = load(Npy(*files)).inputs[UNNAMED].column
        assert column.gather(tf.constant([2**39])).numpy().tolist() == [[0]]

    def test_npy_nonfinite_values(self, tmp_path: Path):
        """They are told where they are read, with the file and the first wrong example."""
        x = np.zeros((5, 2))
        x[3, 1] = np.nan
        column = load(self.source(tmp_path, x, np.zeros(5))).inputs[UNNAMED].column
        assert not column.gather(tf.constant([2, 1])).numpy().any()
        message = r"the input of .*x\.npy' is not finite in 1 of 3 examples; .* is example 4"
        with pytest.raises(RunError, match=message), translate_read_errors():
            column.gather(tf.constant([4, 3, 2]))

    def test_npy_file_shrinks(self, tmp_path: Path):
        """To read behind the end of a mapped file would end the process; it is an error instead."""
        column = load(self.source(tmp_path, np.zeros((5, 2)), np.zeros(5))).inputs[UNNAMED].column
        os.truncate(tmp_path / "x.npy", 10)
        with (
            pytest.raises(RunError, match=r"x\.npy' was truncated while it was in use"),
            translate_read_errors(),
        ):
            column.gather(tf.constant([4]))

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "cannot be read"),
            (b"\x93NUMPY\x03\0", "version"),
            (b"\x93NUMPY\x01\0\x02\0{}", "cannot be read"),
            (header("{1: 2, 'a': 3}"), "cannot be read"),
            (header("{[]: 2}"), "cannot be read"),
            (header("(" * 5000), "cannot be read"),
            (header(SHAPE.format("(-1, -8)")) + bytes(64), "damaged: it has the shape"),
            (header(SHAPE.format(f"(0, {2**70})")), "damaged: it has the shape"),
            (header(SHAPE.format("(1,) * 40")), "cannot be read"),
            (header(SHAPE.format(f"({'1, ' * 40})")) + bytes(8), "damaged: it has the shape"),
        ],
    )
    def test_npy_damaged_files(self, tmp_path: Path, content: bytes, message: str):
        """What is no array is refused before training."""
        source = self.source(tmp_path, np.zeros(2), np.zeros(2))
        (tmp_path / "x.npy").write_bytes(content)
        with pytest.raises(RunError, match=rf"x\.npy.*{message}"):
            load(source)

    def test_npy_unsupported_files(self, tmp_path: Path):
        """Cut files, Python objects, single numbers and files that are not there are refused."""
        source = self.source(tmp_path, np.zeros((2, 8)), np.zeros(2))
        os.truncate(tmp_path / "x.npy", 200)
        with pytest.raises(RunError, match="its size does not match its header"):
            load(source)
        with pytest.raises(RunError, match="contains Python objects, not numbers"):
            load(self.source(tmp_path, np.array([{}, {}], object), np.zeros(2)))
        with pytest.raises(RunError, match="is a single number"):
            load(self.source(tmp_path, np.zeros(2), np.array(1.0)))
        with pytest.raises(UsageError, match=r"cannot read .*gone\.npy': there is no such file"):
            load(Npy(DataPath(str(tmp_path / "gone.npy")), source.targets))


class TestCsv:
    def source(self, folder: Path, text: str, **options) -> Csv:
        (folder / "data.csv").write_text(text)
        return Csv(DataPath(str(folder / "data.csv")), **options)

    def test_csv_last_column_is_the_target(self, tmp_path: Path):
        """Without a target, the last column is it."""
        dataset = load(self.source(tmp_path, "a,b,c\n1,2,0\n3,4,1\n"))
        assert dataset.inputs[UNNAMED].column.values.tolist() == [[1, 2], [3, 4]]
        assert dataset.targets[UNNAMED].values.tolist() == [0, 1]

    def test_csv_target_labels(self, tmp_path: Path):
        """A target of words is numbered in alphabetical order, and that is said."""
        dataset = load(self.source(tmp_path, "kind,a\ncat,1\nant,2\ncat,3\n", target="kind"))
        assert dataset.targets[UNNAMED].values.tolist() == [1, 0, 1]
        assert "'ant' = 0, 'cat' = 1" in dataset.notes[0]

    def test_csv_columns_by_number(self, tmp_path: Path):
        """Without a line of names, columns are counted from 0."""
        dataset = load(self.source(tmp_path, "7,1.5\n8,2.5\n", target=0, header=False))
        assert dataset.targets[UNNAMED].values.tolist() == [7, 8]

    @pytest.mark.parametrize(
        ("text", "options", "message"),
        [
            ("", {}, "is empty"),
            ("a,b\n", {}, "has no examples"),
            ("a,b\n1,2\n3\n", {}, "line 3 of .* has 1 value, not 2"),
            ("a,b\n1,2\nx,3\n", {}, "line 3 of .* has 'x' in column 'a', not a number"),
            ("size,kind\n1,2\n", {"target": "knid"}, "no column 'knid'; did you mean 'kind'?"),
            ("a\n1\n", {}, "no columns besides the target$"),
            (
                "a;b\n1;2\n",
                {},
                "separator is a comma, .* has a ';' and not a comma; write 'separator: \";\"'$",
            ),
            (
                "1;2\n3;4\n",
                {"header": False},
                "separator is a comma, .* has a ';' and not a comma; write 'separator: \";\"'$",
            ),
            (
                "a\tb\n1\t2\n",
                {"target": "b"},
                r"separator is a comma, .* a tab and not a comma; write 'separator: \"\\t\"'$",
            ),
            ("a,b;c\n1,5;2\n", {"inputs": "b;c"}, "line 2 .* '5;2' .* this line has a ';'$"),
            (
                'a,b\n"1,5",2\n',
                {},
                "line 2 .* '1,5' in column 'a', .* use a decimal point, or write 'decimal: \",\"'$",
            ),
            ("a,b\n2024-01-31,2\n", {}, "line 2 .* in column 'a', .* dates and times as numbers"),
            ("a,b\n18446744073709551616,2\n", {}, "line 2 .* 'a', an integer of more than 64"),
            ("a,b\n1,2\n,3\n", {}, "line 3 of .* has no value in column 'a'; 'on_error: skip' "),
            ("a,b\n1,cat\n3, \n", {}, "line 3 of .* has no value in column 'b'; 'on_error: skip' "),
            ("1,2.5,0\n3,4,1\n", {}, "data.csv' has numbers, not column names.*'header: false'"),
        ],
    )
    def test_csv_invalid_lines(self, tmp_path: Path, text: str, options: dict, message: str):
        """A line that is not as the others is named by its number."""
        with pytest.raises(RunError, match=message):
            load(self.source(tmp_path, text, **options))

    def test_csv_skips_missing_values(self, tmp_path: Path):
        """Where that is wanted, nobody is told to want it."""
        source = self.source(tmp_path, "a,b\n1,2\n ,3\n", on_error="skip")
        dataset = load(source)
        assert dataset.inputs[UNNAMED].column.values.tolist() == [[1]]
        assert dataset.notes[-1].endswith("has no value in column 'a'")

    def test_csv_numeric_column_names(self, tmp_path: Path):
        """Pixels may be counted, as long as something has a name."""
        dataset = load(self.source(tmp_path, "0,1,digit\n5,6,7\n"))
        assert dataset.inputs[UNNAMED].column.values.tolist() == [[5, 6]]


def test_data_files_stay_in_the_directory_of_the_blueprint(tmp_path: Path):
    """A blueprint reads what lies beside it, and nothing else unless a person allows it."""
    span = Span(SourceText("net.yaml", ""), 1, 1, 1, 1)
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
        np.savez(folder / "data.npz", x=np.zeros((2, 3)), y=np.zeros(2))
    beside = Npz(DataPath("data.npz", span))
    elsewhere = Npz(DataPath("../out/data.npz", span))
    assert load_source(beside, DataFileOpener(inside)).count == 2
    assert load_source(elsewhere, DataFileOpener(inside, [outside])).count == 2
    with pytest.raises(BlueprintError, match="path-outside-directory"):
        load_source(elsewhere, DataFileOpener(inside))


def test_missing_data_file(tmp_path: Path):
    """A file that is not there is named."""
    with pytest.raises(UsageError, match=r"cannot read .*none\.npz.*there is no such file"):
        load(Npz(DataPath(str(tmp_path / "none.npz"))))
