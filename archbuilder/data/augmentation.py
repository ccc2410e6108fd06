"""Random augmentation of batches of images with the preprocessing layers of Keras.

The result is a function of the seed, the step and the position of an image in the batch. A resumed
run therefore sees the same images as an uninterrupted one, and so do any number of replicas. A
process that has a share of a batch draws the random numbers of the batch, and transforms its share.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, Final, TypeAlias

import keras
import tensorflow as tf

from archbuilder import registry
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.rounding import round_to_dtype
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics
from archbuilder.diagnostics.span import Span
from archbuilder.keras_backend.instantiate import build_object
from archbuilder.keras_backend.keras_errors import BuildError, error_notes, translate_keras_errors
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import MappingEntry, MappingNode, ScalarNode, from_plain, to_plain

ValueRange: TypeAlias = tuple[float, float]
"""The smallest and the largest value of images."""

AUGMENTATION_MISMATCH: Final = "augmentation-mismatch"
"""The error code for layers that do not fit the images or the targets of the data."""
GEOMETRIC_LAYERS: Final = (
    "RandomCrop",
    "RandomElasticTransform",
    "RandomFlip",
    "RandomPerspective",
    "RandomRotation",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
)
"""Layers that move pixels and do not change their colors."""
MIXED_LAYERS: Final = ("RandAugment",)
"""Layers that pick transformations at random: some move pixels, others change colors."""
MIXING_LAYERS: Final = ("CutMix", "MixUp")
"""Layers that mix each image of a batch with another one; labels are mixed in proportion."""
# RandomCrop draws one offset for a whole batch. With a dynamic batch size, as here,
# RandomElasticTransform replaces all images by the first (Keras 3.14 to 3.15.1).
_PER_IMAGE_LAYERS: Final = ("RandomCrop", "RandomElasticTransform")
"""Layers that are applied to the images of a batch one by one."""
_DRAWS: Final = ("normal", "randint", "uniform")
"""Functions of `keras.random` whose first argument is a shape."""
_NEAREST_ARGUMENTS: Final[dict[str, PlainData]] = {
    "interpolation": "nearest",
    "fill_value": 0,
    # RandomElasticTransform clips to the range of colors, which class indices may exceed.
    "value_range": [-3e38, 3e38],
}
"""Arguments with which a geometric layer only copies values, and fills with 0."""


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

    def set_share(self, share: BatchShare | None) -> None:
        """Set the share that the layer is called with; None if it gets whole batches."""
        self._share, self.num_draws = share, 0

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._keras_backend, name)
        if name != "random" or self._share is None:
            return value
        draws = {each: partial(self._draw, getattr(value, each)) for each in _DRAWS}
        return SimpleNamespace(**{**vars(value), **draws})

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


class _NeedsBatchError(Exception):
    """A layer cannot transform a share of a batch without the rest of the batch."""


@dataclass(frozen=True, slots=True, eq=False)
class _SeededLayer:
    """A layer of Keras whose random numbers come from stateless seeds."""

    name: str
    span: Span
    """The location of the layer in the recipe."""
    layer: keras.layers.Layer
    seeds: tuple[_StatelessSeeds, ...]
    backends: tuple[_BatchDraws, ...]

    @classmethod
    def from_config(cls, config: KerasObject, index: int) -> _SeededLayer:
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
            _NeedsBatchError: if the layer needs all images of the batch.
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
        with translate_keras_errors(
            lambda error: self._rejection(f"images of {shape}", error_notes(error))
        ):
            if self.name in _PER_IMAGE_LAYERS:
                # Each image gets a step number of its own, and with it its own seeds.
                steps = tf.cast(share.step, tf.int32) * share.batch_size
                steps = share.select(steps + tf.range(share.batch_size))
                return tf.map_fn(
                    lambda pair: augment(*pair), (images, steps), fn_output_signature=images.dtype
                )
            augmented = augment(images, share.step, None if share.bounds is None else share)
        # Other draws, such as those of GaussianNoise, do not go through the backend of the layer.
        if share.bounds is not None and sum(each.num_draws for each in self.seeds) != sum(
            each.num_draws for each in self.backends
        ):
            raise _NeedsBatchError
        return augmented

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


class Augmentation:
    """A sequence of random layers that is applied to batches of images."""

    def __init__(
        self, layers: Sequence[KerasObject], seed: int, value_range: ValueRange | None = None
    ) -> None:
        """Build the layers that a recipe names, for images with values in a range.

        Raises:
            BlueprintError: if Keras rejects a layer, or it is configured for another range.
        """
        self._seed = seed
        self._layers: list[_SeededLayer] = []
        self._nearest_layers: dict[int, _SeededLayer] = {}
        for index, config in enumerate(layers):
            self._layers.append(
                _SeededLayer.from_config(_with_value_range(config, value_range), index)
            )
            if config.class_name in GEOMETRIC_LAYERS:
                # The same index gives the copy the same seeds, so that targets move with images.
                self._nearest_layers[index] = _SeededLayer.from_config(
                    _with_arguments(config, _NEAREST_ARGUMENTS), index
                )
        # Traced once for both the check before a run and its batches. AutoGraph is of no use:
        # the only Python control flow is over layers, which tracing unrolls.
        self._function = tf.function(self._augment, autograph=False)

    def __call__(self, images: tf.Tensor, share: BatchShare, view: int = 0) -> tf.Tensor:
        """Augment the images of a share, differently for each step and view.

        The share must be the batch if `needs_batch` says so.

        Raises:
            BlueprintError: if a layer does not take such images.
        """
        if share.bounds is None:
            return self._function(images, share.step, view)
        return self._function(images, share.step, view, share.batch_rows, share.bounds)

    def needs_batch(self, images: tf.TensorSpec) -> bool:
        """Return whether a layer needs all images of a batch to transform a share of them."""
        scalar = tf.TensorSpec([], tf.int64)
        batch_rows = tf.TensorSpec([None], tf.int64)
        share_images = tf.TensorSpec([None, *images.shape[1:]], images.dtype)
        try:
            self._function.get_concrete_function(
                share_images, scalar, 0, batch_rows, (scalar, scalar)
            )
        except _NeedsBatchError:
            return True
        return False

    def transform_targets(
        self, values: tf.Tensor, share: BatchShare, *, use_nearest: bool
    ) -> tf.Tensor:
        """Apply what moves pixels to targets `(examples, height, width, channels)` of images.

        With the same step, pixels move as those of the images do. `use_nearest` switches
        interpolation off, for class indices.
        """
        for index, layer in enumerate(self._layers):
            is_geometric = index in self._nearest_layers
            if is_geometric or layer.name in MIXING_LAYERS:
                transform = self._nearest_layers[index] if use_nearest and is_geometric else layer
                # View 0 is the one that __call__ gives to images with targets.
                values = transform(values, (self._seed, 0), share)
        return values

    def mix_labels(self, labels: tf.Tensor, images: tf.Tensor, batch: BatchShare) -> tf.Tensor:
        """Mix labels of a batch as the layers mix `images`, those before augmentation.

        TensorFlow drops what is computed of the images here except for their shape.
        """
        for layer in self._layers:
            if layer.name in MIXING_LAYERS:
                labels = layer.mix_labels(labels, images, (self._seed, 0), batch)
            images = layer(images, (self._seed, 0), batch)
        return labels

    def check(self, images: tf.TensorSpec) -> tf.TensorSpec:
        """Return the dtype and the shape of augmented images by tracing, without data.

        Raises:
            BlueprintError: if a layer does not take such images.
        """
        step = tf.TensorSpec([], tf.int64)
        return self._function.get_concrete_function(images, step, 0).structured_outputs

    def _augment(
        self,
        images: tf.Tensor,
        step: tf.Tensor,
        view: int,
        batch_rows: tf.Tensor | None = None,
        bounds: tuple[tf.Tensor, tf.Tensor] | None = None,
    ) -> tf.Tensor:
        rows = tf.range(tf.shape(images)[0]) if batch_rows is None else batch_rows
        share = BatchShare(step, rows, bounds)
        try:
            for layer in self._layers:
                images = layer(images, (self._seed, view), share)
        except BuildError as refusal:
            diagnostics = Diagnostics()
            refusal.report(diagnostics)
            raise BlueprintError(diagnostics) from refusal.__cause__
        return images


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


def _with_value_range(config: KerasObject, value_range: ValueRange | None) -> KerasObject:
    """Set the `value_range` of a layer that has this argument to the range of the images.

    The default of Keras, 0 to 255, would be wrong for images that are divided by 255: brightness
    would change by up to 255 where white is 1.

    Raises:
        BlueprintError: if the layer is configured for another range, or the range is not known.
    """
    name = config.class_name
    if "value_range" not in registry.load().signatures("layer")[name].arguments:
        return config
    entry = next((each for each in _arguments(config) if each.key == "value_range"), None)
    configured_range = None if entry is None else to_plain(entry.value)
    if configured_range is not None and value_range in (
        None,
        tuple(configured_range) if isinstance(configured_range, list) else configured_range,
    ):
        return config
    if value_range is not None and configured_range is None:
        return _with_arguments(config, {"value_range": [*value_range]})
    diagnostics = Diagnostics()
    span = config.span if entry is None else entry.value.span
    if value_range is None:
        message = f"{name} needs 'value_range': the data does not define the range of its images"
        notes = ("write the minimum and maximum, as in 'value_range: [0, 1]'",)
    else:
        low, high = (f"{each:g}" for each in value_range)
        message = (
            f"{name} expects values in {configured_range}, but the images range from {low} to"
            f" {high}"
        )
        notes = (f"leave 'value_range' out, or write [{low}, {high}]",)
    diagnostics.error(AUGMENTATION_MISMATCH, message, span, notes=notes)
    raise BlueprintError(diagnostics)


def _with_arguments(config: KerasObject, values: dict[str, PlainData]) -> KerasObject:
    """Return a layer with some arguments replaced, if it has such arguments."""
    name, span = config.class_name, config.span
    specs = registry.load().signatures("layer")[name].arguments
    entries = [each for each in _arguments(config) if each.key not in values]
    entries += [
        MappingEntry(key, from_plain(value, span), span)
        for key, value in values.items()
        if key in specs
    ]
    tree = MappingNode((MappingEntry(name, MappingNode(tuple(entries), span), span),), span)
    return KerasObject(config.kind, name, tree)


def _arguments(config: KerasObject) -> tuple[MappingEntry, ...]:
    """Return the arguments of a layer by name; a bare value is that of its first argument."""
    tree = config.tree
    if not isinstance(tree, MappingNode):
        return ()
    value = tree.entries[0].value
    if isinstance(value, MappingNode):
        return value.entries
    if isinstance(value, ScalarNode) and value.value is None:
        return ()
    first = next(iter(registry.load().signatures("layer")[config.class_name].arguments))
    return (MappingEntry(first, value, value.span),)
