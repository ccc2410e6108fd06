"""Layers of Keras whose random numbers follow from the step, and where they move pixels."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

import keras
import tensorflow as tf

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.rounding import round_to_dtype
from archbuilder.diagnostics.span import Span
from archbuilder.keras_backend.instantiate import build_object
from archbuilder.keras_backend.keras_errors import BuildError, error_notes, translate_keras_errors

AUGMENTATION_MISMATCH: Final = "augmentation-mismatch"
"""The error code for layers that do not fit the images or the targets of the data."""
# RandomCrop draws one offset for a whole batch. With a dynamic batch size, as here,
# RandomElasticTransform replaces all images by the first (Keras 3.14 to 3.15.1).
_PER_IMAGE_LAYERS: Final = ("RandomCrop", "RandomElasticTransform")
"""Layers that are applied to the images of a batch one by one."""
MOTION_LAYERS: Final = (
    "RandomCrop",
    "RandomFlip",
    "RandomRotation",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
)
"""Layers that move all pixels of an image by one linear map."""
_DRAWS: Final = ("normal", "randint", "uniform")
"""Functions of `keras.random` whose first argument is a shape."""


class _StatelessSeeds(keras.random.SeedGenerator):
    """A seed generator without a state: seeds follow from its name, a key and the step."""

    def __init__(self, name: str) -> None:
        # super().__init__ would create a variable that counts the draws. Parallel calls of
        # Dataset.map update it in any order, and a resumed run would begin again at 0.
        self._name = name
        self._key: tuple[int, ...] = ()
        self._step: tf.Tensor | int = 0
        self.num_draws = 0

    def set_step(self, key: tuple[int, ...], step: tf.Tensor) -> None:
        """Restart the sequence of seeds for a step."""
        self._key, self._step, self.num_draws = key, step, 0

    def next(self, ordered: bool = True) -> tf.Tensor:  # noqa: ARG002, FBT001, FBT002 - Keras's own
        """Return the next seed of the step, an int32 tensor of shape `(2,)`."""
        self.num_draws += 1
        # crc32 rather than hash(), which Python salts anew in every process. The mask keeps the
        # value within int32.
        name_hash = zlib.crc32(repr((self._name, self._key, self.num_draws)).encode()) & 0x7FFFFFFF
        return tf.stack([tf.constant(name_hash, tf.int32), tf.cast(self._step, tf.int32)])


class _BatchDraws:
    """A stand-in for the `backend` of a layer, which draws random numbers for a whole batch.

    The layer gets those of a share. An image is therefore transformed alike in any share.
    """

    def __init__(self, backend: Any) -> None:
        self._keras_backend = backend
        self._share: BatchShare | None = None
        self.num_draws = 0
        self.transforms: list[tf.Tensor] = []
        """The arguments of `affine_transform` since `set_share`, of shape `(examples, 8)`."""

    def set_share(self, share: BatchShare | None) -> None:
        """Set the share that the layer is called with; None if it gets whole batches."""
        self._share, self.num_draws = share, 0
        self.transforms = []

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._keras_backend, name)
        if name == "image":
            return SimpleNamespace(
                **{
                    **vars(value),
                    "affine_transform": partial(self._transform, value.affine_transform),
                }
            )
        if name != "random" or self._share is None:
            return value
        draws = {each: partial(self._draw, getattr(value, each)) for each in _DRAWS}
        return SimpleNamespace(**{**vars(value), **draws})

    def _transform(
        self,
        function: Callable[..., tf.Tensor],
        images: tf.Tensor,
        transform: tf.Tensor,
        **options: Any,
    ) -> tf.Tensor:
        self.transforms.append(transform)
        return function(images, transform=transform, **options)

    def _draw(
        self,
        function: Callable[..., tf.Tensor],
        shape: Sequence[int | tf.Tensor],
        *arguments: Any,
        **options: Any,
    ) -> tf.Tensor:
        self.num_draws += 1
        # The size of a share is open, and thus a tensor. Other numbers are drawn once for a batch.
        if self._share is None or not shape or not tf.is_tensor(shape[0]):
            return function(shape, *arguments, **options)
        batch_shape = (self._share.batch_size, *shape[1:])
        return self._share.select(function(batch_shape, *arguments, **options))


class NeedsBatchError(Exception):
    """A layer cannot transform a share of a batch without the rest of the batch."""


@dataclass(frozen=True, slots=True, eq=False)
class SeededLayer:
    """A layer of Keras whose random numbers come from stateless seeds."""

    name: str
    span: Span
    """The location of the layer in the recipe."""
    layer: keras.layers.Layer
    seeds: tuple[_StatelessSeeds, ...]
    backends: tuple[_BatchDraws, ...]

    @classmethod
    def from_config(cls, config: KerasObject, index: int) -> SeededLayer:
        """Build a layer; two layers with the same `index` draw the same numbers.

        Raises:
            BlueprintError: if Keras rejects its arguments.
        """
        layer: keras.layers.Layer = build_object(config)
        seeds = tuple(_replace_seeds(layer, str(index)))
        return cls(config.class_name, config.span, layer, seeds, tuple(_replace_backends(layer)))

    def __call__(self, images: tf.Tensor, key: tuple[int, ...], share: BatchShare) -> tf.Tensor:
        """Augment the images of a share, `(examples, height, width, channels)`.

        Raises:
            BuildError: if Keras does not take such images, or they are not larger than a crop.
            NeedsBatchError: if the layer needs all images of the batch.
        """

        def augment(
            batch: tf.Tensor, step: tf.Tensor, draw_share: BatchShare | None = None
        ) -> tf.Tensor:
            self._restart_draws(key, step, draw_share)
            # Layers return floats for every dtype.
            return round_to_dtype(self.layer(batch, training=True), images.dtype)

        size = images.shape[1:3]
        # Images that are not larger than a crop are not cropped: Keras 3.15 resizes the center of
        # each, the same in every step.
        if self.name == "RandomCrop" and any(
            image_side is not None and image_side <= crop_side
            for image_side, crop_side in zip(
                size, (self.layer.height, self.layer.width), strict=True
            )
        ):
            crop_text = f"{self.layer.height}x{self.layer.width}"
            note = (
                "images have the size of the network's input: read larger ones, as with 'size' of"
                " 'images'; RandomTranslation and RandomZoom keep the size"
            )
            raise self._rejection(
                f"images of {size[0]}x{size[1]} for a crop of {crop_text}", (note,)
            )
        shape = "x".join("?" if size is None else str(size) for size in images.shape[1:])
        # Images have the axes (batch, height, width, channels).
        noun = "images" if len(images.shape) == 4 else "series"
        with translate_keras_errors(
            lambda error: self._rejection(f"{noun} of {shape}", error_notes(error))
        ):
            if self.name in _PER_IMAGE_LAYERS:
                steps = share.select(self._steps_of_images(share))
                return tf.map_fn(
                    lambda pair: augment(*pair), (images, steps), fn_output_signature=images.dtype
                )
            augmented = augment(images, share.step, None if share.bounds is None else share)
        # Other draws, such as those of GaussianNoise, do not go through the backend of the layer.
        if share.bounds is not None and sum(each.num_draws for each in self.seeds) != sum(
            each.num_draws for each in self.backends
        ):
            raise NeedsBatchError
        return augmented

    def motion(
        self, images: tf.Tensor, key: tuple[int, ...], share: BatchShare
    ) -> tuple[tf.Tensor, tuple[int, int]]:
        """Return where this layer moves the pixels of a share of images.

        These are matrices `(examples, 3, 3)`, which map the centers `(x, y, 1)` of pixels, and the
        height and width of the images afterwards. The values of the images do not matter.
        """
        height, width = images.shape[1:3]
        if self.name == "RandomCrop":
            steps = share.select(self._steps_of_images(share))

            def offsets(step: tf.Tensor) -> tf.Tensor:
                self._restart_draws(key, step)
                top, left = self.layer.get_random_transformation(images[0], training=True)
                return -tf.cast(tf.stack([left, top]), tf.float32)

            moved = tf.map_fn(offsets, steps, fn_output_signature=tf.float32)
            return _matrices(moved, tf.ones(2)), (self.layer.height, self.layer.width)
        self._restart_draws(key, share.step, None if share.bounds is None else share)
        if self.name == "RandomFlip":
            flips = self.layer.get_random_transformation(images, training=True)["flips"]
            is_flipped = tf.reshape(flips, (-1, 1)) & tf.constant(
                ["horizontal" in self.layer.mode, "vertical" in self.layer.mode]
            )
            offsets_of_flips = tf.where(is_flipped, tf.constant([width - 1.0, height - 1.0]), 0.0)
            return _matrices(offsets_of_flips, tf.where(is_flipped, -1.0, 1.0)), (height, width)
        self.layer(images, training=True)
        (transform,) = (each for backend in self.backends for each in backend.transforms)
        # The transforms of Keras lead from the pixels of the result to those of the image.
        ones = tf.ones((tf.shape(transform)[0], 1))
        matrices = tf.reshape(tf.concat([tf.cast(transform, tf.float32), ones], 1), (-1, 3, 3))
        return tf.linalg.inv(matrices), (height, width)

    def _steps_of_images(self, share: BatchShare) -> tf.Tensor:
        """Return a step number for each image of a batch, which has its own seeds with it."""
        return tf.cast(share.step, tf.int32) * share.batch_size + tf.range(share.batch_size)

    def mix_labels(
        self, labels: tf.Tensor, images: tf.Tensor, key: tuple[int, ...], batch: BatchShare
    ) -> tf.Tensor:
        """Mix labels `(batch, ...)` as this layer mixes `images`, whose shape it needs."""
        self._restart_draws(key, batch.step)
        flat = tf.reshape(tf.cast(labels, tf.float32), (-1, math.prod(labels.shape[1:])))
        mixed = self.layer({"images": images, "labels": flat}, training=True)["labels"]
        return tf.cast(tf.reshape(mixed, tf.shape(labels)), labels.dtype)

    def _restart_draws(
        self, key: tuple[int, ...], step: tf.Tensor, share: BatchShare | None = None
    ) -> None:
        for generator in self.seeds:
            generator.set_step(key, step)
        for backend in self.backends:
            backend.set_share(share)

    def _rejection(self, description: str, notes: tuple[str, ...]) -> BuildError:
        return BuildError(
            AUGMENTATION_MISMATCH,
            f"{self.name} under 'augment' does not take {description}",
            self.span,
            notes,
        )


def _replace_seeds(layer: keras.layers.Layer, name: str) -> Iterator[_StatelessSeeds]:
    """Replace the seed generators of a layer and of its inner layers; yield the new ones."""
    # Sorted, so that the seeds do not depend on the order in which Keras sets attributes.
    for key, inner in sorted(vars(layer).items()):
        if isinstance(inner, keras.random.SeedGenerator):
            seeds = _StatelessSeeds(name)
            # Layer.__setattr__ rejects new state once a layer is built, and GaussianNoise is built
            # by its constructor (Keras 3.15).
            vars(layer)[key] = seeds
            yield seeds
        elif isinstance(inner, keras.layers.Layer):
            yield from _replace_seeds(inner, f"{name}.{key}")


def _replace_backends(layer: keras.layers.Layer) -> Iterator[_BatchDraws]:
    """Replace the backends of a layer and of its inner layers; yield the new ones."""
    for key, inner in list(vars(layer).items()):
        if key == "backend":
            backend = _BatchDraws(inner)
            vars(layer)[key] = backend
            yield backend
        elif isinstance(inner, keras.layers.Layer):
            yield from _replace_backends(inner)


def _matrices(offsets: tf.Tensor, scales: tf.Tensor) -> tf.Tensor:
    """Return matrices that multiply x and y by `scales` and add `offsets`, `(examples, 2)`."""
    scales = tf.broadcast_to(scales, tf.shape(offsets))
    matrices = tf.linalg.diag(tf.concat([scales, tf.ones_like(scales[:, :1])], 1))
    return matrices + tf.pad(offsets[:, :, tf.newaxis], ((0, 0), (0, 1), (2, 0)))
