"""Changes images by chance as they come, with the layers that Keras has for it.

What becomes of an image is a function of the seed, the step and its place in the batch: a run that
goes on sees what it would have seen, and so do several replicas.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import keras
import tensorflow as tf

from archbuilder import registry
from archbuilder.config.objectives import keras_class_name
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics
from archbuilder.diagnostics.span import Span
from archbuilder.keras_backend.instantiate import build_object
from archbuilder.keras_backend.keras_errors import BuildError, error_notes, translate_keras_errors
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import MappingEntry, MappingNode, ScalarNode, Tree, from_plain, to_plain

ValueRange: TypeAlias = tuple[float, float]
"""The least and the greatest value of images."""

MISMATCH: Final = "augmentation-mismatch"
"""The code of an error: a layer does not fit the images or the targets of the data."""
GEOMETRIC_LAYERS: Final = (
    *("RandomCrop", "RandomElasticTransform", "RandomFlip", "RandomPerspective"),
    *("RandomRotation", "RandomShear", "RandomTranslation", "RandomZoom"),
)
"""Layers that move the parts of an image, and leave their colors alone."""
MIXED_LAYERS: Final = ("RandAugment",)
"""Layers that choose by chance whether they move the parts of an image or change colors."""
# RandomCrop draws one place for a whole batch. RandomElasticTransform puts the first image in the
# place of all others where the size of the batch is open, as it is here (Keras 3.14 to 3.15.1).
_PER_IMAGE_LAYERS: Final = ("RandomCrop", "RandomElasticTransform")
"""Layers that get the images of a batch one by one."""
_NEAREST_ARGUMENTS: Final[dict[str, PlainData]] = {
    "interpolation": "nearest",
    "fill_value": 0,
    "value_range": [-3e38, 3e38],
}
"""Arguments with which a geometric layer makes no values that were not there, but for 0."""


class _StatelessSeeds(keras.random.SeedGenerator):
    """Seeds that follow from a key alone, and have no state."""

    def __init__(self, name: str) -> None:
        # There is no variable to make: TensorFlow's data pipelines would not change one in order.
        self._name = name
        self._key: tuple[int, ...] = ()
        self._step: tf.Tensor | int = 0
        self._num_draws = 0

    def set_step(self, key: tuple[int, ...], step: tf.Tensor) -> None:
        """Begin with the draws of a step."""
        self._key, self._step, self._num_draws = key, step, 0

    def next(self, ordered: bool = True) -> tf.Tensor:  # noqa: ARG002, FBT001, FBT002 - Keras's own
        """The next seed, `(2,)`."""
        self._num_draws += 1
        name_hash = zlib.crc32(repr((self._name, self._key, self._num_draws)).encode()) & 0x7FFFFFFF
        return tf.stack([tf.constant(name_hash, tf.int32), tf.cast(self._step, tf.int32)])


@dataclass(frozen=True, slots=True, eq=False)
class _SeededLayer:
    """A layer of Keras with the seeds that it draws from."""

    name: str
    span: Span
    """Where it is written."""
    layer: keras.layers.Layer
    seeds: tuple[_StatelessSeeds, ...]

    @classmethod
    def from_config(cls, tree: Tree, name: str, index: int) -> _SeededLayer:
        """Build a layer; those at the same place of a list draw the same numbers.

        Raises:
            BlueprintError: if Keras refuses it.
        """
        layer: keras.layers.Layer = build_object("layer", tree)
        return cls(name, tree.span, layer, tuple(_replace_seeds(layer, str(index))))

    def __call__(self, images: tf.Tensor, key: tuple[int, ...], step: tf.Tensor) -> tf.Tensor:
        """Change a batch of images.

        Raises:
            Refusal: if Keras does not take such images, or a crop would leave them as they are.
        """

        def augment(batch: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
            for generator in self.seeds:
                generator.set_step(key, step)
            return _cast_back(self.layer(batch, training=True), images.dtype)

        self._check_crop(images)
        shape = "x".join("?" if size is None else str(size) for size in images.shape[1:])
        with translate_keras_errors(
            lambda error: self._rejection(f"images of {shape}", error_notes(error))
        ):
            if self.name not in _PER_IMAGE_LAYERS:
                return augment(images, step)
            count = tf.shape(images)[0]
            steps = tf.cast(step, tf.int32) * count + tf.range(count)
            return tf.map_fn(
                lambda pair: augment(*pair), (images, steps), fn_output_signature=images.dtype
            )

    def _check_crop(self, images: tf.Tensor) -> None:
        """Refuse what Keras takes for a request to stretch the middle of the images."""
        if self.name != "RandomCrop":
            return
        size, crop_size = images.shape[1:3], (self.layer.height, self.layer.width)
        if any(
            image_side is not None and image_side <= crop_side
            for image_side, crop_side in zip(size, crop_size, strict=True)
        ):
            description = (
                f"images of {size[0]}x{size[1]} for a crop of {crop_size[0]}x{crop_size[1]}"
            )
            note = "images have the size of the network's input by then; RandomTranslation and"
            raise self._rejection(
                description, (f"{note} RandomZoom change them and keep the size",)
            )

    def _rejection(self, description: str, notes: tuple[str, ...]) -> BuildError:
        return BuildError(
            MISMATCH, f"{self.name} under 'augment' does not take {description}", self.span, notes
        )


class Augmentation:
    """Layers that change batches of images by chance."""

    def __init__(
        self, trees: Sequence[Tree], seed: int, value_range: ValueRange | None = None
    ) -> None:
        """Build the layers that a recipe names, for images with values in a range.

        Raises:
            BlueprintError: if Keras refuses one, or it is meant for another range.
        """
        self._seed = seed
        self._layers: list[_SeededLayer] = []
        self._nearest_layers: dict[int, _SeededLayer] = {}
        for index, tree in enumerate(trees):
            name = keras_class_name("layer", tree)
            self._layers.append(
                _SeededLayer.from_config(_with_value_range(tree, name, value_range), name, index)
            )
            if name in GEOMETRIC_LAYERS:
                self._nearest_layers[index] = _SeededLayer.from_config(
                    _with_arguments(tree, name, _NEAREST_ARGUMENTS), name, index
                )
        # Traced once for both the check before a run and its batches.
        self._function = tf.function(self._augment, autograph=False)

    def __call__(self, images: tf.Tensor, step: tf.Tensor, view: int = 0) -> tf.Tensor:
        """Change a batch of images, anew for each step and view.

        Raises:
            BlueprintError: if a layer does not take such images.
        """
        return self._function(images, tf.cast(step, tf.int64), view)

    def transform_targets(self, values: tf.Tensor, step: tf.Tensor, *, nearest: bool) -> tf.Tensor:
        """Move the parts of a batch `(examples, height, width, channels)` as those of its images.

        `nearest` makes no values between those of neighbors: for the numbers of classes.
        """
        for index, layer in enumerate(self._layers):
            if index in self._nearest_layers:
                transform = self._nearest_layers[index] if nearest else layer
                values = transform(values, (self._seed, 0), step)
        return values

    def check(self, images: tf.TensorSpec) -> tf.TensorSpec:
        """Return the type and shape of changed images, before there are some.

        Raises:
            BlueprintError: if a layer does not take such images.
        """
        step = tf.TensorSpec([], tf.int64)
        return self._function.get_concrete_function(images, step, 0).structured_outputs

    def _augment(self, images: tf.Tensor, step: tf.Tensor, view: int) -> tf.Tensor:
        try:
            for layer in self._layers:
                images = layer(images, (self._seed, view), step)
        except BuildError as refusal:
            diagnostics = Diagnostics()
            refusal.report(diagnostics)
            raise BlueprintError(diagnostics) from refusal.__cause__
        return images


def _cast_back(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Cast what a layer gives, which is a float, back to the type of its images."""
    if dtype.is_floating:
        return tf.cast(values, dtype)
    return tf.saturate_cast(tf.round(values), dtype)


