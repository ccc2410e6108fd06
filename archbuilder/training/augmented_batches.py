"""Batches whose images are changed by chance, and whose targets stay true to their images.

A target that has a value for every pixel is moved as its image is. Whether numbers are places in an
image, as those of a box are, nothing tells: layers that move its parts are refused beside numbers
that are not classes, as their loss and their values tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import tensorflow as tf

from archbuilder.errors import BlueprintError, Diagnostics, UsageError
from archbuilder.graph import Graph, Shape
from archbuilder.recipe.objectives import class_name
from archbuilder.recipe.spec import Supervised, TrainingSpec
from archbuilder.training.augmenting import GEOMETRIC, MISMATCH, MIXED, Augmentation
from archbuilder.training.batches import Table
from archbuilder.training.targets import Target
from archbuilder.tree import Tree

_Named: TypeAlias = dict[str, tf.Tensor]
_Sizes: TypeAlias = tuple[int, ...]
_IMAGES: Final = 4
"""The axes of a batch of images."""
_OF_CLASSES: Final = (
    *("Accuracy", "Crossentropy", "Hinge", "KLDivergence"),
    *("Dice", "Tversky", "CTC", "CapsuleMargin"),
)
"""Parts of the names of losses whose targets tell classes, and not quantities."""
_BY_NUMBER: Final = ("Sparse", "CTC")
"""How the names of losses begin whose targets are the numbers of classes."""
_EXAMINED: Final = 256
"""The number of examples whose values tell whether a target has classes or quantities."""
_ROUNDING: Final = 1e-3
"""How far the sum of probabilities may be from 1."""


@dataclass(frozen=True, slots=True)
class _Map:
    """A target with a value for every pixel."""

    shape: _Sizes
    """Height, width and channels."""
    nearest: bool
    """Whether there is nothing between two of its values, as between two classes."""


@dataclass(frozen=True, slots=True, eq=False)
class AugmentedBatches:
    """Changes the images of batches, and moves maps along."""

    table: Table
    images: Mapping[str, Augmentation]
    """By the name of the input."""
    maps: Mapping[str, _Map]
    """By the name of the output."""

    @classmethod
    def of(
        cls,
        spec: TrainingSpec,
        objective: Supervised,
        graph: Graph,
        table: Table,
        batches: tf.data.Dataset,
    ) -> AugmentedBatches:
        """Check that the layers of a recipe fit the batches of a table and the network.

        Raises:
            UsageError: if no input is an image, or the network does not take what becomes of one.
            BlueprintError: if a layer does not fit images or targets, or Keras refuses it.
        """
        inputs = _by_name(batches.element_spec[0], table.inputs)
        images: dict[str, Augmentation] = {}
        for name, each in inputs.items():
            values = table.inputs[name].value_range
            if each.shape.rank == _IMAGES and (each.dtype.is_floating or values is not None):
                images[name] = Augmentation(spec.augment, spec.seed, values)
        if not images:
            others = ", ".join(f"{name} {[*each.shape[1:]]}" for name, each in inputs.items())
            raise UsageError(
                "'augment' changes images (height, width, channels), and no input of the network is"
                f" an image: {others}; layers such as GaussianNoise stand in the network, and work"
                " in training alone"
            )
        expected = {each.name: each.shape for each in graph.inputs}
        for name, augmentation in images.items():
            check_shape(name, augmentation.check(inputs[name]), expected[name])
        sizes = {name: tuple(inputs[name].shape[1:]) for name in images}
        targets = _by_name(batches.element_spec[1], table.targets)
        shapes = {name: tuple(each.shape[1:]) for name, each in targets.items()}
        maps = _Targets(objective, table, shapes, sizes).maps(spec.augment)
        return cls(table, images, maps)

    def __call__(self, batches: tf.data.Dataset, first: int) -> tf.data.Dataset:
        """Change batches, the first of which is that of the step `first`."""
        leading = next(iter(self.images.values()))

        def change(step: tf.Tensor, batch: tuple[object, ...]) -> tuple[object, ...]:
            x = _by_name(batch[0], self.table.inputs)
            y = _by_name(batch[1], self.table.targets)
            x |= {name: augment(x[name], step) for name, augment in self.images.items()}
            y |= {name: _moved(leading, each, y[name], step) for name, each in self.maps.items()}
            changed = (_like(batch[0], x), _like(batch[1], y))
            if len(batch) == len(changed):
                return changed
            weights = _by_name(batch[2], self.table.targets)
            for name, each in self.maps.items():
                if weights[name].shape.rank > 2:
                    channels = math.prod(weights[name].shape[3:])
                    pixels = _Map((*each.shape[:2], channels), nearest=True)
                    weights[name] = _moved(leading, pixels, weights[name], step)
            return (*changed, _like(batch[2], weights))

        numbered = batches.enumerate(tf.constant(first, tf.int64))
        changed = numbered.map(change, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return changed.prefetch(tf.data.AUTOTUNE)


def _by_name(values: object, names: Mapping[str, object]) -> _Named:
    return dict(values) if isinstance(values, dict) else {next(iter(names)): values}


def _like(values: object, named: _Named) -> object:
    return named if isinstance(values, dict) else next(iter(named.values()))


def _moved(augmentation: Augmentation, each: _Map, values: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
    images = tf.reshape(values, (-1, *each.shape))
    moved = augmentation.follow(images, step, nearest=each.nearest)
    if values.shape.rank == _IMAGES:
        return moved
    # Without an axis of channels, or flat.
    return tf.reshape(
        moved, (-1, *(moved.shape[1:3] if values.shape.rank > 2 else values.shape[1:]))
    )


def check_shape(name: str, changed: tf.TensorSpec, expected: Shape) -> None:
    """Check that an input of the network takes changed images.

    Raises:
        UsageError: if their shape is another one.
    """
    shape = (*changed.shape[1:],)
    if len(shape) != len(expected) or any(
        size not in (have, None) for have, size in zip(shape, expected, strict=True)
    ):
        raise UsageError(
            f"'augment' makes images of {[*shape]}, and the input '{name}' of the network takes"
            f" {[*expected]}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Targets:
    """The targets of outputs, beside the images of inputs."""

    objective: Supervised
    table: Table
    shapes: Mapping[str, _Sizes]
    """The shapes of targets by the name of the output."""
    images: Mapping[str, _Sizes]
    """The shapes of images by the name of the input."""

    def maps(self, layers: Sequence[Tree]) -> dict[str, _Map]:
        """Return the targets that are moved along, by the name of their output.

        Raises:
            BlueprintError: if a target may tell places in an image, and cannot be moved.
        """
        moving = [each for each in layers if class_name("layer", each) in (*GEOMETRIC, *MIXED)]
        mixed = [each for each in moving if class_name("layer", each) in MIXED]
        maps: dict[str, _Map] = {}
        for output in {**self.objective.loss, **self.objective.metrics} if moving else ():
            each = self._map(output)
            if each is not None:
                maps[output] = each
                if mixed:
                    raise _refused(mixed[0], output, self.shapes[output])
            elif not self._tells_no_places(output):
                raise _refused(moving[0], output, self.shapes[output])
        return maps

    def _map(self, output: str) -> _Map | None:
        shape = self.shapes[output]
        if output in self.objective.targets:
            image = self.images.get(self.objective.targets[output], ())
            if shape[:2] == image[:2] and len(shape) == len(image):
                return _Map(shape, nearest=False)
            return _Map(image, nearest=False) if shape == (math.prod(image),) else None
        sizes = [each[:2] for each in self.images.values()]
        if len(shape) not in (2, 3) or shape[:2] not in sizes:
            return None
        target = self.table.targets[output]
        whole = isinstance(target, Target) and target.dtype.kind in "iu"
        nearest = whole or _is_of_classes(self._loss(output))
        return _Map((*shape[:2], math.prod(shape[2:])), nearest)

    def _tells_no_places(self, output: str) -> bool:
        """Whether a target stays right where parts of an image move: a class, or one quantity.

        A metric tells nothing of that: Keras computes an accuracy of any numbers.
        """
        if output in self.objective.targets:
            return self.objective.targets[output] not in self.images
        target, shape, loss = self.table.targets[output], self.shapes[output], self._loss(output)
        if math.prod(shape) == 1:
            return True
        if not isinstance(target, Target):
            return False
        if target.classes is not None:
            shape = shape[:-1]
        elif not loss.startswith(_BY_NUMBER):
            if self._is_of_pixels(shape) or not self._has_classes(target, loss):
                return False
            shape = shape[:-1] if loss.startswith("Categorical") else shape
        return len(shape) <= 1 and not self._is_of_pixels(shape)

    def _is_of_pixels(self, shape: _Sizes) -> bool:
        """Whether a target may be a map whose height and width were made one axis."""
        return any(
            shape[:1] == (math.prod(image[:2]),) or shape == (math.prod(image),)
            for image in self.images.values()
        )

    def _has_classes(self, target: Target, loss: str) -> bool:
        """Whether the last axis is true or false, or a probability, for every class."""
        rows = self.table.rows[:_EXAMINED]
        values = np.asarray(target.column.values_of(rows), np.float64)
        true_or_false = bool(np.isin(values, (-1, 0, 1)).all())
        probabilities = bool(
            (values >= 0).all() and (np.abs(values.sum(axis=-1) - 1) <= _ROUNDING).all()
        )
        return _is_of_classes(loss) and (true_or_false or probabilities)

    def _loss(self, output: str) -> str:
        """The class of the loss of an output; empty for one that has metrics alone."""
        return class_name("loss", self.objective.loss.get(output))


def _is_of_classes(loss: str) -> bool:
    return any(part in loss for part in _OF_CLASSES)


def _refused(layer: Tree, output: str, shape: _Sizes) -> BlueprintError:
    name = class_name("layer", layer)
    notes: tuple[str, ...] = (
        "targets with a value for every pixel, of the height and width of the image, move with it",
        "a list with a value for every pixel moves once its output has the shape of the image",
        "boxes and keypoints cannot be moved: leave out layers that move the parts of an image",
        "classes: a crossentropy of their numbers, of 0 and 1, or of probabilities that sum to 1",
        "other numbers that are not places: give each of them an output of its own",
    )
    if name in MIXED:
        choice = "RandomFlip, RandomRotation or RandomTranslation"
        notes = (f"{name} chooses by chance what it does; targets can follow {choice}",)
    diagnostics = Diagnostics()
    diagnostics.error(
        MISMATCH,
        f"{name} moves the parts of an image, and the targets of the output '{output}'"
        f" {[*shape]} would stay where they are",
        layer.span,
        notes=notes,
    )
    return BlueprintError(diagnostics)
