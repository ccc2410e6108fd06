"""Changes images by chance as they come, with the layers that Keras has for it.

What becomes of an image is a function of the seed, the step and its place in the batch: a run that
goes on sees what it would have seen, and so do several replicas.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import keras
import tensorflow as tf

from archbuilder.backend.objects import build_object
from archbuilder.errors import UsageError
from archbuilder.tree import Tree

_ONE_DRAW: Final = (keras.layers.RandomCrop,)
"""Layers that draw once for a whole batch, and get its images one by one."""
_IMAGES: Final = 4
"""The axes of a batch of images."""


class _Seeds(keras.random.SeedGenerator):
    """Seeds that follow from a key alone, and have no state."""

    def __init__(self, name: str) -> None:
        # There is no variable to make: TensorFlow's data pipelines would not change one in order.
        self._name = name
        self._key: tuple[int, ...] = ()
        self._step: tf.Tensor | int = 0
        self._drawn = 0

    def begin(self, key: tuple[int, ...], step: tf.Tensor) -> None:
        """Begin with the draws of a step."""
        self._key, self._step, self._drawn = key, step, 0

    def next(self, ordered: bool = True) -> tf.Tensor:  # noqa: ARG002, FBT001, FBT002 - Keras's own
        """The next seed, `(2,)`."""
        self._drawn += 1
        name = zlib.crc32(repr((self._name, self._key, self._drawn)).encode()) & 0x7FFFFFFF
        return tf.stack([tf.constant(name, tf.int32), tf.cast(self._step, tf.int32)])


@dataclass(frozen=True, slots=True, eq=False)
class Augmentation:
    """Layers for batches of images with the seeds that they draw from."""

    layers: tuple[tuple[keras.layers.Layer, tuple[_Seeds, ...]], ...]
    seed: int

    @classmethod
    def of(cls, trees: Sequence[Tree], seed: int) -> Augmentation:
        """The layers that a recipe names.

        Raises:
            BlueprintError: if Keras refuses one of them.
        """
        layers: list[keras.layers.Layer] = [build_object("layer", tree) for tree in trees]
        named = [(layer, tuple(_seeded(layer, str(at)))) for at, layer in enumerate(layers)]
        return cls(tuple(named), seed)

    def __call__(self, images: tf.Tensor, step: tf.Tensor, view: int = 0) -> tf.Tensor:
        """A batch of images, changed anew for each step and view."""
        for layer, seeds in self.layers:
            images = self._changed(layer, seeds, images, step, view)
        return images

    def _changed(
        self,
        layer: keras.layers.Layer,
        seeds: Iterable[_Seeds],
        images: tf.Tensor,
        step: tf.Tensor,
        view: int,
    ) -> tf.Tensor:
        def change(each: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
            for generator in seeds:
                generator.begin((self.seed, view), step)
            return tf.cast(layer(each, training=True), images.dtype)

        if not isinstance(layer, _ONE_DRAW):
            return change(images, step)
        count = tf.shape(images)[0]
        steps = tf.cast(step, tf.int32) * count + tf.range(count)
        return tf.map_fn(
            lambda pair: change(*pair), (images, steps), fn_output_signature=images.dtype
        )

    def of_inputs(self, batches: tf.data.Dataset, first: int) -> tf.data.Dataset:
        """Batches of inputs and targets, of which the images among the inputs are changed.

        Raises:
            UsageError: if no input is an image.
        """
        _check_images(batches.element_spec[0])

        def change(step: tf.Tensor, batch: tuple[object, ...]) -> tuple[object, ...]:
            changed = tf.nest.map_structure(
                lambda each: self(each, step) if each.shape.rank == _IMAGES else each, batch[0]
            )
            return (changed, *batch[1:])

        numbered = batches.enumerate(tf.constant(first, tf.int64))
        changed = numbered.map(change, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return changed.prefetch(tf.data.AUTOTUNE)


def _check_images(inputs: tf.TensorSpec | dict[str, tf.TensorSpec]) -> None:
    if any(each.shape.rank == _IMAGES for each in tf.nest.flatten(inputs)):
        return
    named = inputs if isinstance(inputs, dict) else {"": inputs}
    told = (f"{name} {[*each.shape[1:]]}".lstrip() for name, each in named.items())
    raise UsageError(
        "'augment' changes images (height, width, channels), and no input of the network is an"
        f" image: {', '.join(told)}"
    )


def _seeded(layer: keras.layers.Layer, name: str) -> Iterator[_Seeds]:
    """Give a layer, and the layers in it, seeds of their own."""
    if isinstance(getattr(layer, "generator", None), keras.random.SeedGenerator):
        layer.generator = _Seeds(name)
        yield layer.generator
    for key, inner in sorted(vars(layer).items()):
        if isinstance(inner, keras.layers.Layer):
            yield from _seeded(inner, f"{name}.{key}")
