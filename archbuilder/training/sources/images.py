"""Pictures in a folder, each decoded when it is needed: in a folder for every class, or in none.

Of a file nothing is believed before it is counted: one that would become more numbers than
`_PIXELS` is refused by its head.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from PIL import Image, UnidentifiedImageError

from archbuilder.errors import RunError, shown
from archbuilder.recipe.spec import IMAGE_ENDINGS, DataFile, Images
from archbuilder.training.columns import Column, Held, Numbers, Read, Rows
from archbuilder.training.examples import ONLY, Examples, Feature
from archbuilder.training.opening import Opener

_FORMATS: Final = ("PNG", "JPEG", "BMP", "GIF")
_PIXELS: Final = 2**26
_BYTES: Final = 2**28
_BRIGHTEST: Final = 255
_GREY: Final = ("1", "L", "LA", "I;16")
_SHOWN: Final = 3
Way: TypeAlias = tuple[str, ...]
"""The names that lead from the folder to a file."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the files of a folder as images of one size."""

    folder: DataFile
    opener: Opener

    def name(self, way: Way) -> str:
        return shown("/".join((self.folder.path.rstrip("/"), *way)), 200)

    def decoded(self, way: Way) -> Image.Image:
        """An image as its file has it.

        Raises:
            RunError: if it is none, or a damaged or an enormous one.
        """
        name = self.name(way)
        with self.opener.opened(self.folder, *way) as descriptor:
            if os.fstat(descriptor).st_size > _BYTES:
                raise RunError(f"{name} is larger than {_BYTES // 2**20} MiB")
            with os.fdopen(os.dup(descriptor), "rb") as stream:
                content = stream.read()
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


def load_images(source: Images, opener: Opener, like: Examples | None) -> Examples:
    """Images of one size, and the numbers of the folders that they lie in, by alphabet.

    What is of another size than the first image, or than `size`, is resized; colours become grey
    where the first image is grey. `like` are examples whose classes are used.

    Raises:
        BlueprintError: if a blueprint names a folder that it may not.
        RunError: if there is no image, one is damaged, or a class is unknown.
    """
    reader = _Reader(source.folder, opener)
    name = shown(source.folder.path, 200)
    ways = list(_ways(source, opener))
    if not ways:
        raise RunError(
            f"{name} has no images ({', '.join(IMAGE_ENDINGS)}), nor folders that have some"
        )
    ways, remarks = _readable(ways, reader) if source.on_error == "skip" else (ways, ())
    first = reader.decoded(ways[0])
    height, width = source.size or (first.height, first.width)
    channels = source.channels or (1 if first.mode in _GREY else 3)
    mode = "L" if channels == 1 else "RGB"

    def one(way: Way) -> Numbers:
        image = reader.decoded(way).convert(mode)
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(image, np.uint8).reshape(height, width, channels)

    def read(rows: Rows) -> Numbers:
        return np.stack([one(ways[row]) for row in rows])

    images = Read(name, len(ways), (height, width, channels), np.dtype(np.uint8), read)
    inputs = {ONLY: Feature(images, source.scale or _BRIGHTEST, image=True)}
    sizes = f"{name}: {len(ways):,} images of {height}x{width}x{channels}"
    if len(ways[0]) == 1:
        return Examples(name, inputs, {}, (sizes, *remarks))
    classes = like.classes if like and like.classes else tuple(sorted({way[0] for way in ways}))
    told = ", ".join(f"{shown(each)} is {number}" for number, each in enumerate(classes[:10]))
    targets: dict[str, Column] = {ONLY: Held(_labels(ways, classes, name))}
    remarks = (sizes, f"{len(classes)} classes: {told}", *remarks)
    return Examples(name, inputs, targets, remarks, classes=classes)


def _ways(source: Images, opener: Opener) -> Iterator[Way]:
    """All images: those in folders, or else those in the folder itself."""
    top = opener.names(source.folder) or []
    inner = [(each, opener.names(source.folder, each)) for each in top if not _is_image(each)]
    found = False
    for folder, names in inner:
        for name in filter(_is_image, names or ()):
            found = True
            yield folder, name
    if not found:
        yield from ((name,) for name in top if _is_image(name))


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_ENDINGS) and not name.startswith(".")


def _readable(ways: Sequence[Way], reader: _Reader) -> tuple[list[Way], tuple[str, ...]]:
    """Those that can be decoded, and what is to be said of the others."""

    def fault(way: Way) -> str | None:
        try:
            reader.decoded(way)
        except RunError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        faults = list(pool.map(fault, ways))
    right = [way for way, found in zip(ways, faults, strict=True) if found is None]
    wrong = [found for found in faults if found is not None]
    if not right:
        raise RunError(f"none of {len(ways):,} images can be read; the first: {wrong[0]}")
    if not wrong:
        return right, ()
    more = f"; and {len(wrong) - _SHOWN:,} more" if len(wrong) > _SHOWN else ""
    told = "; ".join(wrong[:_SHOWN])
    return right, (f"left out {len(wrong):,} of {len(ways):,} images: {told}{more}",)


def _labels(ways: Sequence[Way], classes: Sequence[str], name: str) -> Numbers:
    numbers = {each: number for number, each in enumerate(classes)}
    unknown = sorted({way[0] for way in ways} - set(numbers))
    if unknown:
        raise RunError(
            f"{name} has a folder {shown(unknown[0])}, which is no class of the images to train on"
        )
    return np.array([numbers[way[0]] for way in ways], np.int64)
