"""Decoder of audio files to arrays of one length, sample rate and number of channels.

Files are not trusted: a block at a time is decoded, of what an example needs, whatever length and
number of channels a header claims.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.config.sources import AudioConfig
from archbuilder.config.sources.sounds import MAX_CHANNELS, MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from archbuilder.diagnostics.errors import RunError, UsageError
from archbuilder.files.parser_errors import parser_errors
from archbuilder.formatting import plural

_BLOCK_SAMPLES: Final = 2**18
"""Samples of all channels that are decoded at once: 1 MiB."""
# Of the formats that libsndfile recognizes, those that people have. It opens others by their
# content, and their parsers are rarely used.
_SIGNATURES: Final = (b"RIFF", b"RIFX", b"RF64", b"fLaC", b"OggS", b"FORM", b"ID3")
_INEXACT_FORMAT: Final = "MP3"
"""The format whose number of frames is an estimate."""
# Programs that write to a pipe leave the largest size, or nearly.
_UNKNOWN_SIZE: Final = 2**31 - 2**16
_CHUNK_SIZES: Final = re.compile(r"^ ?(?:data|SSND) *: (\d+) \(should be (\d+)\)$", re.MULTILINE)
"""Where libsndfile's log says that the samples of WAV or AIFF end before the end of their chunk."""


def import_audio_libraries() -> tuple[Any, Any]:
    """Return the modules `soundfile` and `soxr`.

    Raises:
        UsageError: if they are not installed.
    """
    try:
        import soundfile  # noqa: PLC0415 - not everyone has them
        import soxr  # noqa: PLC0415
    # soundfile raises an OSError without libsndfile.
    except (ImportError, OSError):
        raise UsageError(
            "audio files need other libraries: python -m pip install 'keras-archbuilder[audio]'"
        ) from None
    return soundfile, soxr


def decode_audio(descriptor: int, name: str, config: AudioConfig) -> NDArray[np.float32]:
    """Decode an open file to an array `(samples, channels)` of the values from -1 to 1.

    The recording is cut to the duration, and resampled to the sample rate. A shorter one ends with
    zeros.

    Raises:
        RunError: if the file is not audio, is damaged or empty, ends too early, has samples that
            are NaN, or channels that are neither those of the examples nor to be averaged.
        UsageError: if a library is not installed.
    """
    soundfile, soxr = import_audio_libraries()
    _check_signature(descriptor, name)
    with (
        _library_errors(soundfile, name),
        # The opener closes its descriptor.
        soundfile.SoundFile(descriptor, closefd=False) as sound,
    ):
        _check_header(sound, name, config)
        frames = _read_frames(sound, name, config)
        if not np.isfinite(frames).all():
            raise RunError(f"{name} has samples that are NaN or infinite")
        if sound.samplerate != config.sample_rate:
            frames = soxr.resample(frames, sound.samplerate, config.sample_rate)
    values = np.zeros((config.samples, config.channels), np.float32)
    frames = frames[: config.samples]
    values[: len(frames)] = frames
    return values


def _check_signature(descriptor: int, name: str) -> None:
    head = os.pread(descriptor, 4, 0)
    if not head:
        raise RunError(f"{name} is empty")
    # The header of an MP3 frame begins with eleven bits of 1.
    is_mp3 = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0
    if not head.startswith(_SIGNATURES) and not is_mp3:
        raise RunError(f"{name} is not an audio file (WAV, FLAC, Ogg, MP3 or AIFF)")


def _check_header(sound: Any, name: str, config: AudioConfig) -> None:
    if not MIN_SAMPLE_RATE <= sound.samplerate <= MAX_SAMPLE_RATE:
        raise RunError(
            f"{name} has a sample rate of {sound.samplerate:,} Hz, which is not between"
            f" {MIN_SAMPLE_RATE:,} and {MAX_SAMPLE_RATE:,}"
        )
    channels = sound.channels
    if channels > MAX_CHANNELS:
        raise RunError(f"{name} has {plural(channels, 'channel')}, of {MAX_CHANNELS} at most")
    if config.channels != 1 and channels not in (1, config.channels):
        raise RunError(
            f"{name} has {plural(channels, 'channel')}, but the examples have {config.channels}:"
            " 'channels: 1' averages them"
        )
    if not sound.frames:
        raise RunError(f"{name} has no samples")


def _read_frames(sound: Any, name: str, config: AudioConfig) -> NDArray[np.float32]:
    """Return the frames of the duration at the sample rate of the file."""
    needed = math.ceil(config.samples * sound.samplerate / config.sample_rate)
    count = min(needed, sound.frames)
    frames = np.zeros((count, config.channels), np.float32)
    block = np.empty((_BLOCK_SAMPLES // sound.channels, sound.channels), np.float32)
    position = 0
    while position < count:
        values = sound.read(min(len(block), count - position), out=block)
        if not len(values):
            break
        if config.channels == 1:
            # Floats may be infinite or NaN, which is an error below.
            with np.errstate(invalid="ignore", over="ignore"):
                values = values.mean(axis=1, keepdims=True)
        frames[position : position + len(values)] = values
        position += len(values)
    claim = _CHUNK_SIZES.search(sound.extra_info)
    is_cut = claim is not None and int(claim[2]) < int(claim[1]) < _UNKNOWN_SIZE
    if position < needed and (is_cut or (position < count and sound.format != _INEXACT_FORMAT)):
        raise RunError(
            f"{name} ends too early: after {position / sound.samplerate:.3g} seconds there are"
            " fewer samples than its header says"
        )
    return frames


@contextmanager
def _library_errors(soundfile: Any, name: str) -> Iterator[None]:
    with parser_errors((soundfile.SoundFileError, RuntimeError, ValueError), f"{name} is damaged"):
        try:
            yield
        except soundfile.LibsndfileError as error:
            # Otherwise the message begins with "Error opening" and the number of the descriptor.
            error.prefix = ""
            raise
