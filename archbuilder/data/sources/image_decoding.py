"""Encoded pictures -> numbers, all of one size and depth.

Of a file nothing is believed before it is counted: one that would become more numbers than
`_PIXELS` is refused by its head.
"""

from __future__ import annotations

import dataclasses
import io
import os
import struct
import warnings
from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from archbuilder.config.data_schema import ImageSpec
from archbuilder.data.columns import Array, Column
from archbuilder.data.dataset import Feature
from archbuilder.diagnostics.errors import RunError
from archbuilder.files.parser_errors import ErrorTypes, parser_errors

_FORMATS: Final = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_MAGIC_PREFIXES: Final = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"BM", b"GIF8", b"II*\x00", b"MM\x00*")
_MAX_PIXELS: Final = 2**26
_MAX_FILE_BYTES: Final = 2**28
_GRAY_MODES: Final = ("1", "L", "LA")
_COLOR_MODES: Final = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
_MODE_16_BIT_PREFIX: Final = "I;16"
"""How the names of Pillow's modes with 16 bits begin; the rest is the order of the bytes."""
_FORMATS_WITH_16_BITS: Final = ("PNG", "PPM")
"""Formats whose mode `I`, which has 32 bits, holds at most 16: 0 to 65535."""
_WHITE_IS_ZERO: Final = 0
"""The value of the tag `PhotometricInterpretation` of TIFF for gray that begins with white."""
_ERRORS: Final[ErrorTypes] = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    TypeError,  # fractions in the place of offsets of TIFF
    Image.DecompressionBombError,
)
_TRANSPOSES: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture upright, by the value of its EXIF tag `Orientation`."""

# Pillow warns of damage that viewers overlook, such as in EXIF data (see `_upright`), and of images
# that are enormous, which are refused here. Images are decoded in several threads, between which
# `warnings.catch_warnings` would mix up the filters.
warnings.filterwarnings("ignore", module="PIL")


@dataclasses.dataclass(frozen=True, slots=True)
class ImageDecoder(ImageSpec):
    """What all pictures of a source are brought to."""

    drops_bits: bool = False
    """Whether pictures of 16 bits may lose the lower 8 of them."""

    @classmethod
    def from_first(
        cls,
        first: Image.Image,
        size: tuple[int, int] | None = None,
        channels: int | None = None,
        bits: int | None = None,
        fitted: ImageSpec | None = None,
    ) -> ImageDecoder:
        """Return what the source says or, in this order, what `like` and the first picture have."""
        first_spec = ImageSpec(
            first.height,
            first.width,
            1 if first.mode in _GRAY_MODES or _is_16_bit(first) else 3,
            16 if _is_16_bit(first) else 8,
        )
        spec = fitted or first_spec
        height, width = size or (spec.height, spec.width)
        return cls(height, width, channels or spec.channels, bits or spec.bits, bits == 8)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The type of the numbers."""
        return np.dtype(np.uint16 if self.bits == 16 else np.uint8)

    @property
    def max_value(self) -> int:
        """The number of white."""
        return int(2**self.bits - 1)

    @property
    def spec(self) -> ImageSpec:
        """The part that the legend of a run keeps."""
        return ImageSpec(self.height, self.width, self.channels, self.bits)

    def to_feature(self, column: Column, scale: float | None) -> Feature:
        """Return an input of such pictures, which are divided by white where no scale is given."""
        max_value = self.max_value
        return Feature(column, scale or max_value, image=True, max_value=max_value)

    def decode(self, content: bytes, name: str) -> Array:
        """Decode a picture to `(height, width, channels)`, from 0 to `brightest`.

        Raises:
            RunError: if it is none, a damaged or an enormous one, or has more bits than the others.
        """
        return self.convert(decode_image(content, name), name)

    def convert(self, image: Image.Image, name: str) -> Array:
        """Bring a decoded picture to this size, number of channels and depth.

        White stays white: 255 of 8 bits is 65535 of 16 bits.

        Raises:
            RunError: if it has more bits than the others.
        """
        self.check_bit_depth(image, name)
        if _is_16_bit(image):
            values = np.asarray(self._resize(image.convert("F")))
            values_16_bit = np.rint(values if self.bits == 16 else values / 257).astype(self.dtype)
            return np.repeat(values_16_bit[..., np.newaxis], self.channels, axis=2)
        resized = self._resize(image.convert("L" if self.channels == 1 else "RGB"))
        values = np.asarray(resized, np.uint8).reshape(self.shape)
        return values if self.bits == 8 else values.astype(np.uint16) * np.uint16(257)

    def check_bit_depth(self, image: Image.Image, name: str) -> None:
        """Refuse to drop bits of a picture unless the source says so.

        Raises:
            RunError: if it has more bits than the others.
        """
        if _is_16_bit(image) and self.bits == 8 and not self.drops_bits:
            raise RunError(
                f"{name} has 16 bits a channel, and the images before it have 8: write 'bits: 16'"
                " to keep all bits, or 'bits: 8' to drop the lower 8"
            )

    def describe_changes(self, image: Image.Image) -> Iterator[str]:
        """Say what `fit` changes in a picture, beside the numbers of its pixels."""
        if image.size != (self.width, self.height):
            yield f"resized from {image.height}x{image.width} to {self.height}x{self.width}"
        if image.mode == "RGB" and self.channels == 1:
            yield "colors converted to gray"
        if image.mode != "RGB" and self.channels == 3:
            yield "gray repeated as three colors"

    def _resize(self, image: Image.Image) -> Image.Image:
        size = (self.width, self.height)
        return image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)


