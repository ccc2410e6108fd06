"""Pictures in folders, each decoded when it is needed: in a folder for every class, or in none."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from archbuilder.errors import RunError, shown
from archbuilder.recipe.legend import Legend
from archbuilder.recipe.sources import IMAGE_ENDINGS, DataFile, Images
from archbuilder.tables import plural
from archbuilder.training.columns import Column, Held, Numbers, Read, Rows
from archbuilder.training.examples import ONLY, Examples, Feature, Known
from archbuilder.training.faults import Faults
from archbuilder.training.opening import Opener
from archbuilder.training.sources.pictures import BRIGHTEST, Look, decoded, read_picture

Way: TypeAlias = tuple[str, ...]
"""The names that lead from the folder to a file."""


@dataclass(frozen=True, slots=True)
class _Picture:
    """A file in a folder."""

    folder: DataFile
    way: Way

    @property
    def name(self) -> str:
        return shown("/".join((self.folder.path.rstrip("/"), *self.way)), 200)

    def content(self, opener: Opener) -> bytes:
        """What is in the file.

        Raises:
            RunError: if it cannot be read, or is enormous.
        """
        with opener.opened(self.folder, *self.way) as descriptor:
            return read_picture(descriptor, self.name)


def load_images(source: Images, opener: Opener, like: Known | None) -> Examples:
    """Images of one size, and the numbers of the folders that they lie in, by alphabet.

    What is of another size than the first image, or than `size`, is resized; colours become grey
    where the first image is grey. The classes may be known (`like`).

    Raises:
        BlueprintError: if a blueprint names a folder that it may not.
        RunError: if there is no image, one is damaged, or a class is unknown.
    """
    name = shown(source.folder.path, 200)
    pictures = [
        _Picture(folder, way)
        for folder in opener.each(source.folder)
        for way in _ways(folder, opener)
    ]
    if not pictures:
        raise RunError(
            f"{name} has no images ({', '.join(IMAGE_ENDINGS)}), nor folders that have some"
        )
    faults = Faults(source.on_error, "images")
    if source.on_error == "skip":
        pictures = _readable(pictures, opener, faults)
    said = faults.remarks(len(pictures))
    first = pictures[0]
    look = Look.of(decoded(first.content(opener), first.name), source.size, source.channels)

    def read(rows: Rows) -> Numbers:
        return np.stack(
            [look.numbers(pictures[row].content(opener), pictures[row].name) for row in rows]
        )

    images = Read(name, len(pictures), look.shape, np.dtype(np.uint8), read)
    inputs = {ONLY: Feature(images, source.scale or BRIGHTEST, image=True)}
    sizes = f"{name}: {plural(len(pictures), 'image')} of {look}"
    if len(first.way) == 1:
        return Examples(name, inputs, {}, (sizes, *said))
    given = like.legend.classes.get(ONLY) if like else None
    classes = given or tuple(sorted({each.way[0] for each in pictures}))
    told = ", ".join(f"{shown(each)} is {number}" for number, each in enumerate(classes[:10]))
    targets: dict[str, Column] = {ONLY: Held(_labels(pictures, classes, name))}
    remarks = (sizes, f"{plural(len(classes), 'class', 'classes')}: {told}", *said)
    return Examples(name, inputs, targets, remarks, known=Known(Legend(classes={ONLY: classes})))


def _ways(folder: DataFile, opener: Opener) -> Iterator[Way]:
    """All images: those in folders, or else those in the folder itself."""
    top = opener.names(folder) or []
    inner = [(each, opener.names(folder, each)) for each in top if not _is_image(each)]
    found = False
    for within, names in inner:
        for name in filter(_is_image, names or ()):
            found = True
            yield within, name
    if not found:
        yield from ((name,) for name in top if _is_image(name))


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_ENDINGS) and not name.startswith(".")


def _readable(pictures: Sequence[_Picture], opener: Opener, faults: Faults) -> list[_Picture]:
    """Those that can be decoded; the others are told."""

    def fault(picture: _Picture) -> RunError | None:
        try:
            decoded(picture.content(opener), picture.name)
        except RunError as error:
            return error
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(fault, pictures))
    for wrong in filter(None, found):
        faults.meet(wrong)
    return [each for each, wrong in zip(pictures, found, strict=True) if wrong is None]


def _labels(pictures: Sequence[_Picture], classes: Sequence[str], name: str) -> Numbers:
    numbers = {each: number for number, each in enumerate(classes)}
    unknown = sorted({each.way[0] for each in pictures} - set(numbers))
    if unknown:
        raise RunError(
            f"{name} has a folder {shown(unknown[0])}, which is no class of the images to train on"
        )
    return np.array([numbers[each.way[0]] for each in pictures], np.int64)
