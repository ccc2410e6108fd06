"""The source of directories of audio files."""

from __future__ import annotations

from collections.abc import Mapping
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
from archbuilder.config.sources.name_patterns import label_pattern
from archbuilder.config.sources.sounds import AudioConfig
from archbuilder.config.value_types import or_by_name

if TYPE_CHECKING:
    from archbuilder.data.source_dataset import SourceDataset
    from archbuilder.data.sources.load_context import LoadContext

AUDIO_SUFFIXES: Final = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")
"""Suffixes of audio files, in lower case."""


@dataclass(frozen=True, slots=True)
class Audio(SkippableSource):
    """Audio files of a directory: one subdirectory per class, labels in the names, or neither."""

    key = "audio"

    directory: DataPath = setting(path(), "The directory.")
    classes: tuple[str, ...] = class_directories()
    label: str | Mapping[str, str] | None = setting(
        or_by_name(label_pattern()),
        "Where the label is in the name of a file without its suffix, or in which for each output:"
        " `*` stands for any text, and `{label}` for the longest that is possible.",
        default=None,
    )
    recording: AudioConfig = group(AudioConfig)

    def find_conflict(self) -> str:
        """Return which settings contradict each other, as a sentence; empty if none do."""
        if self.classes and self.label is not None:
            return "'classes' are directories, and with a 'label' these are none"
        if conflict := find_repeated_directory(self.classes):
            return conflict
        conflict = self.recording.find_conflict()
        return f"'{self.key}' {conflict}" if conflict else ""

    def file_config(self, input_name: str) -> AudioConfig:  # noqa: ARG002 - one for all
        """Return how recordings are decoded."""
        return self.recording

    def load(self, context: LoadContext) -> SourceDataset:
        """List the recordings."""
        from archbuilder.data.sources.audio_directory import load_audio

        return load_audio(self, context)


AUDIO_SOURCES: Final = (Audio,)
