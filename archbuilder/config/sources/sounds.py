"""Settings of audio files: how recordings become the values of an input or a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from archbuilder.config.settings import setting
from archbuilder.config.sources.name_patterns import find_path_conflict, path_pattern
from archbuilder.config.value_types import integer, number

MIN_SAMPLE_RATE: Final = 1_000
MAX_SAMPLE_RATE: Final = 768_000
"""Bounds of the samples per second: soxr takes minutes for extreme ratios of two rates."""
MAX_CHANNELS: Final = 64
_MAX_SAMPLES: Final = 2**28
"""Largest number of samples of an example, in all channels: 1 GiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioConfig:
    """How recordings become examples of one length."""

    sample_rate: int = setting(
        integer(MIN_SAMPLE_RATE, MAX_SAMPLE_RATE),
        "Samples per second, to which recordings are resampled.",
        default=16_000,
    )
    duration: float = setting(
        number(above=0, maximum=86_400),
        "Seconds of an example: recordings are cut, or end with zeros.",
        default=1.0,
    )
    channels: int = setting(
        integer(1, MAX_CHANNELS),
        "Number of channels: with 1, those of a recording are averaged.",
        default=1,
    )

    @property
    def samples(self) -> int:
        """Number of samples of an example in each channel."""
        return max(round(self.duration * self.sample_rate), 1)

    def find_conflict(self) -> str:
        """Return what contradicts itself, as a sentence about keys; empty if nothing does."""
        if self.samples * self.channels <= _MAX_SAMPLES:
            return ""
        return (
            f"has {self.samples * self.channels:,} samples per example, of {_MAX_SAMPLES:,} at"
            " most: 'duration' times 'sample_rate' times 'channels'"
        )

    def __str__(self) -> str:
        channels = "" if self.channels == 1 else f" in {self.channels} channels"
        return f"{self.samples} samples{channels} at {self.sample_rate} Hz"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableAudio(AudioConfig):
    """How the audio files that a column of a table names are found and decoded."""

    noun: ClassVar[str] = "recording"

    path: str = path_pattern()

    def find_conflict(self) -> str:
        """Return what contradicts itself, as a sentence about keys; empty if nothing does."""
        return find_path_conflict(self.path) or AudioConfig.find_conflict(self)
