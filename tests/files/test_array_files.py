"""Headers of `.npy` files: those that numpy writes, and damaged ones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.diagnostics.span import NO_FILE
from archbuilder.files.array_files import ArrayFile, open_array
from archbuilder.files.sandbox import SandboxPath

NUMBERS = np.arange(1, 7).reshape(2, 3)


def opened(folder: Path, content: bytes, name: str = "a.npy") -> ArrayFile:
    """The header of a file with this content."""
    (folder / name).write_bytes(content)
    return open_array(SandboxPath(folder), name, NO_FILE, ())


def npy(
    array: np.ndarray, version: tuple[int, int] = (1, 0), *, allow_pickle: bool = False
) -> bytes:
    """What numpy writes for an array."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version, allow_pickle=allow_pickle)
    return file.getvalue()


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u1", "<i2", ">u2", "<i4", "<u4", ">i8", "<u8", "<f2", ">f4", "<f8"]
)
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("shape", [(2, 3), (6,), (1, 6, 1)])
def test_headers_of_numpy(
    tmp_path: Path, dtype: str, version: tuple[int, int], shape: tuple[int, ...]
):
    """Shape, dtype, order and place of the numbers are those that numpy reads."""
    for array in (NUMBERS.reshape(shape).astype(dtype), np.asfortranarray(NUMBERS.astype(dtype))):
        file = opened(tmp_path, npy(array, version))
        assert file.shape == array.shape
        assert file.is_fortran_order is (not array.flags.c_contiguous)
        order = ">" if file.is_big_endian else "<"
        values = np.frombuffer(
            file.read(), f"{order}{file.kind}{file.item_bytes}", file.size, file.data_offset
        )
        assert values.tolist() == array.ravel("K").tolist()
        assert len(file.digest()) == 32


def test_single_number(tmp_path: Path):
    """An array without axes is a number."""
    assert opened(tmp_path, npy(np.array(2.5))).shape == ()


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.array([None, 1], object), "contains values of the dtype O"),
        (np.array(["a", "bc"]), "contains values of the dtype U2"),
        (np.array([1j]), "contains values of the dtype c16"),
        (np.zeros((0, 3)), r"has the shape \[0, 3\]"),
        (np.zeros((1,) * 16), "has the shape"),
        (np.zeros(2, [("a", "f4")]), "is not an array of numbers"),
        (np.array(["2020-01-01"], "M8[D]"), "contains values of the dtype M8"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, array: np.ndarray, reason: str):
    """Pickled objects are not opened, and neither is anything but numbers."""
    with pytest.raises(BlueprintError, match=reason):
        opened(tmp_path, npy(array, allow_pickle=True))


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (%s), }" % ("9" * 1000),
        "{'descr': '<f8', 'fortran_order': False, 'shape': (%s), }" % ("9," * 600),
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952, 8), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-2, -3), }",
        "{'descr': '<f8', 'fortran_order': __import__('os'), 'shape': (6,), }",
        "(" * 9000,
    ],
)
def test_hostile_headers(tmp_path: Path, header: str):
    """A header promises any size, or is an expression: nothing is allocated or evaluated."""
    text = header.encode()
    content = b"\x93NUMPY\x02\x00" + len(text).to_bytes(4, "little") + text + bytes(48)
    with pytest.raises(BlueprintError):
        opened(tmp_path, content)


def test_damaged_files(tmp_path: Path):
    """A file with other bytes is read as numpy reads it, or refused."""
    content = npy(NUMBERS.astype("f4"))
    random = np.random.default_rng(0)
    codes = set()
    for _ in range(300):
        damaged = bytearray(content)
        for position, byte in random.integers(0, (len(damaged), 256), size=(3, 2)):
            damaged[position] = byte
        try:
            file = opened(tmp_path, bytes(damaged[: random.choice([len(damaged), 40, 5])]))
        except BlueprintError as error:
            codes |= {each.code for each in error.diagnostics}
        else:
            assert file.data_offset + file.size * file.item_bytes == len(content)
    assert codes == {"file-error"}


def test_changed_files(tmp_path: Path):
    """A file that is replaced after its header was read is not used."""
    file = opened(tmp_path, npy(NUMBERS))
    for content in (npy(NUMBERS.astype("f8")), npy(NUMBERS.T.copy()), b""):
        (tmp_path / "a.npy").write_bytes(content)
        with pytest.raises(BlueprintError, match=r"changed|not an array"):
            file.read()
    (tmp_path / "a.npy").unlink()
    with pytest.raises(BlueprintError, match="no such file"):
        file.digest()
