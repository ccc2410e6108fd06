"""Fits inputs to a network, in a few ways that are all said aloud.

In this order, and each only where the network asks for it: numbers are divided by their scale,
images get an axis for channels or lose that of grey, grey becomes three equal colours, images are
resized, and everything is flattened for a network that takes a flat input.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import tensorflow as tf

from archbuilder.errors import RunError
from archbuilder.graph import GraphInput, Shape
from archbuilder.training.examples import Feature

_COLOURS: Final = 3
_Change: TypeAlias = Callable[[tf.Tensor], tf.Tensor]
_Sizes: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What is done to each batch of an input; `remarks` say it to the user."""

    changes: tuple[_Change, ...]
    remarks: tuple[str, ...]

    def __call__(self, batch: tf.Tensor) -> tf.Tensor:
        """The batch as the network takes it."""
        for change in self.changes:
            batch = change(batch)
        return batch


@dataclass(frozen=True, slots=True)
class _Step:
    """One change: the shape that it leads to, and how it is told; empty if it needs no words."""

    shape: _Sizes
    change: _Change
    remark: str


def adapt(feature: Feature, wanted: GraphInput) -> Adaptation:
    """How a feature becomes an input of the network.

    Raises:
        RunError: if none of the ways leads there.
    """
    changes, remarks = _to_numbers(feature, wanted)
    shape = feature.shape
    for find in _OF_IMAGES if feature.image else (_flatten,):
        step = None if _fits(shape, wanted.shape) else find(shape, wanted.shape)
        if step is not None:
            shape = step.shape
            changes.append(step.change)
            remarks += [f"{wanted.name}: {step.remark}"] if step.remark else []
    if not _fits(shape, wanted.shape):
        raise RunError(
            f"an example of the input '{wanted.name}' has the shape {_text(feature.shape)},"
            f" but the network takes {_text(wanted.shape)}"
        )
    return Adaptation(tuple(changes), tuple(remarks))


def _to_numbers(feature: Feature, wanted: GraphInput) -> tuple[list[_Change], list[str]]:
    dtype = tf.as_dtype(wanted.dtype)
    changes: list[_Change] = [lambda batch: tf.cast(batch, dtype)]
    if feature.scale is None or not dtype.is_floating:
        return changes, []
    if feature.scale == 1:
        bytes_of_one = feature.image and feature.largest == 1
        told = f"{wanted.name}: bytes of 0 and 1 are left as they are, not divided by 255"
        return changes, [told] if bytes_of_one else []
    scale = feature.scale
    changes.append(lambda batch: batch / tf.cast(scale, dtype))
    return changes, [f"{wanted.name}: divided by {scale:g}"]


def _fits(shape: _Sizes, wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(
        size in (have, None) for have, size in zip(shape, wanted, strict=True)
    )


def _add_channels(shape: _Sizes, wanted: Shape) -> _Step | None:
    if len(shape) != 2 or len(wanted) != 3:
        return None
    return _Step((*shape, 1), lambda batch: batch[..., tf.newaxis], "one channel added")


def _remove_channel(shape: _Sizes, wanted: Shape) -> _Step | None:
    if len(shape) != 3 or len(wanted) != 2 or shape[-1] != 1:
        return None
    return _Step(shape[:-1], lambda batch: batch[..., 0], "the one channel removed")


def _colour(shape: _Sizes, wanted: Shape) -> _Step | None:
    if len(shape) != 3 or len(wanted) != 3 or shape[-1] != 1 or wanted[-1] != _COLOURS:
        return None
    return _Step(
        (*shape[:-1], _COLOURS),
        lambda batch: tf.repeat(batch, _COLOURS, axis=-1),
        "grey repeated as three colours",
    )


def _resize(shape: _Sizes, wanted: Shape) -> _Step | None:
    if len(shape) != 3 or len(wanted) != 3 or wanted[-1] not in (shape[-1], None):
        return None
    height, width = (want or have for have, want in zip(shape[:2], wanted[:2], strict=True))

    def change(batch: tf.Tensor) -> tf.Tensor:
        # Resizing always gives float32, whatever the network computes in.
        return tf.cast(tf.image.resize(batch, (height, width)), batch.dtype)

    remark = f"resized from {shape[0]}x{shape[1]} to {height}x{width}"
    return _Step((height, width, shape[-1]), change, remark)


def _flatten(shape: _Sizes, wanted: Shape) -> _Step | None:
    size = math.prod(shape)
    if len(wanted) != 1 or wanted[0] not in (size, None):
        return None
    # A number is a list of one number to everyone.
    remark = f"flattened to {size}" if shape else ""
    return _Step((size,), lambda batch: tf.reshape(batch, (-1, size)), remark)


_OF_IMAGES: Final = (_add_channels, _remove_channel, _colour, _resize, _flatten)


def _text(shape: Shape) -> str:
    return str(["null" if size is None else size for size in shape]).replace("'", "")
