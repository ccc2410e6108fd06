"""The formats that archbuilder reads: small files of real libraries, and how they are read."""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import h5py
import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from keras.src.legacy.saving import legacy_h5_format
from PIL import Image
from safetensors.numpy import save

import archbuilder
from archbuilder.config.sources import (
    Csv,
    DataPath,
    DataSource,
    FeatureConfig,
    Idx,
    Images,
    Jsonl,
    Npy,
    Npz,
    Parquet,
    TableAudio,
    Tfrecord,
)
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources import load_source
from archbuilder.weights import restore_weights


@dataclass(frozen=True)
class Format:
    """A kind of file. `name` is what a file of it is called."""

    name: str
    seeds: Callable[[], Sequence[bytes]]
    read: Callable[[Path], None]
    repair: Callable[[bytes], bytes] = bytes
    """Set lengths and checksums right, which would else stop every damage at the door."""
    cases: int = 200
    """How many damaged files are tried by default."""
    mebibytes: int = 256
    """What reading one may add to the memory of the process."""
    seconds: int = 5
    """Processor time for one; nearly all take milliseconds."""


@cache
def model() -> keras.Model:
    """A network with floats, integers and a layer within a layer."""
    inputs = keras.Input((4, 2), name="x")
    outputs = keras.layers.Normalization(name="normal")(inputs)
    outputs = keras.layers.Bidirectional(keras.layers.SimpleRNN(2), name="both")(outputs)
    return keras.Model(inputs, keras.layers.Dense(3, name="head")(outputs), name="net")


