"""The source of directories of videos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archbuilder.config.settings import group, setting
from archbuilder.config.sources.base import (
    DataPath,
    SkippableSource,
    class_directories,
    find_repeated_directory,
    path,
)
from archbuilder.config.sources.videos import VideoConfig

if TYPE_CHECKING:
    from archbuilder.data.source_dataset import SourceDataset
    from archbuilder.data.sources.load_context import LoadContext


@dataclass(frozen=True, slots=True)
class Videos(SkippableSource):
    """Videos of a directory, one subdirectory per class: directories of frames, or animations."""

    key = "videos"
    may_hold_images = True

    directory: DataPath = setting(path(), "The directory.")
    classes: tuple[str, ...] = class_directories()
    video: VideoConfig = group(VideoConfig)

    def find_conflict(self) -> str:
        """Return which settings contradict each other, as a sentence; empty if none do."""
        if conflict := find_repeated_directory(self.classes):
            return conflict
        conflict = self.video.find_conflict()
        return f"'{self.key}' {conflict}" if conflict else ""

    def file_config(self, input_name: str) -> VideoConfig:  # noqa: ARG002 - one for all
        """Return how videos are decoded."""
        return self.video

    def load(self, context: LoadContext) -> SourceDataset:
        """List the videos."""
        from archbuilder.data.sources.video_directory import load_videos

        return load_videos(self, context)


VIDEO_SOURCES: Final = (Videos,)
