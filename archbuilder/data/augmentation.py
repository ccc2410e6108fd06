"""Random augmentation of batches of images or series with layers of Keras and archbuilder.

The result is a function of the seed, the step and the position of an image in the batch. A resumed
run therefore sees the same images as an uninterrupted one, and so do any number of replicas. A
process that has a share of a batch draws the random numbers of the batch, and transforms its share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import tensorflow as tf

from archbuilder import registry
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.seeded_layer import (
    AUGMENTATION_MISMATCH,
    MOTION_LAYERS,
    NeedsBatchError,
    SeededLayer,
)
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics
from archbuilder.keras_backend.keras_errors import BuildError
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import (
    MappingEntry,
    MappingNode,
    from_plain,
    is_null,
    to_plain,
)

ValueRange: TypeAlias = tuple[float, float]
"""The smallest and the largest value of images."""

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
MOVING_LAYERS: Final = ("RandomPermutation", "RandomTimeShift")
"""Layers that move the steps of a series, whatever values these have."""
MIXING_LAYERS: Final = ("CutMix", "MixUp")
"""Layers that mix each image of a batch with another one; labels are mixed in proportion."""
_NEAREST_ARGUMENTS: Final[dict[str, PlainData]] = {
    "interpolation": "nearest",
    "fill_value": 0,
    # RandomElasticTransform clips to the range of colors, which class indices may exceed.
    "value_range": [-3e38, 3e38],
}
"""Arguments with which a geometric layer only copies values, and fills with 0."""


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
        self._layers: list[SeededLayer] = []
        self._nearest_layers: dict[int, SeededLayer] = {}
        for index, config in enumerate(layers):
            self._layers.append(
                SeededLayer.from_config(_with_value_range(config, value_range), index)
            )
            if config.class_name in GEOMETRIC_LAYERS:
                # The same index gives the copy the same seeds, so that targets move with images.
                self._nearest_layers[index] = SeededLayer.from_config(
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
        except NeedsBatchError:
            return True
        return False

    def transform_targets(
        self, values: tf.Tensor, share: BatchShare, *, use_nearest: bool
    ) -> tf.Tensor:
        """Apply what moves pixels to targets `(examples, height, width, channels)` of images.

        In targets `(examples, steps, ...)` of series, steps move. With the same step of training,
        they move as those of the inputs do. `use_nearest` switches
        interpolation off, for class indices.
        """
        for index, layer in enumerate(self._layers):
            is_geometric = index in self._nearest_layers
            if is_geometric or layer.name in (*MIXING_LAYERS, *MOVING_LAYERS):
                transform = self._nearest_layers[index] if use_nearest and is_geometric else layer
                # View 0 is the one that __call__ gives to images with targets.
                values = transform(values, (self._seed, 0), share)
        return values

    def move_points(self, points: tf.Tensor, images: tf.TensorSpec, share: BatchShare) -> tf.Tensor:
        """Return where what moves pixels puts points `(examples, points, 2)` of images.

        The points are horizontal and vertical parts of the width and of the height, also outside
        of the image. With the same step, they move as the pixels do.
        """
        height, width = images.shape[1:3]
        points *= tf.constant([width, height], tf.float32)
        for layer in self._layers:
            if layer.name in MOTION_LAYERS:
                blank = tf.zeros((tf.shape(points)[0], height, width, 1))
                matrices, (height, width) = layer.motion(blank, (self._seed, 0), share)
                # The center of the first pixel has the coordinate 0 in the matrices, and half the
                # width of a pixel among points.
                ones = tf.ones_like(points[..., :1])
                centers = tf.concat([points - 0.5, ones], axis=-1)
                points = tf.matmul(centers, matrices, transpose_b=True)[..., :2] + 0.5
        return points / tf.constant([width, height], tf.float32)

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
    if is_null(value):
        return ()
    first = next(iter(registry.load().signatures("layer")[config.class_name].arguments))
    return (MappingEntry(first, value, value.span),)