def saved_bytes(write: Callable[[Path], object], name: str) -> bytes:
    """What a library writes to a file of this name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write(path)
        return path.read_bytes()


def _zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


# Weights


def _keras_2(path: Path) -> None:
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model())


def _newest_hdf5() -> bytes:
    """The same weights in the newest layout of HDF5, which has checksums."""
    file = io.BytesIO()
    content = saved_bytes(model().save_weights, "a.weights.h5")
    with h5py.File(io.BytesIO(content)) as old, h5py.File(file, "w", libver="latest") as new:
        for name in old:
            old.copy(name, new)
    return file.getvalue()


def _load_weights(path: Path) -> None:
    archbuilder.load_weights(model(), path, skip_mismatch=True)


def length_of_head(content: bytes) -> bytes:
    head = re.match(rb"\{.*\}\} *", content[8:], re.DOTALL)
    return struct.pack("<Q", head.end()) + content[8:] if head else content


@cache
def _seeds_of_weights(kind: str) -> Sequence[bytes]:
    if kind == "safetensors":
        return (save({each.path: np.asarray(each) for each in model().weights}),)
    if kind == "Keras 2":
        return (saved_bytes(_keras_2, "a.h5"),)
    keras_3 = saved_bytes(model().save_weights, "a.weights.h5")
    if kind == "Keras 3":
        return (keras_3, _newest_hdf5())
    return tuple(
        _zipped({"config.json": b"{}", "model.weights.h5": keras_3}, method)
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
    )


# Data


def _load(source: Callable[[DataPath], DataSource], path: Path) -> None:
    """Read every example, as `train` and `inspect-data` do."""
    load_source(source(DataPath(str(path))), DataFileOpener()).in_memory()


X: Final = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
PIXELS: Final = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _seeds_of_npy() -> Sequence[bytes]:
    arrays = (X, np.asfortranarray(X), X.astype(">i2"), PIXELS, X > 3, X.astype(np.float64))
    return tuple(map(_npy, arrays))


def _seeds_of_npz() -> Sequence[bytes]:
    members = {"x.npy": _npy(X), "y.npy": _npy(np.arange(4))}
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)
    return tuple(_zipped(members, method) for method in methods)


def _load_npy(path: Path) -> None:
    _load(lambda file: Npy(file, file), path)


def _idx(array: np.ndarray, kind: int) -> bytes:
    head = bytes((0, 0, kind, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def _seeds_of_idx() -> Sequence[bytes]:
    return (_idx(PIXELS, 8), _idx(X.astype(">f4"), 0x0D), _idx(PIXELS[..., None], 8))


def _load_idx(path: Path) -> None:
    labels = path.with_name("labels")
    if not labels.exists():
        labels.write_bytes(_idx(np.arange(4, dtype=np.uint8), 8))
    _load(lambda file: Idx(file, DataPath(str(labels))), path)


def _parquet(columns: Mapping[str, object], **options: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), file, **options)
    return file.getvalue()


@cache
def _seeds_of_parquet() -> Sequence[bytes]:
    columns = {
        "a": [1.5, 2.5, 3.5, 4.5],
        "b": pa.array([1, 2, None, 4], pa.int32()),
        "c": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]],
        "kind": ["cat", "dog", "cat", "dog"],
    }
    plain = {"compression": "none", "use_dictionary": False, "store_schema": False}
    return (
        _parquet(columns),
        _parquet(columns, **plain),
        _parquet(columns, compression="gzip", data_page_version="2.0"),
        _parquet(columns, compression="zstd", row_group_size=2, version="1.0"),
    )


def _load_parquet(path: Path) -> None:
    columns = {"n": ("a", "b"), "list": "c"}
    _load(lambda file: Parquet(target="kind", inputs=columns, file=file, on_error="skip"), path)


def _example(**features: object) -> bytes:
    kinds = {
        "x": lambda values: tf.train.Feature(float_list=tf.train.FloatList(value=values)),
        "y": lambda values: tf.train.Feature(int64_list=tf.train.Int64List(value=values)),
        "image": lambda values: tf.train.Feature(bytes_list=tf.train.BytesList(value=values)),
    }
    features_by_name = {name: kinds[name](values) for name, values in features.items()}
    return tf.train.Example(
        features=tf.train.Features(feature=features_by_name)
    ).SerializeToString()


def _records(contents: Sequence[bytes], path: Path) -> None:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for content in contents:
            writer.write(content)


@cache
def _examples() -> Sequence[bytes]:
    return [_example(x=[1.0, 2.0, number], y=[number]) for number in range(3)]


@cache
def _seeds_of_records() -> Sequence[bytes]:
    records = saved_bytes(partial(_records, _examples()), "a.tfrecord")
    return (records, gzip.compress(records, mtime=0))


def _framed(first: Callable[[], Sequence[bytes]], content: bytes) -> bytes:
    """A damaged record behind a right one."""
    return saved_bytes(partial(_records, [first()[0], content]), "a.tfrecord")


@cache
def _seeds_of_pictures_in_records() -> Sequence[bytes]:
    return tuple(_example(image=[each], y=[1]) for each in (_png("L"), _picture("JPEG")))


def _load_pictures(path: Path) -> None:
    _load(partial(Tfrecord, inputs="image"), path)


LINES: Final = b"".join(
    json.dumps({"x": [[number, 2.5], [3, 4]], "y": word}).encode() + b"\n"
    for number, word in enumerate(("cat", "dog", "cat"))
)
TABLE: Final = b'a,b,kind\n1,2.5,cat\n-3,4e5,"dog"\n5,6,cat\n'


# Images


def _picture(form: str, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    colors = np.arange(12 * 9 * 3, dtype=np.uint16).reshape(12, 9, 3) % 251
    image = Image.fromarray(colors.astype(np.uint8)).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(colors[..., 0] * 99)
    image.save(file, form, **options)
    return file.getvalue()


def _png(mode: str) -> bytes:
    return _picture("PNG", mode)


def _png_checksums(content: bytes) -> bytes:
    """Set right the checksum of every chunk, as long as their lengths lead to the next one."""
    repaired, offset = bytearray(content), 8
    while offset + 12 <= len(repaired):
        (length,) = struct.unpack_from(">I", repaired, offset)
        end = offset + 8 + length
        if end + 4 > len(repaired):
            break
        struct.pack_into(">I", repaired, end, zlib.crc32(repaired[offset + 4 : end]))
        offset = end + 4
    return bytes(repaired)


@cache
def _pngs() -> Sequence[bytes]:
    return tuple(map(_png, ("L", "RGB", "RGBA", "P", "1", "I;16", "LA")))


@cache
def _jpegs() -> Sequence[bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    return (
        _picture("JPEG"),
        _picture("JPEG", "L"),
        _picture("JPEG", "CMYK"),
        _picture("JPEG", progressive=True),
        _picture("JPEG", exif=exif.tobytes()),
    )


@cache
def _tiffs() -> Sequence[bytes]:
    compressions = ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg")
    colors = tuple(_picture("TIFF", compression=each) for each in compressions)
    return (*colors, _picture("TIFF", "1", compression="group4"), _picture("TIFF", "I;16"))


@cache
def _webps() -> Sequence[bytes]:
    return (
        _picture("WEBP"),
        _picture("WEBP", "RGBA", lossless=True),
        _picture("WEBP", save_all=True, append_images=[Image.new("RGB", (9, 12))]),
    )


@cache
def _gifs() -> Sequence[bytes]:
    frames = [Image.new("P", (9, 12), 3)]
    return (_picture("GIF", "P"), _picture("GIF", "L", save_all=True, append_images=frames))


@cache
def _bmps() -> Sequence[bytes]:
    return tuple(_picture("BMP", mode) for mode in ("RGB", "L", "P", "1"))


def _load_image(path: Path) -> None:
    _load(lambda file: Images(DataPath(str(Path(file.path).parent))), path)


_hdf5 = partial(Format, mebibytes=128, seconds=3)
WEIGHTS: Final = (
    _hdf5("keras3.weights.h5", partial(_seeds_of_weights, "Keras 3"), _load_weights),
    _hdf5("keras2.h5", partial(_seeds_of_weights, "Keras 2"), _load_weights),
    _hdf5(
        "run.keras",
        partial(_seeds_of_weights, "Keras 3"),
        partial(restore_weights, model()),
        lambda content: _zipped({"model.weights.h5": content}),
    ),
    _hdf5("a.keras", partial(_seeds_of_weights, "archive"), _load_weights),
    Format(
        "a.safetensors", partial(_seeds_of_weights, "safetensors"), _load_weights, length_of_head
    ),
)
DATA: Final = (
    Format("a.npy", _seeds_of_npy, _load_npy),
    Format("a.npz", _seeds_of_npz, partial(_load, Npz)),
    Format(
        "member.npz",
        _seeds_of_npy,
        partial(_load, partial(Npz, targets="x")),
        lambda content: _zipped({"x.npy": content}, zipfile.ZIP_DEFLATED),
    ),
    Format("a.idx", _seeds_of_idx, _load_idx),
    Format("idx.gz", _seeds_of_idx, _load_idx, partial(gzip.compress, mtime=0)),
    Format("a.parquet", _seeds_of_parquet, _load_parquet),
    Format("a.tfrecord", _seeds_of_records, partial(_load, Tfrecord), cases=50),
    Format(
        "example.tfrecord",
        _examples,
        partial(_load, Tfrecord),
        partial(_framed, _examples),
        cases=50,
    ),
    Format(
        "picture.tfrecord",
        _seeds_of_pictures_in_records,
        _load_pictures,
        partial(_framed, _seeds_of_pictures_in_records),
        cases=50,
    ),
    Format("a.jsonl", lambda: (LINES,), partial(_load, Jsonl)),
    Format("a.csv", lambda: (TABLE,), partial(_load, Csv)),
)
# The largest images that are read have 67 million pixels, which are held several times.
_image = partial(Format, read=_load_image, mebibytes=1600, seconds=30)
IMAGES: Final = (
    _image("a.png", _pngs, repair=_png_checksums),
    _image("a.jpg", _jpegs),
    _image("a.gif", _gifs),
    _image("a.bmp", _bmps),
    _image("a.webp", _webps),
    _image("a.tiff", _tiffs),
    _image("a.ppm", lambda: (_picture("PPM"), _picture("PPM", "L"))),
)


def _sounds(kind: str) -> Sequence[bytes]:
    """Recordings of two channels, at another rate than that at which they are read."""
    import soundfile

    files = []
    for subtype in soundfile.available_subtypes(kind):
        file = io.BytesIO()
        values = np.sin(np.arange(2000, dtype=np.float32)).reshape(1000, 2) / 2
        with suppress(soundfile.SoundFileError):
            soundfile.write(file, values, 8000, subtype, format=kind)
            files.append(file.getvalue())
    return files


def _load_sound(path: Path) -> None:
    feature = FeatureConfig("file", audio=TableAudio(duration=0.1))
    table = path.with_name("table.csv")
    table.write_text(f"file,y\n{path.name},1\n")
    _load(partial(Csv, target="y", inputs={"x": feature}), table)


AUDIO: Final = (
    tuple(
        Format(f"a.{kind}", partial(_sounds, kind.upper()), _load_sound, cases=cases)
        for kind, cases in (("wav", 100), ("flac", 20), ("ogg", 10), ("aiff", 50), ("mp3", 10))
    )
    if find_spec("soundfile")
    else ()
)
FORMATS: Final = (*WEIGHTS, *DATA, *IMAGES, *AUDIO)
