"""Images in directories, one directory per class or none, decoded on demand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from archbuilder.config.data_schema import DatasetSchema
from archbuilder.config.sources import Images
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, FittedPreprocessing, SourceDataset
from archbuilder.data.sources.class_directories import IMAGE, DirectoryClasses, list_files
from archbuilder.data.sources.image_decoding import ImageDecoder, decode_image
from archbuilder.data.sources.image_files import ImageFile, ImageFiles, image_column
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.diagnostics.errors import RunError
from archbuilder.formatting import plural


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
    listing = list_files(source.directory, opener, IMAGE)
    name = listing.name
    fitted_schema = fitted.schema if fitted else DatasetSchema()
    # Validation data may lack a class.
    if fitted is None:
        listing.check_classes()
    image_files = ImageFiles(ImageFile(directory, parts) for directory, parts in listing.files)
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
    classes = DirectoryClasses.from_listing(listing, None if fitted is None else fitted_schema)
    parts = (each.parts for each in image_files)
    schema = DatasetSchema(classes=classes.schema_classes(), images={UNNAMED: decoder.spec})
    return SourceDataset(
        name,
        {UNNAMED: decoder.to_feature(images, source.divide_by)},
        classes.targets(listing, parts, all_needed=fitted is None),
        (
            f"{name}: {plural(len(image_files), 'image')} of {decoder}",
            *classes.notes(),
            *listing.notes,
            *bad_records.summary(len(image_files), name),
        ),
        preprocessing=FittedPreprocessing(schema),
        missing_targets=classes.error,
        target_description="the class of an image",
        target_hint="put the images of each class into a subdirectory, as in DIR/cat/1.png",
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
