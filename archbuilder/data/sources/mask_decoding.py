"""Decoders of image files whose pixels are targets: masks of class indices, and values."""

from __future__ import annotations

import dataclasses
import io
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from archbuilder.config.data_schema import ImageSpec
from archbuilder.config.sources import ImageConfig
from archbuilder.data.columns import Array
from archbuilder.data.sources.image_decoding import (
    ImageDecoder,
    decode_image,
    is_16_bit,
    load_pixels,
    open_image,
    turn_upright,
)
from archbuilder.diagnostics.errors import RunError

_BYTE_MODES: Final = ("1", "L", "P")
"""Pillow's modes of one value per pixel; those of `P` are indices into a palette."""
_COLOR_MODES: Final = (*_BYTE_MODES, "RGB", "RGBA", "LA", "PA")
_GRAY_STEPS: Final = {"L;2": 85, "L;4": 17}
"""What Pillow multiplies the gray values of PNG files of 2 and 4 bits by, so that white is 255."""
_MAX_BYTE: Final = 255
_SHOWN_VALUES: Final = 10


class PixelDecoder(Protocol):
    """Decoder of image files to arrays of one shape."""

    @property
    def spec(self) -> ImageSpec:
        """The part that the schema of a run records."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an array."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Dtype of an array."""

    def decode(self, content: bytes, name: str) -> Array:
        """Decode a file.

        Raises:
            RunError: if the content is not an image, or not one that fits.
        """

    def resized(self, height: int, width: int) -> PixelDecoder:
        """Return a decoder to another size."""


def make_target_decoder(
    config: ImageConfig, content: bytes, name: str, fitted: ImageSpec | None
) -> PixelDecoder:
    """Return the decoder of the images of a target, whose first one is `content`.

    Raises:
        RunError: if that one is not an image, or not one that fits.
    """
    if config.pixels == "classes":
        return MaskDecoder.from_first(_decode_classes(config, content, name), config, fitted)
    decoder = ImageDecoder.from_first(decode_image(content, name), config, fitted)
    return ValueDecoder(decoder, config.divide_by or decoder.max_value)


def check_pixels(config: ImageConfig, content: bytes, name: str) -> None:
    """Decode an image to find out whether that is possible.

    Raises:
        RunError: if it is not.
    """
    if config.pixels == "classes":
        _decode_classes(config, content, name)
    else:
        decode_image(content, name)


def _decode_classes(config: ImageConfig, content: bytes, name: str) -> Array:
    decode = decode_mask if config.class_colors is None else decode_color_mask
    return decode(content, name)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class MaskDecoder:
    """Decoder to arrays `(height, width)` of class indices. Masks are resized without blending."""

    height: int
    width: int
    bits: int
    config: ImageConfig
    class_values: NDArray[np.int32]
    """The pixel values or colors of the classes 0, 1, ...; empty if they are the class indices."""

    @classmethod
    def from_first(
        cls, first: Array, config: ImageConfig, fitted: ImageSpec | None = None
    ) -> MaskDecoder:
        """Create a decoder from the options of a source, else from `fitted`, else from `first`."""
        bits = 16 if first.dtype == np.uint16 else 8
        height, width = first.shape
        spec = fitted or ImageSpec(height, width, 1, bits)
        height, width = config.size or (spec.height, spec.width)
        values = np.array(config.class_values or (), np.int32)
        bits = config.bits or spec.bits
        if config.class_colors is not None:
            values = _to_color_codes(np.array(config.class_colors, np.uint8))
            bits = 8 if len(values) <= 2**8 else 16
        return cls(height, width, bits, config, values)

    @property
    def spec(self) -> ImageSpec:
        """The part that the schema of a run records."""
        return ImageSpec(self.height, self.width, 1, self.bits)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a mask."""
        return self.height, self.width

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Dtype of a mask."""
        return np.dtype(np.uint16 if self.bits == 16 else np.uint8)

    def decode(self, content: bytes, name: str) -> Array:
        """Decode a mask.

        Raises:
            RunError: if the content is not an image of one value per pixel, or a value is not that
                of a class.
        """
        mask: Array = _decode_classes(self.config, content, name).astype(np.int32)
        if len(self.class_values):
            mask = self._class_indices(mask, name)
        elif self.bits == 8 and mask.max(initial=0) > _MAX_BYTE:
            raise RunError(
                f"{name} has the pixel value {mask.max()}, but the first mask has 8 bits: write"
                " 'bits: 16'"
            )
        height, width = mask.shape
        # The pixel at the center of each new one, as Pillow's NEAREST.
        rows = ((np.arange(self.height) + 0.5) * height / self.height).astype(np.int64)
        columns = ((np.arange(self.width) + 0.5) * width / self.width).astype(np.int64)
        return mask[rows[:, np.newaxis], columns].astype(self.dtype)

    def _class_indices(self, mask: Array, name: str) -> Array:
        """Return the classes of pixel values or colors.

        Raises:
            RunError: if one is not that of a class.
        """
        order = np.argsort(self.class_values)
        positions = np.searchsorted(self.class_values, mask, sorter=order)
        classes = order[np.minimum(positions, len(order) - 1)]
        is_wrong = self.class_values[classes] != mask
        if is_wrong.any():
            listed = [self._describe(each) for each in self.class_values[:_SHOWN_VALUES].tolist()]
            ending = ", ..." if len(self.class_values) > _SHOWN_VALUES else ""
            is_color = self.config.class_colors is not None
            noun, key = ("color", "class_colors") if is_color else ("pixel value", "class_values")
            raise RunError(
                f"{name} has the {noun} {self._describe(int(mask[is_wrong][0]))}, and '{key}' has"
                f" {', '.join(listed)}{ending}"
            )
        return classes

    def _describe(self, value: int) -> str:
        is_color = self.config.class_colors is not None
        return str([value >> 16, value >> 8 & 255, value & 255] if is_color else value)

    def resized(self, height: int, width: int) -> MaskDecoder:
        """Return a decoder to another size."""
        return dataclasses.replace(self, height=height, width=width)

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ValueDecoder:
    """Decoder to arrays `(height, width, channels)` of floats, which are divided by a number."""

    decoder: ImageDecoder
    divide_by: float

    @property
    def spec(self) -> ImageSpec:
        """The part that the schema of a run records."""
        return self.decoder.spec

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an image."""
        return self.decoder.shape

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Dtype of an image."""
        return np.dtype(np.float32)

    def decode(self, content: bytes, name: str) -> Array:
        """Decode an image.

        Raises:
            RunError: as `ImageDecoder.decode` does.
        """
        return self.decoder.decode(content, name).astype(np.float32) / np.float32(self.divide_by)

    def resized(self, height: int, width: int) -> ValueDecoder:
        """Return a decoder to another size."""
        return ValueDecoder(self.decoder.resized(height, width), self.divide_by)

    def __str__(self) -> str:
        return f"{self.decoder}"


