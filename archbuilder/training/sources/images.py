"""Pictures in folders, each decoded when it is needed: in a folder for every class, or in none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from archbuilder.errors import RunError, shown
from archbuilder.recipe.legend import Legend
from archbuilder.recipe.sources import DataFile, Images
from archbuilder.tables import plural
from archbuilder.training.columns import Column, Held, Numbers, Read, Rows
from archbuilder.training.examples import ONLY, Examples, Known
from archbuilder.training.faults import Faults
from archbuilder.training.opening import Opener
from archbuilder.training.sources.folders import Way, list_images
from archbuilder.training.sources.pictures import Look, decoded, read_picture

_TARGET: Final = "the class of an image"


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
    where the first image is grey. The classes, and the size of the first, may be known (`like`).

    Raises:
        BlueprintError: if a blueprint names a folder that it may not.
        RunError: if there is no image, one is damaged, or a class is unknown or has no image.
    """
    listing = list_images(source.folder, opener)
    name = listing.name
    if like is None:
        listing.check_classes()
    pictures = [_Picture(folder, way) for folder, way in listing.images]
    faults = Faults(source.on_error, "images")
    if source.on_error == "skip":
        pictures = _readable(pictures, opener, faults)
    said = (*listing.remarks, *faults.remarks(len(pictures), name))
    first = pictures[0]
    look = Look.of(
        decoded(first.content(opener), first.name),
        source.size,
        source.channels,
        source.bits,
        like.legend.images.get(ONLY) if like else None,
    )

    def read(rows: Rows) -> Numbers:
        return np.stack(
            [look.numbers(pictures[row].content(opener), pictures[row].name) for row in rows]
        )

    images = Read(name, len(pictures), look.shape, look.dtype, read)
    inputs = {ONLY: look.feature(images, source.scale)}
    sizes = f"{name}: {plural(len(pictures), 'image')} of {look}"
    forms = {ONLY: look.form}
    if len(first.way) == 1:
        known = Known(Legend(images=forms))
        return Examples(name, inputs, {}, (sizes, *said), known=known, target=_TARGET)
    given = like.legend.classes.get(ONLY) if like else None
    classes = given or tuple(sorted(listing.classes))
    told = ", ".join(f"{shown(each)} is {number}" for number, each in enumerate(classes[:10]))
    targets: dict[str, Column] = {
        ONLY: Held(_labels(pictures, classes, name, all_needed=like is None))
    }
    remarks = (sizes, f"{plural(len(classes), 'class', 'classes')}: {told}", *said)
    known = Known(Legend(classes={ONLY: classes}, images=forms))
    return Examples(name, inputs, targets, remarks, known=known, target=_TARGET)


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


def _labels(
    pictures: Sequence[_Picture], classes: Sequence[str], name: str, *, all_needed: bool
) -> Numbers:
    numbers = {each: number for number, each in enumerate(classes)}
    present = {each.way[0] for each in pictures}
    unknown = sorted(present - set(numbers))
    if unknown:
        raise RunError(
            f"{name} has a folder {shown(unknown[0])}, which is no class of the images to train on"
        )
    missing = [each for each in classes if each not in present]
    if missing and all_needed:
        raise RunError(f"no image of the class {shown(missing[0])} of {name} can be read")
    return np.array([numbers[each.way[0]] for each in pictures], np.int64)
