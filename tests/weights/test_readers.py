"""Files of weights that are damaged, hostile or unusual."""

from __future__ import annotations

import json
import struct
import time
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import h5py
import keras
import ml_dtypes
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format
from safetensors.numpy import save_file

import archbuilder

KERNEL = "layers/dense/vars/0"
COUNT = "layers/normalization/vars/2"


@cache
def model() -> keras.Model:
    """A network with floats, and with a count of examples, which is an integer."""
    inputs = keras.Input((2,), name="x")
    normal = keras.layers.Normalization(name="normal")
    return keras.Model(inputs, keras.layers.Dense(3, name="head")(normal(inputs)), name="net")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The weights of the model as Keras 3 writes them."""
    model().save_weights(tmp_path / "a.weights.h5")
    return tmp_path / "a.weights.h5"


def replaced(path: Path, name: str, data: object = None, **options: object) -> None:
    """Put another array in the place of one."""
    with h5py.File(path, "r+") as file:
        del file[name]
        file.create_dataset(name, data=data, **options)


def assert_refused(path: Path, message: str, *, partial: bool = False) -> None:
    """The file is refused for this reason, and the weights stay as they were."""
    weights = [np.array(weight) for weight in model().weights]
    with pytest.raises(archbuilder.RunError, match=message) as caught:
        archbuilder.load_weights(model(), path, skip_mismatch=partial)
    assert path.name in str(caught.value)
    for weight, value in zip(model().weights, weights, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), value)


def test_text_is_not_a_weight(path: Path) -> None:
    """An array of something else than numbers does not fit, and --skip-mismatch leaves it out."""
    for data in (
        np.array([[b"a"] * 3] * 2),
        np.zeros((2, 3), [("a", "f4"), ("b", "f4")]),
        np.full((2, 3), "text", h5py.string_dtype()),
        h5py.ref_dtype,
    ):
        dtype = None if isinstance(data, np.ndarray) else data
        replaced(path, KERNEL, data if dtype is None else None, shape=(2, 3), dtype=dtype)
        assert_refused(path, "head/kernel is float32 in the model and not numbers in the file")
        match = archbuilder.load_weights(model(), path, skip_mismatch=True)
        assert [mine.name for mine, _ in match.mismatched] == ["head/kernel"]


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "bool", "int64", "uint8"])
def test_floats_come_from_floats_alone(dtype: str, path: Path) -> None:
    """Other numbers belong to another variable."""
    replaced(path, KERNEL, np.ones((2, 3), dtype))
    assert_refused(path, f"head/kernel is float32 in the model and {dtype} in the file")


@pytest.mark.parametrize("dtype", ["float32", "float64", "bool"])
def test_integers_come_from_integers_alone(dtype: str, path: Path) -> None:
    """A count in floats has lost digits somewhere."""
    replaced(path, COUNT, np.array(1, dtype))
    assert_refused(path, f"normal/count is int64 in the model and {dtype} in the file")


def test_integers_are_exact(path: Path) -> None:
    """Those that no float could hold arrive as they are; those out of range are refused."""
    for value in (np.int64(2**53 + 1), np.int8(-3), np.uint64(7)):
        replaced(path, COUNT, value)
        archbuilder.load_weights(model(), path)
        assert int(model().get_layer("normal").count) == int(value)
    replaced(path, COUNT, np.uint64(2**63))
    assert_refused(path, "too large for their type in the model:\n  normal/count: 1 of 1 value")


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4", ">f8"])
def test_floats_are_rounded(dtype: str, path: Path) -> None:
    """To the type that the model declares, which is told where it loses digits."""
    values = np.linspace(-3, 3, 6).reshape(2, 3).astype(dtype)
    replaced(path, KERNEL, values)
    match = archbuilder.load_weights(model(), path)
    np.testing.assert_array_equal(model().get_layer("head").kernel, values.astype(np.float32))
    note = "1 weight rounded, such as from float64 to float32"
    assert match.rounding_note == (note if "8" in dtype or "64" in dtype else "")


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_weights_are_finite(value: float, partial: bool, path: Path) -> None:
    """NaN, infinity and what is too large for float32 are refused by name, whatever is asked."""
    kernel = np.zeros((2, 3))
    kernel[1, 1:] = value
    replaced(path, KERNEL, kernel)
    assert_refused(
        path, r"are NaN, infinite, or too large.*\n  head/kernel: 2 of 6", partial=partial
    )


def test_invalid_utf_8_names(path: Path) -> None:
    """They are told, in Keras 3's groups and in Keras 2's attributes."""
    with h5py.File(path, "r+") as file:
        h5py.h5g.create(file["layers"].id, b"\xff\xfe")
    assert_refused(path, r"the name b'\\xff\\xfe' is not UTF-8")
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([b"\xff"])
    assert_refused(path, "codec can't decode")


@pytest.mark.parametrize(
    "options", [{"chunks": (1, 3)}, {"compression": "gzip"}, {"maxshape": (None, 3)}]
)
def test_chunked_hdf5_arrays(options: dict[str, object], path: Path) -> None:
    """They could be bombs or need a plugin, and Keras writes none; the message says what to do."""
    replaced(path, KERNEL, np.ones((2, 3), "f4"), **options)
    assert_refused(
        path, "'/layers/dense/vars/0' is compressed or in chunks.*h5repack -f NONE -l CONTI"
    )


def test_unallocated_hdf5_values(path: Path) -> None:
    """HDF5 would take them for zeros."""
    replaced(path, KERNEL, shape=(2, 3), dtype="f4")
    assert_refused(path, r"shape \[2, 3\] has no values")


def test_hdf5_groups_with_two_links(path: Path) -> None:
    """Two links to the next group, forty times, are a million million walks; and one to itself."""
    start = time.process_time()
    with h5py.File(path, "r+") as file:
        group = file["layers/dense"]
        for _ in range(40):
            inner = group.create_group("a")
            group["b"] = inner
            group = inner
    assert_refused(path, "'/layers/dense/.* is in the file under two names")
    with h5py.File(path, "w") as file:
        layer = file.create_group("layers/dense")
        layer["again"] = layer
    assert_refused(path, "under two names")
    assert time.process_time() - start < 5


def test_deeply_nested_hdf5_groups(path: Path) -> None:
    """Hundreds of groups in each other are not walked."""
    with h5py.File(path, "r+") as file:
        file["layers/dense"].create_group("/".join("a" * 500))
    assert_refused(path, "groups are nested more than 64 deep")


def test_repeated_weight_names(path: Path) -> None:
    """An array is loaded once; a list of names is no longer than Keras writes it."""
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["layer_names"] = np.array([b"head"])
        layer = file.create_group("head")
        layer.create_dataset("w", data=np.zeros((2, 3), "f4"))
        layer.attrs["weight_names"] = np.array([b"w"] * 1000)
    assert_refused(path, "'w' is in the file under two names")
    with h5py.File(path, "r+", libver="latest") as file:
        file["head"].attrs["weight_names"] = np.array([b"w"] * 1_000_000)
    assert_refused(path, "'weight_names' is larger than 64 KiB")


def test_layer_names_in_several_attributes(tmp_path: Path) -> None:
    """Keras 2's way splits it over several attributes."""
    inputs = keras.Input((2,))
    names = [f"{'long' * 50}{number}" for number in range(400)]
    outputs = inputs
    for name in names:
        outputs = keras.layers.Activation("relu", name=name)(outputs)
    long = keras.Model(inputs, keras.layers.Dense(3, name="head")(outputs))
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, long)
        assert "layer_names1" in file.attrs
    assert archbuilder.load_weights(long, path).is_complete