def decode_mask(content: bytes, name: str) -> Array:
    """Decode an image to the values in its file, `(height, width)` of 8 or 16 bits.

    Unlike `decode_image`, colors of a palette stay indices.

    Raises:
        RunError: if the content is not an image, or has several values per pixel, or its format
            does not keep values.
    """
    image = _open_mask(content, name)
    # The decoder and its arguments, which Pillow drops when it has decoded the pixels.
    tile = next(iter(getattr(image, "tile", ())), None)
    load_pixels(image, name)
    if image.mode not in (*_BYTE_MODES, "I") and not is_16_bit(image):
        raise RunError(
            f"{name} is a mask with the colors {image.mode}: a mask has one value per pixel, the"
            " class; store it as a gray image or one with a palette, or list colors of classes in"
            " 'class_colors'"
        )
    if image.mode == "I":
        values = np.asarray(image)
        if values.min(initial=0) < 0 or values.max(initial=0) >= 2**16:
            raise RunError(f"{name} is a mask with values of more than 16 bits")
        image_values = Image.fromarray(values.astype(np.uint16))
    else:
        step = _GRAY_STEPS.get(str(tile[3]) if tile else "", 1)
        byte_values = np.asarray(image)
        image_values = Image.fromarray(
            byte_values if byte_values.dtype == np.uint16 else byte_values.astype(np.uint8) // step
        )
    return np.asarray(turn_upright(image_values, image))


def decode_color_mask(content: bytes, name: str) -> Array:
    """Decode an image to its colors, `(height, width)` of `2**16 * red + 2**8 * green + blue`.

    Raises:
        RunError: if the content is not an image of 8 bits per channel, or its format does not keep
            colors.
    """
    image = _open_mask(content, name)
    load_pixels(image, name)
    if image.mode not in _COLOR_MODES:
        raise RunError(f"{name} is a mask with the pixels {image.mode}, which have no color")
    return _to_color_codes(np.asarray(turn_upright(image.convert("RGB"), image)))


def _open_mask(content: bytes, name: str) -> Image.Image:
    """Return a mask whose pixels are not decoded yet.

    Raises:
        RunError: if the content is not an image, or its format does not keep values.
    """
    image = open_image(io.BytesIO(content), name)
    tile = next(iter(getattr(image, "tile", ())), None)
    is_scaled = image.format == "PPM" and tile is not None and tile[0] != "raw"
    if image.format == "JPEG" or is_scaled:
        raise RunError(
            f"{name} is a mask in the format {image.format}, which does not keep the values of"
            " pixels: store masks as PNG"
        )
    return image


def _to_color_codes(colors: Array) -> NDArray[np.int32]:
    """Return a number for each color of `(..., 3)` bytes."""
    return colors.astype(np.int32) @ np.array([2**16, 2**8, 1], np.int32)
