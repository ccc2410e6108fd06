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

from archbuilder import catalogue
from archbuilder.backend.objects import build_object
from archbuilder.backend.refusals import Refusal, reason, refused_by_keras
from archbuilder.errors import BlueprintError, Diagnostics
from archbuilder.recipe.objectives import class_name
from archbuilder.tree import Entry, Mapping, Plain, Scalar, Span, Tree, from_plain, plain

Range: TypeAlias = tuple[float, float]
"""The least and the greatest value of images."""

MISMATCH: Final = "augmentation-mismatch"
"""The code of an error: a layer does not fit the images or the targets of the data."""
GEOMETRIC: Final = (
    *("RandomCrop", "RandomElasticTransform", "RandomFlip", "RandomPerspective"),
    *("RandomRotation", "RandomShear", "RandomTranslation", "RandomZoom"),
)
"""Layers that move the parts of an image, and leave their colors alone."""
MIXED: Final = ("RandAugment",)
"""Layers that choose by chance whether they move the parts of an image or change colors."""
# RandomCrop draws one place for a whole batch. RandomElasticTransform puts the first image in the
# place of all others where the size of the batch is open, as it is here (Keras 3.14 to 3.15.1).
_ONE_BY_ONE: Final = ("RandomCrop", "RandomElasticTransform")
"""Layers that get the images of a batch one by one."""
_WITHOUT_MIXING: Final[dict[str, Plain]] = {
    "interpolation": "nearest",
    "fill_value": 0,
    "value_range": [-3e38, 3e38],
}
"""Arguments with which a geometric layer makes no values that were not there, but for 0."""


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
class _Layer:
    """A layer of Keras with the seeds that it draws from."""

    name: str
    span: Span
    """Where it is written."""
    layer: keras.layers.Layer
    seeds: tuple[_Seeds, ...]

    @classmethod
    def of(cls, tree: Tree, name: str, at: int) -> _Layer:
        """Build a layer; those at the same place of a list draw the same numbers.

        Raises:
            BlueprintError: if Keras refuses it.
        """
        layer: keras.layers.Layer = build_object("layer", tree)
        return cls(name, tree.span, layer, tuple(_seeded(layer, str(at))))

    def __call__(self, images: tf.Tensor, key: tuple[int, ...], step: tf.Tensor) -> tf.Tensor:
        """Change a batch of images.

        Raises:
            Refusal: if Keras does not take such images, or a crop would leave them as they are.
        """

        def change(each: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
            for generator in self.seeds:
                generator.begin(key, step)
            return _as_type(self.layer(each, training=True), images.dtype)

        self._check_crop(images)
        shape = "x".join("?" if size is None else str(size) for size in images.shape[1:])
        with refused_by_keras(lambda error: self._refusal(f"images of {shape}", reason(error))):
            if self.name not in _ONE_BY_ONE:
                return change(images, step)
            count = tf.shape(images)[0]
            steps = tf.cast(step, tf.int32) * count + tf.range(count)
            return tf.map_fn(
                lambda pair: change(*pair), (images, steps), fn_output_signature=images.dtype
            )

    def _check_crop(self, images: tf.Tensor) -> None:
        """Refuse what Keras takes for a request to stretch the middle of the images."""
        if self.name != "RandomCrop":
            return
        size, wanted = images.shape[1:3], (self.layer.height, self.layer.width)
        if any(have is not None and have <= want for have, want in zip(size, wanted, strict=True)):
            what = f"images of {size[0]}x{size[1]} for a crop of {wanted[0]}x{wanted[1]}"
            note = "images have the size of the network's input by then; RandomTranslation and"
            raise self._refusal(what, (f"{note} RandomZoom change them and keep the size",))

    def _refusal(self, what: str, notes: tuple[str, ...]) -> Refusal:
        return Refusal(
            MISMATCH, f"{self.name} under 'augment' does not take {what}", self.span, notes
        )


class Augmentation:
    """Layers that change batches of images by chance."""

    def __init__(self, trees: Sequence[Tree], seed: int, value_range: Range | None = None) -> None:
        """Build the layers that a recipe names, for images with values in a range.

        Raises:
            BlueprintError: if Keras refuses one, or it is meant for another range.
        """
        self._seed = seed
        self._layers: list[_Layer] = []
        self._nearest: dict[int, _Layer] = {}
        for at, tree in enumerate(trees):
            name = class_name("layer", tree)
            self._layers.append(_Layer.of(_in_range(tree, name, value_range), name, at))
            if name in GEOMETRIC:
                self._nearest[at] = _Layer.of(_with(tree, name, _WITHOUT_MIXING), name, at)
        # Traced once for both the check before a run and its batches.
        self._function = tf.function(self._change, autograph=False)

    def __call__(self, images: tf.Tensor, step: tf.Tensor, view: int = 0) -> tf.Tensor:
        """Change a batch of images, anew for each step and view.

        Raises:
            BlueprintError: if a layer does not take such images.
        """
        return self._function(images, tf.cast(step, tf.int64), view)

    def follow(self, values: tf.Tensor, step: tf.Tensor, *, nearest: bool) -> tf.Tensor:
        """Move the parts of a batch `(examples, height, width, channels)` as those of its images.

        `nearest` makes no values between those of neighbors: for the numbers of classes.
        """
        for at, layer in enumerate(self._layers):
            if at in self._nearest:
                moving = self._nearest[at] if nearest else layer
                values = moving(values, (self._seed, 0), step)
        return values

    def check(self, images: tf.TensorSpec) -> tf.TensorSpec:
        """Return the type and shape of changed images, before there are some.

        Raises:
            BlueprintError: if a layer does not take such images.
        """
        step = tf.TensorSpec([], tf.int64)
        return self._function.get_concrete_function(images, step, 0).structured_outputs

    def _change(self, images: tf.Tensor, step: tf.Tensor, view: int) -> tf.Tensor:
        try:
            for layer in self._layers:
                images = layer(images, (self._seed, view), step)
        except Refusal as refusal:
            diagnostics = Diagnostics()
            refusal.report(diagnostics)
            raise BlueprintError(diagnostics) from refusal.__cause__
        return images


def _as_type(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Cast what a layer gives, which is a float, back to the type of its images."""
    if dtype.is_floating:
        return tf.cast(values, dtype)
    return tf.saturate_cast(tf.round(values), dtype)


def _seeded(layer: keras.layers.Layer, name: str) -> Iterator[_Seeds]:
    """Give a layer, and the layers in it, seeds of their own."""
    for key, inner in sorted(vars(layer).items()):
        if isinstance(inner, keras.random.SeedGenerator):
            seeds = _Seeds(name)
            # Keras lets nobody set the seeds of a layer that is built, as GaussianNoise is at once.
            vars(layer)[key] = seeds
            yield seeds
        elif isinstance(inner, keras.layers.Layer):
            yield from _seeded(inner, f"{name}.{key}")


def _in_range(tree: Tree, name: str, value_range: Range | None) -> Tree:
    """Give a layer the range of its images, where it asks for one.

    Raises:
        BlueprintError: if it says another one, or neither it nor the data says one.
    """
    specs = catalogue.load().signatures("layer")[name].arguments
    if "value_range" not in specs:
        return tree
    written = next((each for each in _arguments(tree, name) if each.key == "value_range"), None)
    said = None if written is None else plain(written.value)
    if said is not None and value_range in (None, tuple(said) if isinstance(said, list) else said):
        return tree
    if value_range is not None and said is None:
        return _with(tree, name, {"value_range": [*value_range]})
    diagnostics = Diagnostics()
    span = tree.span if written is None else written.value.span
    if value_range is None:
        message = f"{name} needs the range of the images, which the data does not tell"
        notes = ("write the least and the greatest value, as in 'value_range: [0, 1]'",)
    else:
        low, high = (f"{each:g}" for each in value_range)
        message = f"{name} is meant for values in {said}, and the images have {low} to {high}"
        notes = (f"leave 'value_range' out, or write [{low}, {high}]",)
    diagnostics.error(MISMATCH, message, span, notes=notes)
    raise BlueprintError(diagnostics)


def _with(tree: Tree, name: str, values: dict[str, Plain]) -> Tree:
    """A layer with other values of those arguments that it has."""
    specs = catalogue.load().signatures("layer")[name].arguments
    own = [each for each in _arguments(tree, name) if each.key not in values]
    own += [
        Entry(key, from_plain(value, tree.span), tree.span)
        for key, value in values.items()
        if key in specs
    ]
    return Mapping((Entry(name, Mapping(tuple(own), tree.span), tree.span),), tree.span)


def _arguments(tree: Tree, name: str) -> tuple[Entry, ...]:
    """The arguments of a layer by name; a value alone is the first of them."""
    if not isinstance(tree, Mapping):
        return ()
    value = tree.entries[0].value
    if isinstance(value, Mapping):
        return value.entries
    if isinstance(value, Scalar) and value.value is None:
        return ()
    first = next(iter(catalogue.load().signatures("layer")[name].arguments))
    return (Entry(first, value, value.span),)
