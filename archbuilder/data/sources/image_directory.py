"""Images in directories, one directory per class or none, decoded on demand."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from archbuilder.config.data_schema import DatasetSchema
from archbuilder.config.sources import Images
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.columns import Array, ArrayColumn, Column
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, FittedPreprocessing, SourceDataset
from archbuilder.data.sources.class_directories import ImageListing, list_images
from archbuilder.data.sources.image_decoding import ImageDecoder, decode_image
from archbuilder.data.sources.image_files import ImageFile, ImageFiles, image_column
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.formatting import plural

# Nine digits fit into int64.
_CLASS_NUMBER: Final = re.compile("[0-9]{1,9}")
"""Name of a directory that is the index of its class."""


@dataclass(frozen=True, slots=True)
class _Classes:
    """The classes that directories stand for."""

    names: tuple[str, ...] = ()
    """Names by class index; empty if the classes of the training data are numbers."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """Class indices by directory."""
    error: str = ""
    """Why the directories are not classes. A run may need none, so it is not raised yet."""

    @classmethod
    def from_listing(cls, listing: ImageListing, fitted: DatasetSchema | None) -> _Classes:
        """Number the directories as in the training data, or alphabetically if these are it."""
        names = fitted.classes_for(UNNAMED) if fitted else tuple(sorted(listing.class_counts))
        if names:
            return cls(names, {each: number for number, each in enumerate(names)})
        for name in listing.class_counts:
            if not _CLASS_NUMBER.fullmatch(name):
                return cls(
                    error=f"{listing.name} has a directory {quote(name)}, but the classes of the"
                    " training data are numbers without names: name each directory by the number"
                    " of its class"
                )
        return cls(numbers={each: int(each) for each in sorted(listing.class_counts, key=int)})

    def notes(self) -> list[str]:
        """Return the index of the first classes, for the user; nothing if there are none."""
        if not self.numbers:
            return []
        pairs = itertools.islice(self.numbers.items(), 10)
        examples = ", ".join(f"{quote(name)} = {number}" for name, number in pairs)
        return [f"{plural(len(self.numbers), 'class', 'classes')}: {examples}"]


def load_images(source: Images, context: LoadContext) -> SourceDataset:
    """Load images of one size, and their classes: the indices of their directories by name.

    Images are resized to `size` or, without it, to the size of the first image. Colors become gray
    if the first image is gray. With `fitted`, classes, size and channels are those of the training
    data.

    Raises:
        BlueprintError: if a blueprint names a directory that it may not read.
        RunError: if there are no images, one is damaged, or a class is unknown or has no image.
    """
    opener, fitted = context.opener, context.fitted
    listing = list_images(source.directory, opener)
    name = listing.name
    fitted_schema = fitted.schema if fitted else DatasetSchema()
    # Validation data may lack a class.
    if fitted is None:
        listing.check_classes()
    image_files = ImageFiles(ImageFile(directory, parts) for directory, parts in listing.images)
    bad_records = BadRecords(source.on_error, "images")
    # To skip damaged images, all have to be decoded once: the number of examples is needed now.
    if source.on_error == "skip":
        image_files = _decodable(image_files, opener, bad_records)
    first = image_files[0]
    decoder = ImageDecoder.from_first(
        decode_image(first.read(opener), first.name),
        source.image_config(),
        fitted_schema.images.get(UNNAMED),
    )
    images = image_column(name, image_files, decoder, opener)
    classes = _Classes()
    targets: dict[str, Column] = {}
    if len(first.parts) > 1:
        classes = _Classes.from_listing(listing, None if fitted is None else fitted_schema)
    if classes.numbers:
        labels = _labels(image_files, classes.numbers, name, all_needed=fitted is None)
        targets[UNNAMED] = ArrayColumn(labels)
    # Classes are recorded, so that other data gets the same indices even if it lacks a class.
    class_names = {UNNAMED: classes.names} if classes.names else {}
    schema = DatasetSchema(classes=class_names, images={UNNAMED: decoder.spec})
    return SourceDataset(
        name,
        {UNNAMED: decoder.to_feature(images, source.divide_by)},
        targets,
        (
            f"{name}: {plural(len(image_files), 'image')} of {decoder}",
            *classes.notes(),
            *listing.notes,
            *bad_records.summary(len(image_files), name),
        ),
        preprocessing=FittedPreprocessing(schema),
        missing_targets=classes.error,
        target_description="the class of an image",
    )


def _decodable(
    image_files: Sequence[ImageFile], opener: DataFileOpener, bad_records: BadRecords
) -> ImageFiles:
    """Return the images that can be decoded; errors of the others go to `bad_records`."""

    def find_error(image_file: ImageFile) -> RunError | None:
        try:
            decode_image(image_file.read(opener), image_file.name)
        except RunError as error:
            return error
        return None

    # Threads suffice: Pillow's decoders release the GIL.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        errors = list(pool.map(find_error, image_files))
    for error in filter(None, errors):
        bad_records.add(error)
    pairs = zip(image_files, errors, strict=True)
    return ImageFiles(each for each, failure in pairs if failure is None)


def _labels(
    image_files: Sequence[ImageFile], numbers: Mapping[str, int], name: str, *, all_needed: bool
) -> Array:
    """Return the class index of each image."""
    present = {each.parts[0] for each in image_files}
    unknown = sorted(present - set(numbers))
    if unknown:
        raise RunError(
            f"{name} has a directory {quote(unknown[0])}, which is not a class of the training"
            " images"
        )
    missing = [each for each in numbers if each not in present]
    if missing and all_needed:
        raise RunError(f"no image of the class {quote(missing[0])} of {name} can be read")
    return np.array([numbers[each.parts[0]] for each in image_files], np.int64)