def is_encoded_image(content: bytes) -> bool:
    """Whether bytes begin as an encoded picture does."""
    return content.startswith(_MAGIC_PREFIXES) or (content[:4], content[8:12]) == (b"RIFF", b"WEBP")


def read_image_file(descriptor: int, name: str) -> bytes:
    """The content of a file.

    Raises:
        RunError: if it cannot be read, or is enormous.
    """
    if os.fstat(descriptor).st_size > _MAX_FILE_BYTES:
        raise RunError(f"{name} is larger than {_MAX_FILE_BYTES // 2**20} MiB")
    try:
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            return stream.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise RunError(f"cannot read {name}: {error.strerror or error}") from error


def decode_image(content: bytes, name: str) -> Image.Image:
    """Decode a picture as a viewer shows it: upright, with transparent pixels over white.

    Its mode is `L`, `RGB` or one of 16 bits. Of several frames or pages it is the first.

    Raises:
        RunError: if it is none, a damaged or an enormous one, has pixels of an unknown range, or
            more bits a channel than are read.
    """
    image = _open_image(content, name)
    if image.width * image.height > _MAX_PIXELS:
        raise RunError(f"{name} has {image.width:,} by {image.height:,} pixels: too many")
    with parser_errors(_ERRORS, f"{name} is damaged"):
        bits = _bits_per_channel(image)
        if bits > 8 and image.mode in (*_GRAY_MODES, *_COLOR_MODES):
            raise RunError(
                f"{name} has {bits} bits a channel: images with colors or transparency are not read"
                " with more than 8; convert it to 8 bits a channel, or to gray without"
                " transparency, or store the numbers as .npy"
            )
        image.load()
        visible = _to_standard_mode(image, name)
    return _apply_orientation(visible, image)


def _open_image(content: bytes, name: str) -> Image.Image:
    """An image of which the head alone is read."""
    with parser_errors(_ERRORS, f"{name} is damaged"):
        try:
            return Image.open(io.BytesIO(content), formats=_FORMATS)
        except UnidentifiedImageError:
            formats = f"{', '.join(_FORMATS[:-1])} or {_FORMATS[-1]}"
            raise RunError(f"{name} is no image in {formats}") from None


def _is_16_bit(image: Image.Image) -> bool:
    return image.mode.startswith(_MODE_16_BIT_PREFIX)


def _bits_per_channel(image: Image.Image) -> int:
    """The bits a channel in the file of an image of which the head alone is read."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))))
    # The mode does not tell: Pillow (up to 13.0) decodes 16 bits a channel to 8 unless all is gray.
    # Its tiles say what the decoder expects: `RGB;16B` of PNG, `RGB` and the white of PPM.
    tiles = [each.args for each in getattr(image, "tile", ())]
    if image.format == "PNG":
        return 16 if any(";16" in str(each) for each in tiles) else 8
    if image.format == "PPM":
        max_values = [each[1] for each in tiles if isinstance(each, tuple)]
        return max((int(each).bit_length() for each in max_values), default=8)
    return 8


def _to_standard_mode(image: Image.Image, name: str) -> Image.Image:
    """Bring an image to the mode `L`, `RGB` or `I;16`, without its transparency."""
    if isinstance(image, TiffImagePlugin.TiffImageFile) and _is_16_bit(image):
        return _scale_to_16_bits(image)
    if _is_16_bit(image):
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
            " or 16 bits a channel, or store the numbers as .npy"
        )
    mode = "L" if image.mode in _GRAY_MODES else "RGB"
    if not image.has_transparency_data:
        return image.convert(mode)
    pixels = image.convert("RGBA")
    background = Image.new("RGBA", pixels.size, "white")
    return Image.alpha_composite(background, pixels).convert(mode)


def _scale_to_16_bits(image: TiffImagePlugin.TiffImageFile) -> Image.Image:
    """Bring gray from 0 (black) to 65535; Pillow leaves the pixels of TIFF as they are stored."""
    max_value = 2 ** _bits_per_channel(image) - 1
    values = np.asarray(image).astype(np.float64)
    if image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 0) == _WHITE_IS_ZERO:
        values = max_value - values
    return Image.fromarray(np.rint(values * (65535 / max_value)).astype(np.uint16))


def _apply_orientation(image: Image.Image, file: Image.Image) -> Image.Image:
    """Turn an image as the EXIF data of its file says; Pillow itself does so for TIFF alone."""
    try:
        transpose = _TRANSPOSES.get(file.getexif().get(ExifTags.Base.Orientation, 1))
    except (SyntaxError, ValueError, TypeError, KeyError, struct.error):
        # Many photos have damaged EXIF data beside sound pixels; viewers show those as stored.
        transpose = None
    return image if transpose is None else image.transpose(transpose)
