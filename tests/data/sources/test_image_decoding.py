"""Encoded pictures become the numbers that a viewer would show, whatever their format."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from archbuilder.config.data_schema import ImageSpec
from archbuilder.config.sources import DataPath, ImageConfig, Images, Tfrecord
from archbuilder.data.columns import translate_read_errors
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, FittedPreprocessing, SourceDataset
from archbuilder.data.sources import load_source
from archbuilder.data.sources.image_decoding import ImageDecoder, decode_image, is_encoded_image
from archbuilder.diagnostics.errors import RunError

DEEP = (np.arange(12, dtype=np.uint16) * 5000).reshape(3, 4)
"""From 0 to 55,000: what 8 bits cannot hold."""


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def numbers(content: bytes, **options: Any) -> np.ndarray:
    """As a source gives them whose first picture this is."""
    look = ImageDecoder.from_first(decode_image(content, "it"), ImageConfig(**options))
    return look.decode(content, "it")


def pgm(values: np.ndarray) -> bytes:
    height, width = values.shape
    return f"P5 {width} {height} 65535\n".encode() + values.astype(">u2").tobytes()


def big_endian(values: np.ndarray) -> bytes:
    image = Image.frombytes("I;16B", values.shape[::-1], values.astype(">u2").tobytes())
    return encoded(image, "TIFF")


@pytest.mark.parametrize(
    "content",
    [
        encoded(Image.fromarray(DEEP)),
        encoded(Image.fromarray(DEEP), "TIFF"),
        big_endian(DEEP),
        pgm(DEEP),
    ],
    ids=["png", "tiff", "big-endian", "pgm"],
)
def test_16_bits_keep_their_range(content: bytes):
    """They are divided by 65535, and a picture of 8 bits among them is as bright as by itself."""
    look = ImageDecoder.from_first(decode_image(content, "it"), ImageConfig())
    assert (look.spec, look.max_value) == (ImageSpec(3, 4, 1, 16), 65535)
    np.testing.assert_array_equal(look.decode(content, "it")[..., 0], DEEP)
    shallow = look.decode(encoded(Image.new("L", (4, 3), 51)), "it")
    np.testing.assert_allclose(shallow / look.max_value, 51 / 255)


def test_16_bits_are_resized_without_clipping():
    """And become three equal colors where colors are wanted."""
    content = encoded(Image.new("I;16", (8, 8), 40_000))
    assert (numbers(content, size=(4, 2), channels=3) == np.full((4, 2, 3), 40_000)).all()


def test_16_bit_image_among_8_bit_images():
    """Bits are dropped only where the recipe says so."""
    first, deep = encoded(Image.new("L", (4, 3), 9)), encoded(Image.fromarray(DEEP))
    with pytest.raises(RunError, match=r"deep has 16 bits per channel.* write 'bits: 16'"):
        ImageDecoder.from_first(decode_image(first, "it"), ImageConfig()).decode(deep, "deep")
    reduced = ImageDecoder.from_first(decode_image(first, "it"), ImageConfig(bits=8)).decode(
        deep, "deep"
    )
    np.testing.assert_array_equal(reduced[..., 0], np.rint(DEEP / 257))
    resized = ImageDecoder.from_first(decode_image(first, "it"), ImageConfig(bits=16)).decode(
        deep, "deep"
    )
    np.testing.assert_array_equal(resized[..., 0], DEEP)


def png_of_16_bits(color: int, channels: int) -> bytes:
    """A picture of 1x1 with a type of color; Pillow writes none but gray."""
    header = struct.pack(">IIBBBBB", 1, 1, 16, color, 0, 0, 0)
    pixels = zlib.compress(b"\0" + bytes((0x12, 0x34)) * channels)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def tiff(pixels: bytes, width: int, bits: tuple[int, ...], photometric: int) -> bytes:
    """A row of pixels, without compression."""
    end = 8 + 2 + 8 * 12 + 4
    depth = struct.pack(f"<{len(bits)}H", *bits)
    tags = (
        (256, 3, 1, width),
        (257, 3, 1, 1),
        (258, 3, len(bits), end if len(bits) > 2 else bits[0]),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, end + len(depth)),
        (277, 3, 1, len(bits)),
        (279, 4, 1, len(pixels)),
    )
    entries = b"".join(struct.pack("<HHII", *each) for each in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + depth + pixels


@pytest.mark.parametrize(
    "content",
    [
        png_of_16_bits(2, 3),
        png_of_16_bits(4, 2),
        png_of_16_bits(6, 4),
        tiff(bytes(6), 1, (16, 16, 16), 2),
        b"P6 1 1 65535\n" + bytes(6),
    ],
    ids=["png", "gray and alpha", "color and alpha", "tiff", "ppm"],
)
def test_16_bit_colors_are_refused(content: bytes):
    """They are refused, as Pillow decodes the upper 8 bits alone."""
    with pytest.raises(RunError, match=r"deep\.png has 16 bits per channel: .* as \.npy"):
        decode_image(content, "deep.png")


def test_12_bit_white():
    """White is 4095, which becomes 1 as any other white."""
    content = tiff(bytes((0xFF, 0xF0, 0x00, 0x80, 0x00, 0x00)), 4, (12,), 1)
    white = [1, 0, 2048 / 4095, 0]
    np.testing.assert_allclose(numbers(content).ravel() / 65535, white, atol=1e-5)


def test_16_bit_inverted():
    """They are inverted, as those of 8 bits are."""
    pixels = numbers(tiff(struct.pack("<3H", 0, 1, 65535), 3, (16,), 0))
    assert pixels.ravel().tolist() == [65535, 65534, 0]
    assert numbers(tiff(bytes((0, 1, 255)), 3, (8,), 0)).ravel().tolist() == [255, 254, 0]


@pytest.mark.parametrize(("values", "mode"), [(np.int32(70_000), "I"), (np.float32(0.5), "F")])
def test_unsupported_pixel_modes(values: np.generic, mode: str):
    """They are refused with the name of their mode."""
    content = encoded(Image.fromarray(np.full((2, 2), values)), "TIFF")
    with pytest.raises(RunError, match=rf"it has pixels of the mode '{mode}'.* as \.npy"):
        decode_image(content, "it")


def palette() -> Image.Image:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 0])
    image.putpixel((1, 0), 1)
    return image


@pytest.mark.parametrize(
    ("image", "form", "expected"),
    [
        (Image.new("1", (1, 1), 1), "PNG", [[[255]]]),
        (Image.new("L", (1, 1), 7), "BMP", [[[7]]]),
        (palette(), "GIF", [[[10, 20, 30], [200, 100, 0]]]),
        (Image.new("CMYK", (1, 1), (0, 255, 255, 0)), "TIFF", [[[255, 0, 0]]]),
        (Image.new("RGB", (1, 1), (1, 2, 3)), "WEBP", [[[1, 2, 3]]]),
        (Image.new("RGB", (1, 1), (1, 2, 3)), "TIFF", [[[1, 2, 3]]]),
        (Image.new("RGB", (1, 1), (1, 2, 3)), "PPM", [[[1, 2, 3]]]),
    ],
    ids=["1-bit", "gray", "palette", "cmyk", "webp", "tiff", "ppm"],
)
def test_modes_and_formats(image: Image.Image, form: str, expected: list):
    """Each becomes gray or colors from 0 to 255."""
    content = encoded(image, form, **({"lossless": True} if form == "WEBP" else {}))
    assert is_encoded_image(content) or form == "PPM"
    pixels = numbers(content)
    assert (pixels.tolist(), pixels.dtype) == (expected, np.uint8)


@pytest.mark.parametrize(
    ("image", "options", "expected"),
    [
        (Image.new("RGBA", (1, 1), (200, 0, 0, 0)), {}, [255, 255, 255]),
        (Image.new("RGBA", (1, 1), (200, 0, 0, 255)), {}, [200, 0, 0]),
        (Image.new("RGBA", (1, 1), (0, 0, 0, 51)), {}, [204, 204, 204]),
        (Image.new("LA", (1, 1), (0, 0)), {}, [255]),
        (Image.new("L", (1, 1), 9), {"transparency": 9}, [255]),
        (Image.new("I;16", (1, 1), 300), {"transparency": 300}, [65535]),
        (palette().crop((0, 0, 1, 1)), {"transparency": 0}, [255, 255, 255]),
    ],
    ids=["hidden", "solid", "half", "gray", "gray key", "16 bits key", "palette key"],
)
def test_transparency_over_white(image: Image.Image, options: dict, expected: list):
    """The color that a file has behind them is not seen, in whichever way it says so."""
    assert numbers(encoded(image, **options))[0, 0].tolist() == expected


UPRIGHT = np.array([[0, 40, 80], [120, 160, 200]], np.uint8)
STORED = {
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.T,
    6: np.rot90(UPRIGHT, 1),
    7: UPRIGHT[::-1, ::-1].T,
    8: np.rot90(UPRIGHT, -1),
}
"""How a camera stores the same picture under each value of the EXIF tag `Orientation`."""


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("value", STORED)
def test_exif_orientation(form: str, value: int):
    """Pictures stand upright, and their size is the upright one."""
    tags = Image.Exif()
    tags[0x0112] = value
    content = encoded(Image.fromarray(np.ascontiguousarray(STORED[value])), form, exif=tags)
    np.testing.assert_array_equal(numbers(content)[..., 0], UPRIGHT)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # pytest puts its own filters first
def test_damaged_metadata():
    """The picture is read as it is stored."""
    content = encoded(Image.new("L", (2, 2), 9), "PNG", exif=b"Exif\0\0MM\0*\0\0\0\xff\0")
    assert (numbers(content) == 9).all()


def folder(path: Path, *contents: bytes) -> Images:
    path.mkdir()
    for number, content in enumerate(contents):
        (path / f"{number}.png").write_bytes(content)
    return Images(DataPath(str(path)))


def records(path: Path, *contents: bytes) -> Tfrecord:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for content in contents:
            feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))
            target = tf.train.Feature(int64_list=tf.train.Int64List(value=[0]))
            features = tf.train.Features(feature={"x": feature, "y": target})
            writer.write(tf.train.Example(features=features).SerializeToString())
    return Tfrecord(DataPath(str(path)))


def values(dataset: SourceDataset) -> np.ndarray:
    with translate_read_errors():
        column = dataset.inputs[UNNAMED].column
        return np.asarray(column.gather(tf.range(column.count)))


@pytest.mark.parametrize("make", [folder, records])
class TestSources:
    """Every source of pictures decodes them alike."""

    def test_scale_and_data_schema(self, tmp_path: Path, make: Any):
        """The range of 16 bits is known to whoever divides by it, and to the record of the run."""
        dataset = load_source(
            make(tmp_path / "x", encoded(Image.fromarray(DEEP))), DataFileOpener()
        )
        assert dataset.inputs[UNNAMED].divide_by == 65535
        assert dataset.preprocessing.schema.images == {UNNAMED: ImageSpec(3, 4, 1, 16)}
        assert any("3x4x1 with 16 bits per channel" in each for each in dataset.notes)
        np.testing.assert_array_equal(values(dataset)[0, ..., 0], DEEP)

    def test_higher_bit_depth_than_the_first_image(self, tmp_path: Path, make: Any):
        """The file or record is named."""
        contents = encoded(Image.new("L", (4, 3), 9)), encoded(Image.fromarray(DEEP))
        with pytest.raises(RunError, match=r"x.* has 16 bits per channel"):
            values(load_source(make(tmp_path / "x", *contents), DataFileOpener()))

    def test_validation_images_match_training_images(self, tmp_path: Path, make: Any):
        """A validation set whose first image is smaller is brought to their size and depth."""
        train = load_source(make(tmp_path / "t", encoded(Image.fromarray(DEEP))), DataFileOpener())
        small = make(tmp_path / "v", encoded(Image.new("RGB", (2, 2), (51, 51, 51))))
        pixels = values(
            load_source(small, DataFileOpener(), FittedPreprocessing(train.preprocessing.schema))
        )
        assert (pixels.shape, pixels.dtype) == ((1, 3, 4, 1), np.uint16)
        np.testing.assert_array_equal(pixels, 51 * 257)
