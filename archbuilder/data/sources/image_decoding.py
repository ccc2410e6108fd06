"""Decoder of image files to arrays of one size, number of channels and bit depth.

Files are not trusted: an image of more than `_MAX_PIXELS` pixels is refused by its header, before
its pixels are decoded.
"""

from __future__ import annotations

import dataclasses
import io
import os
import struct
import warnings
from collections.abc import Iterator, Mapping
from typing import IO, Final

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from archbuilder.config.data_schema import ImageSpec
from archbuilder.config.sources import ImageConfig
from archbuilder.data.columns import Array, Column
from archbuilder.data.source_dataset import Feature
from archbuilder.diagnostics.errors import RunError
from archbuilder.files.parser_errors import ErrorTypes, parser_errors

# Not all that Pillow has plugins for: EPS runs Ghostscript, for example.
_FORMATS: Final = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_MAGIC_PREFIXES: Final = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"BM", b"GIF8", b"II*\x00", b"MM\x00*")
# 64 million: larger than photos, and 256 MiB as RGBA. Pillow's own limit only warns at 89 million.
_MAX_PIXELS: Final = 2**26
_MAX_FILE_BYTES: Final = 2**28
_GRAY_MODES: Final = ("1", "L", "LA")
_COLOR_MODES: Final = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
_MODE_16_BIT_PREFIX: Final = "I;16"
"""Prefix of Pillow's modes with 16 bits; the rest is the byte order."""
_FORMATS_WITH_16_BITS: Final = ("PNG", "PPM")
"""Formats for which Pillow's 32-bit mode `I` holds 16 bits: 0 to 65535."""
_WHITE_IS_ZERO: Final = 0
"""Value of the TIFF tag `PhotometricInterpretation` for gray images in which 0 is white."""
# What Pillow raises for damaged files: it documents UnidentifiedImageError, an OSError, alone.
_ERRORS: Final[ErrorTypes] = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    TypeError,  # fractions where TIFF has offsets
    Image.DecompressionBombError,
)
_TRANSPOSES: Final[Mapping[object, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that turns an image upright, by its EXIF tag `Orientation`."""
_SWAPS_SIDES: Final = (5, 6, 7, 8)
"""The orientations that swap width and height."""

# Pillow warns about damage that viewers ignore, such as in EXIF data (see `decode_image`),
# and about enormous images, which are refused here. The filter is global because images are decoded
# in several threads, and `warnings.catch_warnings` is not thread-safe.
warnings.filterwarnings("ignore", module="PIL")


@dataclasses.dataclass(frozen=True, slots=True)
class ImageDecoder(ImageSpec):
    """Decoder to the size, number of channels and bit depth that all images of a source have."""

    drops_bits: bool = False
    """Whether images of 16 bits may lose the lower 8 of them, as `bits: 8` in the recipe asks."""

    @classmethod
    def from_first(
        cls, first: Image.Image, config: ImageConfig, fitted: ImageSpec | None = None
    ) -> ImageDecoder:
        """Create a decoder from the options of a source, else from `fitted`, else from `first`.

        Only the first image is opened: reading the headers of a million files takes minutes.
        """
        first_spec = ImageSpec(
            first.height,
            first.width,
            1 if first.mode in _GRAY_MODES or is_16_bit(first) else 3,
            16 if is_16_bit(first) else 8,
        )
        spec = fitted or first_spec
        height, width = config.size or (spec.height, spec.width)
        channels, bits = config.channels or spec.channels, config.bits or spec.bits
        return cls(height, width, channels, bits, config.bits == 8)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Dtype of decoded images."""
        return np.dtype(np.uint16 if self.bits == 16 else np.uint8)

    @property
    def max_value(self) -> int:
        """Value of white: 255 or 65535."""
        return int(2**self.bits - 1)

    def resized(self, height: int, width: int) -> ImageDecoder:
        """Return a decoder to another size."""
        return dataclasses.replace(self, height=height, width=width)

    @property
    def spec(self) -> ImageSpec:
        """The part that the schema of a run records."""
        return ImageSpec(self.height, self.width, self.channels, self.bits)

    def to_feature(self, column: Column, divide_by: float | None) -> Feature:
        """Return an input of decoded images, divided by `divide_by`, or by white if it is None."""
        max_value = self.max_value
        return Feature(column, divide_by or max_value, image=True, max_value=max_value)

    def decode(self, content: bytes, name: str) -> Array:
        """Decode a file to an array of the shape `(height, width, channels)`, 0 to `max_value`.

        Raises:
            RunError: if the content is not an image, is damaged or enormous, or has more bits than
                this decoder.
        """
        return self.convert(decode_image(content, name), name)

    def convert(self, image: Image.Image, name: str) -> Array:
        """Convert a decoded image to this size, number of channels and bit depth.

        White stays white: 255 of 8 bits becomes 65535 of 16 bits.

        Raises:
            RunError: if the image has more bits than this decoder.
        """
        self.check_bit_depth(image, name)
        if is_16_bit(image):
            # Through float32, since Pillow's conversion from `I;16` to `L` clips at 255. 257 is
            # 65535 / 255.
            values = np.asarray(self._resize(image.convert("F")))
            values_16_bit = np.rint(values if self.bits == 16 else values / 257).astype(self.dtype)
            return np.repeat(values_16_bit[..., np.newaxis], self.channels, axis=2)
        resized = self._resize(image.convert("L" if self.channels == 1 else "RGB"))
        values = np.asarray(resized, np.uint8).reshape(self.shape)
        return values if self.bits == 8 else values.astype(np.uint16) * np.uint16(257)

    def check_bit_depth(self, image: Image.Image, name: str) -> None:
        """Check that decoding drops no bits of an image unless the source says so.

        Raises:
            RunError: if it would.
        """
        # Cameras store 12 bits in the lower part of 16, of which division by 257 would leave 4.
        if is_16_bit(image) and self.bits == 8 and not self.drops_bits:
            raise RunError(
                f"{name} has 16 bits per channel, but the images before it have 8: write 'bits: 16'"
                " to keep all bits, or 'bits: 8' to drop the lower 8"
            )

    def describe_changes(self, image: Image.Image) -> Iterator[str]:
        """Yield descriptions of what `convert` changes in an image: its size and channels."""
        if image.size != (self.width, self.height):
            yield f"resized from {image.height}x{image.width} to {self.height}x{self.width}"
        if image.mode == "RGB" and self.channels == 1:
            yield "converted RGB to grayscale"
        if image.mode != "RGB" and self.channels == 3:
            yield "repeated grayscale as RGB"

    def _resize(self, image: Image.Image) -> Image.Image:
        # Unlike `tf.image.resize` without `antialias`, Pillow's filter covers all pixels of an
        # image that shrinks.
        size = (self.width, self.height)
        return image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)


def is_encoded_image(content: bytes) -> bool:
    """Return whether bytes begin like an image file."""
    return content.startswith(_MAGIC_PREFIXES) or (content[:4], content[8:12]) == (b"RIFF", b"WEBP")


def read_image_file(descriptor: int, name: str) -> bytes:
    """Read an open file.

    Raises:
        RunError: if it cannot be read, or is larger than `_MAX_FILE_BYTES`.
    """
    num_bytes = os.fstat(descriptor).st_size
    if num_bytes > _MAX_FILE_BYTES:
        raise RunError(f"{name} is larger than {_MAX_FILE_BYTES // 2**20} MiB")
    try:
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            return stream.read(num_bytes)
    except OSError as error:
        raise RunError(f"cannot read {name}: {error.strerror or error}") from error


def decode_image(content: bytes, name: str) -> Image.Image:
    """Decode an image as viewers show it: upright, with transparent pixels over white.

    The mode of the result is `L`, `RGB` or `I;16`. Of several frames or pages, the first is read.

    Raises:
        RunError: if the content is not an image, is damaged or enormous, has pixels of an unknown
            range, or has colors or transparency with more than 8 bits per channel.
    """
    image = open_image(io.BytesIO(content), name)
    with parser_errors(_ERRORS, f"{name} is damaged"):
        # Pillow would decode such images to 8 bits without a warning.
        bits = _bits_per_channel(image)
        if bits > 8 and image.mode in (*_GRAY_MODES, *_COLOR_MODES):
            raise RunError(
                f"{name} has {bits} bits per channel: images with color or transparency are limited"
                " to 8; convert it to 8 bits per channel, or to grayscale without transparency, or"
                " store the values as .npy"
            )
        image.load()
        visible = _to_standard_mode(image, name)
    return turn_upright(visible, image)


def read_image_size(descriptor: int, name: str) -> tuple[int, int]:
    """Return the width and the height of an image in an open file, as viewers show it.

    Raises:
        RunError: if it is not an image, or has too many pixels.
    """
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        return upright_size(open_image(stream, name))


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return the width and the height of an image, as viewers show it."""
    is_turned = _orientation(image) in _SWAPS_SIDES
    return (image.height, image.width) if is_turned else image.size


def open_image(stream: IO[bytes], name: str) -> Image.Image:
    """Return an image whose pixels are not decoded yet.

    Raises:
        RunError: if the content is not an image, or has too many pixels.
    """
    with parser_errors(_ERRORS, f"{name} is damaged"):
        try:
            # Reads only the header; `load` reads the pixels.
            image = Image.open(stream, formats=_FORMATS)
        except UnidentifiedImageError:
            formats = f"{', '.join(_FORMATS[:-1])} or {_FORMATS[-1]}"
            raise RunError(f"{name} is not an image in the format {formats}") from None
    if image.width * image.height > _MAX_PIXELS:
        raise RunError(f"{name} is too large: {image.width:,} by {image.height:,} pixels")
    return image


def load_pixels(image: Image.Image, name: str) -> None:
    """Decode the pixels of an image.

    Raises:
        RunError: if it is damaged.
    """
    with parser_errors(_ERRORS, f"{name} is damaged"):
        image.load()


def seek_frame(image: Image.Image, index: int, name: str) -> bool:
    """Decode a frame of an animated image, and return whether there is one.

    Raises:
        RunError: if it is damaged.
    """
    with parser_errors(_ERRORS, f"{name} is damaged"):
        try:
            image.seek(index)
        except EOFError:
            # Other formats than GIF declare the number of frames.
            if index < getattr(image, "n_frames", 0):
                raise RunError(f"{name} is missing: the file is truncated") from None
            return False
        image.load()
    return True


def turn_upright(pixels: Image.Image, image: Image.Image) -> Image.Image:
    """Return pixels as viewers show them, by the orientation in the EXIF data of `image`."""
    # Pillow itself turns images upright for TIFF only.
    transpose = _TRANSPOSES.get(_orientation(image))
    return pixels if transpose is None else pixels.transpose(transpose)


def _orientation(image: Image.Image) -> object:
    """Return the EXIF orientation of an image; 1 if it is upright."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except (SyntaxError, ValueError, TypeError, KeyError, struct.error):
        # Many photos have damaged EXIF data and intact pixels. Viewers show those as stored.
        return 1


def is_16_bit(image: Image.Image) -> bool:
    """Return whether an image has 16 bits per channel."""
    return image.mode.startswith(_MODE_16_BIT_PREFIX)


def _bits_per_channel(image: Image.Image) -> int:
    """Return the bits per channel in the file of an image that is not loaded yet."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))))
    # The mode does not show them: Pillow (up to 13.0) decodes 16 bits per channel to 8, except for
    # gray. Its tiles have the decoder's arguments: `RGB;16B` for PNG, `RGB` and the white for PPM.
    tiles = [each.args for each in getattr(image, "tile", ())]
    if image.format == "PNG":
        return 16 if any(";16" in str(each) for each in tiles) else 8
    if image.format == "PPM":
        max_values = [each[1] for each in tiles if isinstance(each, tuple)]
        return max((int(each).bit_length() for each in max_values), default=8)
    return 8


def _to_standard_mode(image: Image.Image, name: str) -> Image.Image:
    """Convert an image to the mode `L`, `RGB` or `I;16`, with transparent pixels over white."""
    if isinstance(image, TiffImagePlugin.TiffImageFile) and is_16_bit(image):
        # Pillow leaves gray as TIFF stores it. Here it becomes 0 (black) to 65535.
        max_value = 2 ** _bits_per_channel(image) - 1
        values = np.asarray(image).astype(np.float64)
        if image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 0) == _WHITE_IS_ZERO:
            values = max_value - values
        return Image.fromarray(np.rint(values * (65535 / max_value)).astype(np.uint16))
    if is_16_bit(image):
        # A gray value that a PNG declares transparent. Not by way of RGBA, which has 8 bits.
        transparent_value = image.info.get("transparency")
        if transparent_value is None:
            return image
        values = np.asarray(image)
        return Image.fromarray(
            np.where(values == transparent_value, 65535, values).astype(np.uint16)
        )
    if image.mode == "I" and image.format in _FORMATS_WITH_16_BITS:
        return Image.fromarray(np.asarray(image).astype(np.uint16))
    if image.mode not in (*_GRAY_MODES, *_COLOR_MODES):
        raise RunError(
            f"{name} has pixels of the mode {image.mode!r}, whose range is unknown: convert it to 8"
            " or 16 bits per channel, or store the values as .npy"
        )
    mode = "L" if image.mode in _GRAY_MODES else "RGB"
    if not image.has_transparency_data:
        return image.convert(mode)
    pixels = image.convert("RGBA")
    background = Image.new("RGBA", pixels.size, "white")
    return Image.alpha_composite(background, pixels).convert(mode)
