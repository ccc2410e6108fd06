"""Images in directories, one directory per class or none, decoded on demand."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from archbuilder.config.data_schema import DatasetSchema
from archbuilder.config.sources import ImageConfig, Images
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.source_dataset import UNNAMED, FittedPreprocessing, SourceDataset
from archbuilder.data.sources.class_directories import (
    IMAGE,
    DirectoryListing,
    list_files,
    list_unclassified_files,
    with_classes,
)
from archbuilder.data.sources.example_files import ExampleFile, ExampleFiles
from archbuilder.data.sources.image_decoding import ImageDecoder, decode_image
from archbuilder.data.sources.image_files import image_column, image_note, read_image
from archbuilder.data.sources.image_targets import (
    NamedTargets,
    find_targets,
    make_target_columns,
    target_configs,
)
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.mask_decoding import check_pixels
from archbuilder.diagnostics.errors import RunError
from archbuilder.formatting import plural


def load_images(source: Images, context: LoadContext) -> SourceDataset:
    """Load images of one size, and their targets.

    Targets are the classes that directories stand for, other images with the same names, or labels
    in the names. Images are decoded to `size`, or to that of the network's input; without both, to
    the size of the first image. Colors become gray if the first image is gray. With `fitted`,
    classes, size and channels are those of the training data.

    Raises:
        BlueprintError: if a blueprint names a directory that it may not read.
        RunError: if there are no images, one is damaged or lacks a target, or a class is unknown or
            has no image.
    """
    has_named_targets = source.targets is not None or source.label is not None
    list_images = list_unclassified_files if has_named_targets else list_files
    listing = list_images(source.directory, context.opener, IMAGE)
    fitted_schema = context.fitted.schema if context.fitted else None
    # Validation data may lack a class.
    if fitted_schema is None:
        listing.check_classes()
    bad_records = BadRecords(source.on_error, "images")
    files, named_targets = _readable_files(source, listing, context, bad_records)
    skip_notes = bad_records.summary(len(files), listing.name)
    first = files[0]
    decoder = ImageDecoder.from_first(
        decode_image(read_image(first, context.opener), first.name),
        source.file_config(),
        fitted_schema.images.get(UNNAMED) if fitted_schema else None,
    )
    images = image_column(
        listing.name, files, decoder, context.opener, is_resizable=source.size is None
    )
    targets = make_target_columns(source, listing.name, named_targets, context)
    dataset = SourceDataset(
        listing.name,
        {UNNAMED: decoder.to_feature(images, source.divide_by)},
        targets.columns,
        (
            f"{listing.name}: {image_note(plural(len(files), 'image'), decoder, source.size)}",
            *targets.notes,
            *listing.notes,
            *skip_notes,
        ),
        masks=target_configs(source),
        preprocessing=FittedPreprocessing(
            DatasetSchema(
                classes=targets.classes, images={UNNAMED: decoder.spec, **targets.image_specs}
            )
        ),
    )
    if has_named_targets:
        return dataset
    return with_classes(dataset, listing, (each.parts for each in files), context.fitted)


def _readable_files(
    source: Images, listing: DirectoryListing, context: LoadContext, bad_records: BadRecords
) -> tuple[ExampleFiles, NamedTargets]:
    """Return the images that have their targets and, to skip errors, can be decoded with them.

    Others are added to `bad_records`.
    """
    listed = ExampleFiles(ExampleFile(directory, parts) for directory, parts in listing.files)
    files, targets = find_targets(source, listed, context.opener, bad_records)
    # To skip damaged images, all have to be decoded once: the number of examples is needed now.
    if source.on_error == "stop":
        return files, targets
    columns = [
        (files, ImageConfig()),
        *((targets.partners[output], each) for output, each in target_configs(source).items()),
    ]

    def find_error(row: int) -> RunError | None:
        try:
            for column_files, config in columns:
                file = column_files[row]
                check_pixels(config, read_image(file, context.opener), file.name)
        except RunError as error:
            return error
        return None

    # Threads suffice: Pillow's decoders release the GIL.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        errors = list(pool.map(find_error, range(len(files))))
    for error in filter(None, errors):
        bad_records.add(error)
    rows = [row for row, error in enumerate(errors) if error is None]
    return ExampleFiles(files[row] for row in rows), targets.select(rows)
