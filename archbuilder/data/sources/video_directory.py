"""Videos in directories, one directory per class, decoded on demand."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby

from archbuilder.config.data_schema import DatasetSchema
from archbuilder.config.sources import DataPath, VideoConfig, Videos
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, Feature, FittedPreprocessing, SourceDataset
from archbuilder.data.sources.class_directories import VIDEO, PathParts, list_files, with_classes
from archbuilder.data.sources.example_files import ExampleFile, ExampleFiles
from archbuilder.data.sources.image_decoding import ImageDecoder, decode_image, open_image
from archbuilder.data.sources.image_files import read_image
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.mask_decoding import check_pixels
from archbuilder.data.sources.video_files import read_frames, video_column
from archbuilder.diagnostics.errors import RunError
from archbuilder.formatting import plural


def load_videos(source: Videos, context: LoadContext) -> SourceDataset:
    """Load videos of as many frames, and the classes that directories stand for.

    Raises:
        BlueprintError: if a blueprint names a directory that it may not read.
        RunError: if there are no videos, one cannot be read, or a class is unknown or has no video.
    """
    opener, fitted = context.opener, context.fitted
    listing = list_files(source.directory, opener, VIDEO, source.classes)
    if fitted is None:
        listing.check_classes()
    bad_records = BadRecords(source.on_error, "videos")
    videos = _readable_videos(source, find_videos(listing.files, opener), opener, bad_records)
    skip_notes = bad_records.summary(len(videos), listing.name)
    feature, decoder = make_video_feature(
        listing.name, videos, source.video, opener, fitted.schema if fitted else DatasetSchema()
    )
    count = plural(len(videos), "video")
    frames = plural(source.video.frames, "frame")
    dataset = SourceDataset(
        listing.name,
        {UNNAMED: feature},
        {},
        (f"{listing.name}: {count} of {frames}, each {decoder}", *listing.notes, *skip_notes),
        preprocessing=FittedPreprocessing(DatasetSchema(images={UNNAMED: decoder.spec})),
    )
    return with_classes(dataset, listing, (each.parts for each in videos), fitted)


def make_video_feature(
    name: str,
    videos: ExampleFiles,
    config: VideoConfig,
    opener: DataFileOpener,
    fitted: DatasetSchema,
) -> tuple[Feature, ImageDecoder]:
    """Return the input of videos, and the decoder of their frames, of which the first decides.

    Raises:
        RunError: if that one cannot be read.
    """
    content, frame_name = next(read_frames(videos[0], opener, config))
    first = decode_image(content, frame_name)
    decoder = ImageDecoder.from_first(first, config.image, fitted.images.get(UNNAMED))
    column = video_column(name, videos, decoder, opener, config)
    feature = decoder.to_feature(column, config.divide_by)
    hint = "'frames', 'size' and 'channels' decide about it"
    return replace(feature, shape_hint=hint), decoder


def find_videos(
    files: Iterable[tuple[DataPath, PathParts]], opener: DataFileOpener, least_depth: int = 2
) -> ExampleFiles:
    """Return the videos that image files are or belong to.

    A directory whose first image is animated has a video in each file, any other is a video, which
    is at least `least_depth` directories down.

    Raises:
        RunError: if the first image of a directory cannot be read.
    """
    videos = ExampleFiles()
    for (directory, parents), group in groupby(files, lambda file: (file[0], file[1][:-1])):
        frames = [ExampleFile(directory, parts) for _, parts in group]
        image = open_image(io.BytesIO(read_image(frames[0], opener)), frames[0].name)
        if getattr(image, "is_animated", False):
            for frame in frames:
                videos.append(frame)
        elif len(parents) < least_depth:
            raise RunError(
                f"{frames[0].name} has one frame, and is in no directory of a video: a video is an"
                " animated image, or a directory of frames in that of its class"
            )
        else:
            videos.append(ExampleFile(directory, parents))
    return videos


def _readable_videos(
    source: Videos, videos: ExampleFiles, opener: DataFileOpener, bad_records: BadRecords
) -> ExampleFiles:
    """Return the videos; to skip damaged ones, those that can be decoded."""
    if source.on_error == "stop":
        return videos

    def find_error(video: ExampleFile) -> RunError | None:
        try:
            for content, name in read_frames(video, opener, source.video):
                check_pixels(source.video.image, content, name)
        except RunError as error:
            return error
        return None

    # Threads suffice: Pillow's decoders release the GIL.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        errors = list(pool.map(find_error, videos))
    for error in filter(None, errors):
        bad_records.add(error)
    return ExampleFiles(video for video, error in zip(videos, errors, strict=True) if error is None)
