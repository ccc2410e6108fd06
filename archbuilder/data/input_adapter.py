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

from archbuilder.compiler.ir import GraphInput, Shape
from archbuilder.data.dataset import Feature
from archbuilder.diagnostics.errors import RunError

_RGB_CHANNELS: Final = 3
_TensorFn: TypeAlias = Callable[[tf.Tensor], tf.Tensor]
_StaticShape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class InputAdapter:
    """What is done to each batch of an input; `remarks` say it to the user."""

    transforms: tuple[_TensorFn, ...]
    notes: tuple[str, ...]

    def __call__(self, batch: tf.Tensor) -> tf.Tensor:
        """The batch as the network takes it."""
        for transform in self.transforms:
            batch = transform(batch)
        return batch


@dataclass(frozen=True, slots=True)
class _Transform:
    """One change: the shape that it leads to, and how it is told; empty if it needs no words."""

    shape: _StaticShape
    apply: _TensorFn
    note: str


def make_adapter(feature: Feature, graph_input: GraphInput) -> InputAdapter:
    """How a feature becomes an input of the network.

    Raises:
        RunError: if none of the ways leads there.
    """
    transforms, notes = _cast_and_rescale(feature, graph_input)
    shape = feature.shape
    for make_transform in _IMAGE_TRANSFORMS if feature.image else (_flatten,):
        transform = (
            None
            if _shape_fits(shape, graph_input.shape)
            else make_transform(shape, graph_input.shape)
        )
        if transform is not None:
            shape = transform.shape
            transforms.append(transform.apply)
            notes += [f"{graph_input.name}: {transform.note}"] if transform.note else []
    if not _shape_fits(shape, graph_input.shape):
        raise RunError(
            f"an example of the input '{graph_input.name}' has the shape"
            f" {_format_shape(feature.shape)},"
            f" but the network takes {_format_shape(graph_input.shape)}"
        )
    return InputAdapter(tuple(transforms), tuple(notes))


def _cast_and_rescale(
    feature: Feature, graph_input: GraphInput
) -> tuple[list[_TensorFn], list[str]]:
    dtype = tf.as_dtype(graph_input.dtype)
    transforms: list[_TensorFn] = [lambda batch: tf.cast(batch, dtype)]
    if feature.scale is None or not dtype.is_floating:
        return transforms, []
    if feature.scale == 1:
        is_binary_image = feature.image and feature.max_value == 1
        note = f"{graph_input.name}: bytes of 0 and 1 are left as they are, not divided by 255"
        return transforms, [note] if is_binary_image else []
    scale = feature.scale
    transforms.append(lambda batch: batch / tf.cast(scale, dtype))
    return transforms, [f"{graph_input.name}: divided by {scale:g}"]


def _shape_fits(shape: _StaticShape, expected: Shape) -> bool:
    return len(shape) == len(expected) and all(
        size in (have, None) for have, size in zip(shape, expected, strict=True)
    )


def _add_channel_axis(shape: _StaticShape, expected: Shape) -> _Transform | None:
    if len(shape) != 2 or len(expected) != 3:
        return None
    return _Transform((*shape, 1), lambda batch: batch[..., tf.newaxis], "one channel added")


def _remove_channel_axis(shape: _StaticShape, expected: Shape) -> _Transform | None:
    if len(shape) != 3 or len(expected) != 2 or shape[-1] != 1:
        return None
    return _Transform(shape[:-1], lambda batch: batch[..., 0], "the one channel removed")


def _gray_to_rgb(shape: _StaticShape, expected: Shape) -> _Transform | None:
    if len(shape) != 3 or len(expected) != 3 or shape[-1] != 1 or expected[-1] != _RGB_CHANNELS:
        return None
    return _Transform(
        (*shape[:-1], _RGB_CHANNELS),
        lambda batch: tf.repeat(batch, _RGB_CHANNELS, axis=-1),
        "grey repeated as three colours",
    )


def _resize(shape: _StaticShape, expected: Shape) -> _Transform | None:
    if len(shape) != 3 or len(expected) != 3 or expected[-1] not in (shape[-1], None):
        return None
    height, width = (want or have for have, want in zip(shape[:2], expected[:2], strict=True))

    def resize(batch: tf.Tensor) -> tf.Tensor:
        # Resizing always gives float32, whatever the network computes in.
        return tf.cast(tf.image.resize(batch, (height, width)), batch.dtype)

    note = f"resized from {shape[0]}x{shape[1]} to {height}x{width}"
    return _Transform((height, width, shape[-1]), resize, note)


def _flatten(shape: _StaticShape, expected: Shape) -> _Transform | None:
    size = math.prod(shape)
    if len(expected) != 1 or expected[0] not in (size, None):
        return None
    # A number is a list of one number to everyone.
    note = f"flattened to {size}" if shape else ""
    return _Transform((size,), lambda batch: tf.reshape(batch, (-1, size)), note)


_IMAGE_TRANSFORMS: Final = (
    _add_channel_axis,
    _remove_channel_axis,
    _gray_to_rgb,
    _resize,
    _flatten,
)


def _format_shape(shape: Shape) -> str:
    return str(["null" if size is None else size for size in shape]).replace("'", "")