def _replace_seeds(layer: keras.layers.Layer, name: str) -> Iterator[_StatelessSeeds]:
    """Give a layer, and the layers in it, seeds of their own."""
    for key, inner in sorted(vars(layer).items()):
        if isinstance(inner, keras.random.SeedGenerator):
            seeds = _StatelessSeeds(name)
            # Keras lets nobody set the seeds of a layer that is built, as GaussianNoise is at once.
            vars(layer)[key] = seeds
            yield seeds
        elif isinstance(inner, keras.layers.Layer):
            yield from _replace_seeds(inner, f"{name}.{key}")


def _with_value_range(tree: Tree, name: str, value_range: ValueRange | None) -> Tree:
    """Give a layer the range of its images, where it asks for one.

    Raises:
        BlueprintError: if it says another one, or neither it nor the data says one.
    """
    specs = registry.load().signatures("layer")[name].arguments
    if "value_range" not in specs:
        return tree
    entry = next((each for each in _arguments(tree, name) if each.key == "value_range"), None)
    configured_range = None if entry is None else to_plain(entry.value)
    if configured_range is not None and value_range in (
        None,
        tuple(configured_range) if isinstance(configured_range, list) else configured_range,
    ):
        return tree
    if value_range is not None and configured_range is None:
        return _with_arguments(tree, name, {"value_range": [*value_range]})
    diagnostics = Diagnostics()
    span = tree.span if entry is None else entry.value.span
    if value_range is None:
        message = f"{name} needs the range of the images, which the data does not tell"
        notes = ("write the least and the greatest value, as in 'value_range: [0, 1]'",)
    else:
        low, high = (f"{each:g}" for each in value_range)
        message = (
            f"{name} is meant for values in {configured_range}, and the images have {low} to {high}"
        )
        notes = (f"leave 'value_range' out, or write [{low}, {high}]",)
    diagnostics.error(MISMATCH, message, span, notes=notes)
    raise BlueprintError(diagnostics)


def _with_arguments(tree: Tree, name: str, values: dict[str, PlainData]) -> Tree:
    """A layer with other values of those arguments that it has."""
    specs = registry.load().signatures("layer")[name].arguments
    entries = [each for each in _arguments(tree, name) if each.key not in values]
    entries += [
        MappingEntry(key, from_plain(value, tree.span), tree.span)
        for key, value in values.items()
        if key in specs
    ]
    return MappingNode(
        (MappingEntry(name, MappingNode(tuple(entries), tree.span), tree.span),), tree.span
    )


def _arguments(tree: Tree, name: str) -> tuple[MappingEntry, ...]:
    """The arguments of a layer by name; a value alone is the first of them."""
    if not isinstance(tree, MappingNode):
        return ()
    value = tree.entries[0].value
    if isinstance(value, MappingNode):
        return value.entries
    if isinstance(value, ScalarNode) and value.value is None:
        return ()
    first = next(iter(registry.load().signatures("layer")[name].arguments))
    return (MappingEntry(first, value, value.span),)
