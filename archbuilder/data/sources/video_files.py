"""Columns of videos: directories with an image for each frame, and files of animated images."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from archbuilder.config.sources import IMAGE_SUFFIXES, VideoConfig
from archbuilder.config.sources.videos import find_pixel_conflict
from archbuilder.data.columns import Array, LazyColumn
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources.example_files import ExampleFile, file_column
from archbuilder.data.sources.image_decoding import open_image, seek_frame, upright_size
from archbuilder.data.sources.image_files import read_image
from archbuilder.data.sources.mask_decoding import PixelDecoder
from archbuilder.diagnostics.errors import BlueprintError, RunError

_NUMBER: Final = re.compile("[0-9]+")
_MAX_DIGITS: Final = 255
"""Largest length of a name, and so of a number in it."""


def list_frames(
    video: ExampleFile, opener: DataFileOpener, config: VideoConfig
) -> Sequence[ExampleFile] | None:
    """Return the frames of a video that an example has, in the order of the numbers in their names.

    None if it is a file of an animated image.

    Raises:
        RunError: if there is no such directory or file, or it has no images.
    """
    try:
        names = opener.list_dir(video.directory, *video.parts)
    except BlueprintError as error:
        # The table names it rather than the blueprint: the caller knows the row.
        raise RunError(error.diagnostics[0].message) from error
    if names is None:
        if video.parts[-1].lower().endswith(IMAGE_SUFFIXES):
            return None
        raise RunError(
            f"{video.name} is not a directory: a video is one with an image for each frame, which"
            " ffmpeg makes of a file, or an animated image"
        )
    frames = [
        name for name in names if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")
    ]
    if not frames:
        raise RunError(f"{video.name} has no frames ({', '.join(IMAGE_SUFFIXES)})")
    # 2 comes before 10, and with as many zeros as there are.
    frames.sort(key=lambda name: _NUMBER.sub(lambda number: number[0].zfill(_MAX_DIGITS), name))
    selected = frames[:: config.every][: config.frames]
    return [ExampleFile(video.directory, (*video.parts, name)) for name in selected]


def read_frames(
    video: ExampleFile, opener: DataFileOpener, config: VideoConfig
) -> Iterator[tuple[bytes, str]]:
    """Yield the content and the name of each frame that an example has, one in memory at a time.

    Raises:
        RunError: if one cannot be read, or has another size than the first without a `size`.
    """
    first_size = None
    frames = list_frames(video, opener, config)
    if frames is None:
        yield from _read_animation(video, opener, config)
        return
    for frame in frames:
        content = read_image(frame, opener)
        width, height = size = upright_size(open_image(io.BytesIO(content), frame.name))
        first_size = first_size or size
        # Frames of two videos in one directory, or crops, which only the recipe may stretch.
        if config.size is None and size != first_size:
            first_width, first_height = first_size
            raise RunError(
                f"{frame.name} is {height}x{width}, but the first frame of its video is"
                f" {first_height}x{first_width}: write 'size: [height, width]' to resize them"
            )
        yield content, frame.name


def _read_animation(
    video: ExampleFile, opener: DataFileOpener, config: VideoConfig
) -> Iterator[tuple[bytes, str]]:
    """Yield the frames of an animated image, as files of a frame, and their names.

    Raises:
        RunError: if it is damaged, or has a single frame.
    """
    image = open_image(io.BytesIO(read_image(video, opener)), video.name)
    if not getattr(image, "is_animated", False):
        raise RunError(
            f"{video.name} has one frame: a video is an animated image, or a directory with an"
            " image for each frame"
        )
    for index in range(0, config.frames * config.every, config.every):
        name = f"frame {index + 1} of {video.name}"
        if not seek_frame(image, index, name):
            return
        content = io.BytesIO()
        # As the decoder of images takes it, which puts transparent pixels over white.
        mode = "L" if image.mode in ("1", "L") else "RGBA"
        image.convert(mode).save(content, "PNG", compress_level=0)
        yield content.getvalue(), name


def video_column(
    name: str,
    videos: Sequence[ExampleFile],
    decoder: PixelDecoder,
    opener: DataFileOpener,
    config: VideoConfig,
    describe_row: Callable[[int], str] | None = None,
) -> LazyColumn:
    """Return the column of videos whose frames are read and decoded on demand.

    Args:
        name: What messages call the source.
        videos: The directory or file of each example.
        decoder: How frames are decoded.
        opener: Opens the files.
        config: Which frames there are.
        describe_row: Returns the location at which a table names the video of an example.
    """
    shape = (config.frames, *decoder.shape)

    def read(video: ExampleFile) -> Array:
        conflict = find_pixel_conflict(*shape[:3])
        if conflict:
            raise RunError(f"{video.name} {conflict}")
        values = np.zeros(shape, decoder.dtype)
        for index, (content, frame_name) in enumerate(read_frames(video, opener, config)):
            values[index] = decoder.decode(content, frame_name)
        return values

    def resize(height: int, width: int) -> LazyColumn:
        resized = decoder.resized(height, width)
        return video_column(name, videos, resized, opener, config, describe_row)

    return file_column(
        name,
        videos,
        shape,
        decoder.dtype,
        read,
        describe_row,
        resize if config.size is None else None,
    )