def change_zip(path: Path, offset: int, value: bytes) -> None:
    """Change bytes of the heads of the first member, behind their signatures."""
    content = bytearray(path.read_bytes())
    central = content.rindex(b"PK\1\2")
    for head, start in ((0, offset), (central, offset + 2)):
        content[head + start : head + start + len(value)] = value
    path.write_bytes(content)


def encrypted(path: Path) -> None:
    """Say that the member needs a password."""
    change_zip(path, 6, b"\1\0")


def unknown_compression(path: Path) -> None:
    """Say that the member is compressed by a method that zipfile does not know."""
    change_zip(path, 8, b"\x63\0")


def damaged_stream(path: Path) -> None:
    """Damage the compressed bytes."""
    content = bytearray(path.read_bytes())
    content[60:70] = b"\xff" * 10
    path.write_bytes(content)


def no_member(path: Path) -> None:
    """Write an archive without weights."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (encrypted, "encrypted"),
        (unknown_compression, "compression method"),
        (damaged_stream, "Error -3|CRC"),
        (no_member, "no member model.weights.h5"),
    ],
)
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_archives(
    damage: Callable[[Path], None], message: str, method: int, path: Path
) -> None:
    """Whatever zipfile raises is an error that names the file."""
    archived = path.with_name("a.keras")
    with zipfile.ZipFile(archived, "w", method) as archive:
        archive.write(path, "model.weights.h5")
    assert archbuilder.load_weights(model(), archived).is_complete
    damage(archived)
    if damage is damaged_stream and method != zipfile.ZIP_DEFLATED:
        message = "Corrupt|Invalid|data"
    assert_refused(archived, message)


def test_a_flipped_bit_in_an_archive(path: Path) -> None:
    """Weights that differ from what was written are not loaded: the checksum covers them."""
    archived = path.with_name("a.keras")
    kernel = np.full((2, 3), 1.5, "f4")
    replaced(path, KERNEL, kernel)
    with zipfile.ZipFile(archived, "w") as archive:
        archive.write(path, "model.weights.h5")
    content = archived.read_bytes()
    assert kernel.tobytes() in content
    archived.write_bytes(content.replace(kernel.tobytes(), (kernel + 0.25).tobytes()))
    assert_refused(archived, "CRC-32")


def test_zip_bomb(tmp_path: Path) -> None:
    """A megabyte that would become a gigabyte is not unpacked."""
    path = tmp_path / "a.keras"
    start = time.process_time()
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("model.weights.h5", "w") as member,
    ):
        for _ in range(65):
            member.write(bytes(2**24))
    assert path.stat().st_size < 2**23
    write_seconds = time.process_time() - start
    assert_refused(path, "would be unpacked to 1.0 GiB")
    assert time.process_time() - start - write_seconds < 1


def safetensors(path: Path, header: object, size: int) -> Path:
    """Write a file with any header."""
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(size))
    return path


@pytest.mark.parametrize(
    ("dtype", "size"), [("F8_E4M3", 6), ("F8_E5M2", 6), ("F4", 3), ("C64", 48)]
)
def test_types_of_safetensors(dtype: str, size: int, tmp_path: Path) -> None:
    """Those that a model has not are told by their names."""
    entry = {"dtype": dtype, "shape": [2, 3], "data_offsets": [0, size]}
    path = safetensors(tmp_path / "a.safetensors", {"head.kernel": entry}, size)
    shown = "complex64" if dtype == "C64" else dtype
    assert_refused(path, f"head/kernel is float32 in the model and {shown} in the file")


def test_values_of_safetensors(tmp_path: Path) -> None:
    """Types and values follow the same rules as those of HDF5."""
    path = tmp_path / "a.safetensors"
    weights = {weight.path.replace("/", "."): np.asarray(weight) for weight in model().weights}
    save_file(weights | {"head.kernel": np.full((2, 3), 0.5, ml_dtypes.bfloat16)}, path)
    assert archbuilder.load_weights(model(), path).rounding_note == ""
    save_file(weights | {"normal.count": np.array(1, np.float32)}, path)
    assert_refused(path, "normal/count is int64 in the model and float32 in the file")
    save_file(weights | {"head.kernel": np.full((2, 3), np.nan, "f4")}, path)
    assert_refused(path, "head/kernel: 6 of 6 values")


def test_cyclic_hdf5_heap(path: Path) -> None:
    """A free object of size 0 would hang HDF5, and a heap of a million objects would take long."""
    content = path.read_bytes()
    heap = content.index(b"GCOL")
    path.write_bytes(content[: heap + 16] + bytes(16) + content[heap + 32 :])
    assert_refused(path, f"its heap at byte {heap} is damaged")
    objects = (b"\1" + bytes(15)) * 2**20
    head = b"GCOL\1\0\0\0" + struct.pack("<Q", 16 + len(objects))
    path.write_bytes(content + head + objects)
    assert_refused(path, f"its heap at byte {len(content)} is damaged")


def test_cyclic_hdf5_free_list(path: Path) -> None:
    """A free block in the names of a group that follows itself would hang HDF5."""
    content = bytearray(path.read_bytes())
    heap = content.index(b"HEAP")
    free, names = struct.unpack_from("<QQ", content, heap + 16)
    struct.pack_into("<Q", content, names + free, free)
    path.write_bytes(content)
    assert_refused(path, f"its heap at byte {heap} is damaged")


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        (0, "not an HDF5 file"),
        (8, "version of HDF5 is unknown"),
        (14, "version of HDF5 is unknown"),
    ],
)
def test_unsupported_hdf5_superblocks(offset: int, message: str, path: Path) -> None:
    """Only what Keras writes is read: no file with content in front, none with short offsets."""
    content = bytearray(path.read_bytes())
    content[offset] = 4
    path.write_bytes(content)
    assert_refused(path, message)
