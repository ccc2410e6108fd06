"""Texts of variable length in HDF5 attributes, whose lengths a file may claim to be anything."""

from __future__ import annotations

import resource
import struct
import time
from collections.abc import Mapping
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

import archbuilder
from archbuilder.weights.hdf5_headers import count_text_bytes
from archbuilder.weights.readers import open_weights

LAYERS = [f"layer{number}" for number in range(4000)]
TEXTS = h5py.string_dtype()
LAYOUTS = pytest.mark.parametrize("libver", ["earliest", "v108", "latest"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that a test writes."""
    return tmp_path / "a.weights.h5"


def network(dtype: str = "bfloat16") -> keras.Model:
    """A network with these weights. HDF5 has no bfloat16; an attribute of the array says so."""
    head = keras.layers.Dense(3, dtype=keras.DTypePolicy(dtype), name="head")
    return keras.Sequential([keras.Input((2,)), head], name="net")


def write(path: Path, attributes: Mapping[str, object], **options: object) -> int:
    """Write a file of Keras 2 with these attributes at its root, and return its address."""
    with h5py.File(path, "w", **options) as file:
        # So that the header at the start cannot grow where it is.
        file.create_group("head")
        file.flush()
        for name, texts in attributes.items():
            file.attrs.create(name, texts, dtype=TEXTS)
        return int(h5py.h5o.get_info(file.id).addr)


def text_bytes(path: Path, header: int, attribute: str = "layer_names") -> int | None:
    """Return the length of the texts of an attribute at the root of a file."""
    with path.open("rb") as file:
        return count_text_bytes(file.fileno(), header, attribute)


def lengthen(path: Path, texts: int, length: int = 0xFFFFFFFF) -> None:
    """Claim this length for the first texts in the file, which are shorter than 100 bytes."""
    content = bytearray(path.read_bytes())
    heaps = {at for at in range(len(content)) if content.startswith(b"GCOL\1", at)}
    changes = 0
    for at in range(len(content) - 16):
        size, heap, index = struct.unpack_from("<IQI", content, at)
        if heap in heaps and 0 < size < 100 and 0 < index < 2**16 and changes < texts:
            struct.pack_into("<I", content, at, length)
            changes += 1
    assert changes == texts
    path.write_bytes(content)


def peak_memory() -> int:
    """The most memory that the process has had so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def assert_rejected(path: Path, message: str) -> None:
    """The file is rejected for this reason, in little time and memory."""
    start, memory = time.process_time(), peak_memory()
    with pytest.raises(archbuilder.RunError, match=message), open_weights(path):
        pass
    assert time.process_time() - start < 2
    assert peak_memory() - memory < 100


@LAYOUTS
@pytest.mark.parametrize("layout", ["Keras 2", "Keras 3"])
def test_files_of_keras(layout: str, libver: str, path: Path) -> None:
    """All layouts of HDF5 are read, with attributes of groups and of arrays."""
    # Keras 3 writes no bfloat16 in the layout of Keras 2.
    dtype = "float32" if layout == "Keras 2" else "bfloat16"
    model, loaded = network(dtype), network(dtype)
    original = path.with_name("original.weights.h5")
    if layout == "Keras 2":
        with h5py.File(original, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
    else:
        model.save_weights(original)
    with h5py.File(original) as old, h5py.File(path, "w", libver=libver) as new:
        for name, value in old.attrs.items():
            new.attrs[name] = value
        for name in old:
            old.copy(name, new)
    assert archbuilder.load_weights(loaded, path).is_complete
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


@LAYOUTS
@pytest.mark.parametrize("track_order", [False, True])
def test_lengths(libver: str, track_order: bool, path: Path) -> None:
    """The lengths of the texts are read from headers of all versions."""
    attributes = {"other": "abc", "layer_names": ["head", "", "größe"], "backend": ["x" * 3000]}
    header = write(path, attributes, libver=libver, track_order=track_order)
    lengths = [text_bytes(path, header, name) for name in (*attributes, "none")]
    assert lengths == [3, 4 + 7, 3000, None]
    lengthen(path, 3, 2**31)
    lengths = [text_bytes(path, header, name) for name in attributes]
    assert None not in lengths
    assert max(length for length in lengths if length is not None) >= 2**31


def test_an_attribute_behind_many(path: Path) -> None:
    """A header goes on elsewhere in the file if it is full."""
    attributes = {f"other{number}": ["x"] * 100 for number in range(50)}
    header = write(path, attributes | {"layer_names": LAYERS})
    assert text_bytes(path, header) == sum(map(len, LAYERS))


@pytest.mark.parametrize("texts", [1, 4000])
def test_claimed_lengths(texts: int, path: Path) -> None:
    """HDF5 would allocate and clear 4 GiB for each text."""
    write(path, {"layer_names": LAYERS[:texts]})
    lengthen(path, texts)
    assert_rejected(path, "the attribute 'layer_names' is larger than 64 KiB")


def test_claimed_length_of_a_dtype(path: Path) -> None:
    """The attribute of an array is checked as that of a group."""
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/dense/vars")
        group.create_dataset("0", data=np.zeros((2, 3), "V2")).attrs["dtype"] = "bfloat16"
    lengthen(path, 1)
    assert_rejected(path, "the attribute 'dtype' is larger than 64 KiB")


def test_claimed_length_of_a_fill_value(path: Path) -> None:
    """An array of texts is not loaded, and HDF5 does not read its fill value either."""
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/dense/vars")
        group.create_dataset("0", (2, 3), TEXTS, fillvalue="abcdef")
    # The fill value is in two messages, in the formats of old and new versions of HDF5.
    lengthen(path, 2)
    start, memory = time.process_time(), peak_memory()
    with open_weights(path) as weights:
        (weight,) = weights.weights
        assert weight.dtype == "not numbers"
        with pytest.raises(archbuilder.RunError, match="not numeric"):
            weight.read()
    assert time.process_time() - start < 2
    assert peak_memory() - memory < 100


def test_wide_characters(path: Path) -> None:
    """HDF5 would allocate the length times the size of an element."""
    header = write(path, {"layer_names": ["head"]})
    content = bytearray(path.read_bytes())
    # A variable-length type of 16 bytes, and in it an integer of 1 byte.
    element = content.index(b"\x10\0\0\0\x10", header) + 8
    assert struct.unpack_from("<I", content, element) == (1,)
    struct.pack_into("<I", content, element, 2**20)
    path.write_bytes(content)
    assert text_bytes(path, header) is None


def test_unusual_storage(path: Path) -> None:
    """Attributes that HDF5 finds outside of the header are rejected."""
    message = "the attribute 'layer_names' is stored in a way that Keras does not use"
    write(path, {f"other{number}": "x" for number in range(10)}, libver="latest")
    with h5py.File(path, "r+", libver="latest") as file:
        file.attrs.create("layer_names", ["head"], dtype=TEXTS)
    assert_rejected(path, message)
    with h5py.File(path, "w") as file:
        h5py.h5t.py_create(TEXTS, logical=True).commit(file.id, b"type")
        file.attrs.create("layer_names", ["head"], dtype=file["type"])
    assert_rejected(path, message)
    write(path, {"layer_names": ["head"]}, libver="latest", fs_strategy="page", fs_persist=True)
    assert_rejected(path, message)


def test_base_addresses(path: Path) -> None:
    """Addresses that are relative to another position than the start are not followed."""
    header = write(path, {"layer_names": ["head"]})
    content = bytearray(path.read_bytes())
    struct.pack_into("<Q", content, 24, 8)
    path.write_bytes(content)
    assert text_bytes(path, header) is None


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_endless_headers(libver: str, path: Path) -> None:
    """A header that continues in itself ends the search."""
    header = write(path, {f"other{number}": ["x"] * 20 for number in range(7)}, libver=libver)
    content = bytearray(path.read_bytes())
    version = 2 if content[header : header + 4] == b"OHDR" else 1
    # Type and size of a continuation message.
    at = content.index(b"\x10\x10\0" if version == 2 else b"\x10\0\x10\0", header)
    at += 4 if version == 2 else 8
    for address, size in ((at - 8 - 4, 8 + 16), (header, len(content)), (2**64 - 1, 2**64 - 1)):
        struct.pack_into("<QQ", content, at, address, size)
        path.write_bytes(content)
        start = time.process_time()
        assert text_bytes(path, header) is None
        assert time.process_time() - start < 1


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_damaged_headers(libver: str, path: Path) -> None:
    """No byte of a header makes the search fail."""
    header = write(path, {"layer_names": ["head"], "other": ["x"] * 9}, libver=libver)
    content = path.read_bytes()
    for at in range(header, min(header + 400, len(content))):
        for byte in (0, 1, 0x7F, 0xFF):
            path.write_bytes(content[:at] + bytes((byte,)) + content[at + 1 :])
            text_bytes(path, header)
    for end in range(48, len(content), 16):
        path.write_bytes(content[:end])
        assert text_bytes(path, header) in (None, 4)
