"""Settings of videos: how the images of their frames become the values of an input or a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from archbuilder.config.settings import setting
from archbuilder.config.sources.name_patterns import find_path_conflict, path_pattern
from archbuilder.config.sources.pixels import (
    DIVISOR,
    IMAGE_BITS,
    IMAGE_BITS_TEXT,
    IMAGE_CHANNELS,
    IMAGE_CHANNELS_TEXT,
    IMAGE_SIZE,
    ImageConfig,
)
from archbuilder.config.value_types import integer

MAX_VIDEO_PIXELS: Final = 2**26
"""Largest number of pixels of an example, in all frames: as many as the largest image has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoConfig:
    """How the frames of videos become examples of one length."""

    frames: int = setting(
        integer(1, 65_536),
        "Number of frames of an example: the first ones of a video. A shorter one ends with frames"
        " of zeros.",
        default=20,
    )
    every: int = setting(
        integer(1, 65_536),
        "The distance of the frames that are read: with 5, the first, the sixth and so on.",
        default=1,
    )
    size: tuple[int, int] | None = setting(
        IMAGE_SIZE,
        "Height and width that frames are decoded to; by default those of the network's input, or"
        " of the output for a target. All frames of a video then have one size.",
        default=None,
    )
    channels: int | None = setting(IMAGE_CHANNELS, IMAGE_CHANNELS_TEXT, default=None)
    bits: int | None = setting(IMAGE_BITS, IMAGE_BITS_TEXT, default=None)
    divide_by: float | None = setting(
        DIVISOR, "Number that pixels are divided by; by default that of white.", default=None
    )

    @property
    def image(self) -> ImageConfig:
        """How a frame is decoded."""
        return ImageConfig(
            size=self.size, channels=self.channels, bits=self.bits, divide_by=self.divide_by
        )

    def find_conflict(self) -> str:
        """Return what contradicts itself, as a sentence about keys; empty if nothing does."""
        return "" if self.size is None else find_pixel_conflict(self.frames, *self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableVideo(VideoConfig):
    """How the videos that a column of a table names are found and decoded.

    A video is a directory of images, in the order of the numbers in their names, or a file of an
    animated image.
    """

    noun: ClassVar[str] = "video"

    path: str = path_pattern()

    def find_conflict(self) -> str:
        """Return what contradicts itself, as a sentence about keys; empty if nothing does."""
        return find_path_conflict(self.path) or VideoConfig.find_conflict(self)


def find_pixel_conflict(frames: int, height: int, width: int) -> str:
    """Return why videos are too large, as a sentence; empty if they are not."""
    pixels = frames * height * width
    if pixels <= MAX_VIDEO_PIXELS:
        return ""
    return (
        f"has {pixels:,} pixels per example, of {MAX_VIDEO_PIXELS:,} at most: {frames} 'frames' of"
        f" the 'size' [{height}, {width}]"
    )
