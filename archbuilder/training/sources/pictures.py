"""Encoded pictures -> numbers, all of one size.

Of a file nothing is believed before it is counted: one that would become more numbers than
`_PIXELS` is refused by its head.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from archbuilder.errors import RunError
from archbuilder.training.columns import Numbers

BRIGHTEST: Final = 255
_FORMATS: Final = ("PNG", "JPEG", "BMP", "GIF")
_HEADS: Final = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"BM", b"GIF8")
_PIXELS: Final = 2**26
_BYTES: Final = 2**28
_GREY: Final = ("1", "L", "LA", "I;16")


@dataclass(frozen=True, slots=True)
class Look:
    """What all pictures of a source are brought to."""

    height: int
    width: int
    channels: int

    @classmethod
    def of(cls, first: Image.Image, size: tuple[int, int] | None, channels: int | None) -> Look:
        """That of the first one, where nothing else is said."""
        height, width = size or (first.height, first.width)
        return cls(height, width, channels or (1 if first.mode in _GREY else 3))

    @property
    def shape(self) -> tuple[int, int, int]:
        """That of an example."""
        return self.height, self.width, self.channels

    def __str__(self) -> str:
        return f"{self.height}x{self.width}x{self.channels}"

    def numbers(self, content: bytes, name: str) -> Numbers:
        """A picture as `(height, width, channels)` bytes.

        Raises:
            RunError: if it is none, or a damaged or an enormous one.
        """
        return self.fit(decoded(content, name))

    def fit(self, picture: Image.Image) -> Numbers:
        """A picture that is decoded, in the same way."""
        image = picture.convert("L" if self.channels == 1 else "RGB")
        if image.size != (self.width, self.height):
            image = image.resize((self.width, self.height), Image.Resampling.BILINEAR)
        return np.asarray(image, np.uint8).reshape(self.shape)


def is_picture(content: bytes) -> bool:
    """Whether bytes begin as an encoded picture does."""
    return content.startswith(_HEADS)


def read_picture(descriptor: int, name: str) -> bytes:
    """The content of a file.

    Raises:
        RunError: if it cannot be read, or is enormous.
    """
    if os.fstat(descriptor).st_size > _BYTES:
        raise RunError(f"{name} is larger than {_BYTES // 2**20} MiB")
    try:
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            return stream.read(_BYTES + 1)
    except OSError as error:
        raise RunError(f"cannot read {name}: {error.strerror or error}") from error


def decoded(content: bytes, name: str) -> Image.Image:
    """A picture as its file has it.

    Raises:
        RunError: if it is none, or a damaged or an enormous one.
    """
    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
        if image.width * image.height > _PIXELS:
            raise RunError(f"{name} has {image.width:,} by {image.height:,} pixels: too many")
        image.load()
    except UnidentifiedImageError:
        raise RunError(f"{name} is no image in PNG, JPEG, BMP or GIF") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RunError(f"{name} is damaged: {error}") from error
    return image
