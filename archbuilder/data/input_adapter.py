"""Adapt inputs to a network; each change is reported to the user.

In this order, and only as far as the network needs it: values are divided by their scale, a channel
axis is added to or removed from images, gray is repeated as RGB, images are resized, and everything
is flattened for a flat input.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import tensorflow as tf

from archbuilder.compiler.ir import GraphInput, Shape
from archbuilder.data.rounding import round_to_dtype
from archbuilder.data.source_dataset import Feature
from archbuilder.diagnostics.errors import RunError

_RGB_CHANNELS: Final = 3
_TensorFn: TypeAlias = Callable[[tf.Tensor], tf.Tensor]
_StaticShape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class InputAdapter:
    """The transformations of each batch of an input, and notes about them for the user."""

    transforms: tuple[_TensorFn, ...]
    notes: tuple[str, ...]

    def __call__(self, batch: tf.Tensor) -> tf.Tensor:
        """Return a batch as the network takes it."""
        for transform in self.transforms:
            batch = transform(batch)
        return batch


@dataclass(frozen=True, slots=True)
class _Transform:
    """A transformation of batches, and the shape of an example after it."""

    shape: _StaticShape
    apply: _TensorFn
    note: str
    """A note for the user; empty if the change is trivial."""


def make_adapter(feature: Feature, graph_input: GraphInput) -> InputAdapter:
    """Return the adapter that turns a feature into an input of the network.

    Raises:
        RunError: if the shapes cannot be reconciled.
    """
    if feature.lengths is not None:
        open_shape = (None, *feature.shape[1:])
        if not _shape_fits(feature.shape, graph_input.shape) or graph_input.shape[0] is not None:
            lengths = " or ".join(map(str, feature.lengths.padding.lengths))
            raise RunError(
                f"the lists of the input '{graph_input.name}' are padded to {lengths}, which needs"
                f" the shape {_format_shape(open_shape)}, but the network takes"
                f" {_format_shape(graph_input.shape)}"
            )
    dtype = tf.as_dtype(graph_input.dtype)
    # The cast comes first: TensorFlow does not divide integers by floats.
    transforms: list[_TensorFn] = [lambda batch: tf.cast(batch, dtype)]
    notes: list[str] = []
    # A local variable, since mypy does not narrow an attribute within a lambda.
    divisor = feature.divide_by if dtype.is_floating else None
    if divisor == 1 and feature.image and feature.max_value == 1:
        notes.append(f"Input '{graph_input.name}': binary (values 0 and 1), not rescaled by 1/255")
    elif divisor is not None and divisor != 1:
        transforms.append(lambda batch: batch / tf.cast(divisor, dtype))
        notes.append(f"Input '{graph_input.name}': rescaled by 1/{divisor:g}")
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
            notes += [f"Input '{graph_input.name}': {transform.note}"] if transform.note else []
    if not _shape_fits(shape, graph_input.shape):
        is_color = feature.image and graph_input.shape[-1:] == (1,)
        hint = "; for gray images, write 'channels: 1' in the source 'images'" if is_color else ""
        hint = f"; {feature.shape_hint}" if feature.shape_hint else hint
        raise RunError(
            f"an example of the input '{graph_input.name}' has the shape"
            f" {_format_shape(feature.shape)},"
            f" but the network takes {_format_shape(graph_input.shape)}{hint}"
        )
    return InputAdapter(tuple(transforms), tuple(notes))


def _shape_fits(shape: _StaticShape, expected: Shape) -> bool:
    return len(shape) == len(expected) and all(
        expected_size in (size, None) for size, expected_size in zip(shape, expected, strict=True)
    )


def _add_or_remove_channel_axis(shape: _StaticShape, expected: Shape) -> _Transform | None:
    if (len(shape), len(expected)) == (2, 3):
        return _Transform((*shape, 1), lambda batch: batch[..., tf.newaxis], "added a channel axis")
    if (len(shape), len(expected)) == (3, 2) and shape[-1] == 1:
        return _Transform(shape[:-1], lambda batch: batch[..., 0], "removed the channel axis")
    return None


def _gray_to_rgb(shape: _StaticShape, expected: Shape) -> _Transform | None:
    if len(shape) != 3 or len(expected) != 3 or shape[-1] != 1 or expected[-1] != _RGB_CHANNELS:
        return None
    return _Transform(
        (*shape[:-1], _RGB_CHANNELS),
        lambda batch: tf.repeat(batch, _RGB_CHANNELS, axis=-1),
        "repeated grayscale as RGB",
    )


def _resize(shape: _StaticShape, expected: Shape) -> _Transform | None:
    if len(shape) != 3 or len(expected) != 3 or expected[-1] not in (shape[-1], None):
        return None
    height, width = (
        new_size or size for size, new_size in zip(shape[:2], expected[:2], strict=True)
    )

    def resize(batch: tf.Tensor) -> tf.Tensor:
        # tf.image.resize returns float32 for every dtype, and has no kernel for bool, uint32 and
        # uint64 (TensorFlow 2.21).
        resized = tf.image.resize(tf.cast(batch, tf.float32), (height, width))
        return round_to_dtype(resized, batch.dtype)

    note = f"resized from {shape[0]}x{shape[1]} to {height}x{width}"
    return _Transform((height, width, shape[-1]), resize, note)


def _flatten(shape: _StaticShape, expected: Shape) -> _Transform | None:
    size = math.prod(shape)
    if len(expected) != 1 or expected[0] not in (size, None):
        return None
    # Turning a number into a list of one number is not worth a note.
    note = f"flattened to {size} values" if shape else ""
    return _Transform((size,), lambda batch: tf.reshape(batch, (-1, size)), note)


# The order matters: channels have to agree before images are resized, and flattening is the last
# resort, after which nothing of the image is left to change.
_IMAGE_TRANSFORMS: Final = (
    _add_or_remove_channel_axis,
    _gray_to_rgb,
    _resize,
    _flatten,
)


def _format_shape(shape: Shape) -> str:
    return str(["null" if size is None else size for size in shape]).replace("'", "")
