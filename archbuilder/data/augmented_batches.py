"""Random augmentation of batches that keeps targets consistent with their images.

A target with a value for every pixel is transformed like its image, and so are the points and boxes
that a recipe declares. Other numbers may be coordinates too. Geometric layers are therefore
rejected unless the loss and the values show that a target holds classes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import tensorflow as tf

from archbuilder.compiler.ir import Graph, Shape
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.loss_traits import LossTraits, traits_of
from archbuilder.config.objectives import SupervisedConfig
from archbuilder.config.training import TrainingConfig
from archbuilder.data.augmentation import (
    GEOMETRIC_LAYERS,
    MIXED_LAYERS,
    MIXING_LAYERS,
    Augmentation,
)
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.image_coordinates import PADDING, Coordinates, is_no_padding
from archbuilder.data.mixed_labels import find_mixed_labels
from archbuilder.data.pipeline import AdaptedDataset, BatchPipeline
from archbuilder.data.seeded_layer import AUGMENTATION_MISMATCH, MOTION_LAYERS
from archbuilder.data.series_augmentation import assign_layers, find_step_targets
from archbuilder.data.source_dataset import target_key
from archbuilder.data.targets import Target, ignored_class
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics, UsageError

_TensorDict: TypeAlias = dict[str, tf.Tensor]
_StaticShape: TypeAlias = tuple[int, ...]
_IMAGE_BATCH_RANK: Final = 4
"""Rank of a batch of images: `(batch, height, width, channels)`."""
_INTEGER_FORMATS: Final = ("class_indices", "label_sequence", "identities")
"""Formats of targets that are integers."""
_NUM_EXAMINED_EXAMPLES: Final = 256
"""Number of examples that are examined to decide if a target holds classes or quantities."""
_PROBABILITY_TOLERANCE: Final = 1e-3
"""Tolerance for the sum of probabilities, which files often store with few digits."""


@dataclass(frozen=True, slots=True)
class _DenseTarget:
    """A target with a value for every pixel."""

    shape: _StaticShape
    """Height, width and channels."""
    use_nearest: bool
    """Whether to resample with nearest neighbor: class indices cannot be interpolated."""


@dataclass(frozen=True, slots=True, eq=False)
class BatchAugmenter:
    """Augments the images of batches and, with the same transformation, their dense targets."""

    dataset: AdaptedDataset
    augmentations: Mapping[str, Augmentation]
    """Augmentations by the name of the input."""
    augmented_inputs: Mapping[str, tf.TensorSpec]
    """Dtypes and shapes of the images and the series by the name of the input."""
    dense_targets: Mapping[str, _DenseTarget]
    """Dense targets by the name of the output."""
    mixed_labels: Sequence[str] = ()
    """The outputs whose labels are mixed with their images."""
    moving_inputs: Mapping[str, Coordinates] = field(default_factory=dict)
    """The inputs that are points or boxes, which move with the pixels."""
    moving_targets: Mapping[str, Coordinates] = field(default_factory=dict)
    """The same for targets."""
    image_name: str = ""
    """The first input that is an image, which transforms the targets; empty if there is none."""
    step_targets: Mapping[str, str] = field(default_factory=dict)
    """The series with which targets move that have a value per step, by the name of the output."""

    @classmethod
    def from_config(
        cls,
        config: TrainingConfig,
        objective: SupervisedConfig,
        graph: Graph,
        dataset: AdaptedDataset,
        batches: BatchPipeline,
    ) -> BatchAugmenter:
        """Build the layers of a recipe, and check that they fit the batches and the network.

        Raises:
            UsageError: if the network does not take augmented images.
            BlueprintError: if a layer fits no input, or does not fit the images, the series or the
                targets, or Keras rejects it.
        """
        input_specs, target_specs, *_ = batches.element_spec
        inputs = _as_dict(input_specs, dataset.inputs)
        ranges = {name: dataset.inputs[name].value_range for name in inputs}
        assigned = assign_layers(config.augment, inputs, ranges)
        augmentations = {
            name: Augmentation(layers, config.seed, ranges[name])
            for name, layers in assigned.layers.items()
        }
        input_shapes = {each.name: each.shape for each in graph.inputs}
        for name, augmentation in augmentations.items():
            check_augmented_shape(name, augmentation.check(inputs[name]), input_shapes[name])
        image_shapes = {name: tuple(inputs[name].shape[1:]) for name in assigned.images}
        targets = _as_dict(target_specs, dataset.targets)
        target_shapes = {name: tuple(each.shape[1:]) for name, each in targets.items()}
        compared = objective.compared_outputs
        moving_targets, moving_inputs = (
            _find_moving(
                config.augment,
                {
                    name: dataset.coordinates[key].select_labels(compared)
                    for name, key in keys.items()
                    if key in dataset.coordinates
                },
                image_shapes,
                objective.loss,
            )
            for keys in (
                {each: target_key(each) for each in compared},
                {each: each for each in inputs},
            )
        )
        dense_targets = _DenseTargetFinder(objective, dataset, target_shapes, image_shapes).find(
            config.augment, [name for name in compared if name not in moving_targets]
        )
        mixed_labels = find_mixed_labels(
            config.augment, objective, dataset, image_shapes, dense_targets
        )
        augmented = {name: inputs[name] for name in augmentations}
        return cls(
            dataset,
            augmentations,
            augmented,
            dense_targets,
            mixed_labels,
            moving_inputs,
            moving_targets,
            next(iter(image_shapes), ""),
            find_step_targets(assigned, inputs, objective, target_shapes),
        )

    def needs_batch(self) -> bool:
        """Return whether a layer needs all images of a batch to transform a share of them."""
        return any(
            each.needs_batch(self.augmented_inputs[name])
            for name, each in self.augmentations.items()
        )

    def __call__(self, share: BatchShare, batch: tuple[object, ...]) -> tuple[object, ...]:
        """Augment the examples of a share."""
        x = _as_dict(batch[0], self.dataset.inputs)
        y = _as_dict(batch[1], self.dataset.targets)
        images = x.get(self.image_name)
        x |= {name: augment(x[name], share) for name, augment in self.augmentations.items()}
        # All images draw the same transformations, so that any of them can transform the targets.
        augmentation = self.augmentations.get(self.image_name)
        if augmentation is not None:
            y |= {
                name: augmentation.mix_labels(y[name], images, share) for name in self.mixed_labels
            }
            y |= {
                name: _transform_target(augmentation, each, y[name], share)
                for name, each in self.dense_targets.items()
            }
        for values, moving in ((x, self.moving_inputs), (y, self.moving_targets)):
            for name, coordinates in moving.items():
                values[name] = self._move(coordinates, values[name], share)
                # The classes of boxes that have left the image become padding too.
                y |= {
                    label: tf.where(is_no_padding(values[name]), y[label], PADDING)
                    for label in coordinates.labels
                }
        y |= self._move_steps(y, share)
        augmented = (_repack(batch[0], x), _repack(batch[1], y))
        if len(batch) == len(augmented):
            return augmented
        weights = _as_dict(batch[2], self.dataset.targets)
        for name, dense_target in self.dense_targets.items():
            # Weights of pixels, `(examples, height, width, ...)`, rather than of examples.
            if augmentation is not None and weights[name].shape.rank > 2:
                channels = math.prod(weights[name].shape[3:])
                pixels = _DenseTarget((*dense_target.shape[:2], channels), use_nearest=True)
                weights[name] = _transform_target(augmentation, pixels, weights[name], share)
        # Weights of steps, `(examples, steps, ...)`, rather than of examples.
        of_steps = {name: each for name, each in weights.items() if each.shape.rank > 1}
        weights |= self._move_steps(of_steps, share)
        return (*augmented, _repack(batch[2], weights))

    def _move(self, coordinates: Coordinates, values: tf.Tensor, share: BatchShare) -> tf.Tensor:
        """Return coordinates of a share where the augmentation of their images puts them."""
        name = coordinates.image
        augmentation, images = self.augmentations[name], self.augmented_inputs[name]
        return coordinates.move(
            values, lambda points: augmentation.move_points(points, images, share)
        )

    def _move_steps(self, values: _TensorDict, share: BatchShare) -> _TensorDict:
        """Return values per step, by output, in the order of the augmented series."""
        return {
            output: self.augmentations[series].transform_targets(
                values[output], share, use_nearest=False
            )
            for output, series in self.step_targets.items()
            if output in values
        }


def _find_moving(
    layers: Sequence[KerasObject],
    coordinates: Mapping[str, Coordinates],
    images: Collection[str],
    losses: Mapping[str, KerasObject],
) -> dict[str, Coordinates]:
    """Return the coordinates, by input or output, that move with augmented images.

    Raises:
        BlueprintError: if a layer moves pixels, and the coordinates cannot move with them.
        UsageError: if a loss takes the classes of boxes that have left the image for classes.
    """
    geometric_layers = [
        each for each in layers if each.class_name in (*GEOMETRIC_LAYERS, *MIXED_LAYERS)
    ]
    moving = {name: each for name, each in coordinates.items() if each.image in images}
    for layer in geometric_layers:
        for name, declared in moving.items():
            if declared.kind is not None and layer.class_name in MOTION_LAYERS:
                continue
            diagnostics = Diagnostics()
            diagnostics.error(
                AUGMENTATION_MISMATCH,
                f"{layer.class_name} moves pixels, but the coordinates of '{name}' would not move",
                layer.span,
                notes=(
                    f"points and boxes can follow {', '.join(MOTION_LAYERS)}"
                    if declared.kind is not None
                    else "write 'coordinates: points' beside 'relative_to', or the format of the"
                    " boxes, as in 'coordinates: xyxy'",
                ),
            )
            raise BlueprintError(diagnostics)
    for declared in moving.values() if geometric_layers else ():
        for label in declared.labels:
            if label in losses and ignored_class(losses[label]) != PADDING:
                raise UsageError(
                    f"'augment' may move boxes out of the image, whose classes are then {PADDING}:"
                    f" the loss of the output '{label}' needs 'ignore_class: {PADDING}'"
                )
    return moving if geometric_layers else {}


def _as_dict(values: object, names: Mapping[str, object]) -> _TensorDict:
    return dict(values) if isinstance(values, dict) else {next(iter(names)): values}


def _repack(values: object, tensors: _TensorDict) -> object:
    return tensors if isinstance(values, dict) else next(iter(tensors.values()))


def _transform_target(
    augmentation: Augmentation, dense_target: _DenseTarget, values: tf.Tensor, share: BatchShare
) -> tf.Tensor:
    images = tf.reshape(values, (-1, *dense_target.shape))
    transformed = augmentation.transform_targets(
        images, share, use_nearest=dense_target.use_nearest
    )
    if values.shape.rank == _IMAGE_BATCH_RANK:
        return transformed
    # Targets without a channel axis, or flattened, get their shape back.
    return tf.reshape(
        transformed, (-1, *(transformed.shape[1:3] if values.shape.rank > 2 else values.shape[1:]))
    )


def check_augmented_shape(name: str, augmented: tf.TensorSpec, expected: Shape) -> None:
    """Check that an input of the network takes augmented images.

    Raises:
        UsageError: if their shape differs from that of the input.
    """
    shape = (*augmented.shape[1:],)
    if len(shape) != len(expected) or any(
        size not in (have, None) for have, size in zip(shape, expected, strict=True)
    ):
        raise UsageError(
            f"'augment' makes images of {[*shape]}, but the input '{name}' of the network takes"
            f" {[*expected]}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class _DenseTargetFinder:
    """Finds the targets that geometric and mixing layers have to transform like the images."""

    objective: SupervisedConfig
    dataset: AdaptedDataset
    target_shapes: Mapping[str, _StaticShape]
    """Shapes of targets by the name of the output."""
    image_shapes: Mapping[str, _StaticShape]
    """Shapes of images by the name of the input."""

    def find(
        self, layers: Sequence[KerasObject], outputs: Sequence[str]
    ) -> dict[str, _DenseTarget]:
        """Return the dense targets of some outputs by the name of the output.

        Raises:
            BlueprintError: if a target may hold positions in an image and cannot be transformed.
        """
        geometric_layers = [
            each for each in layers if each.class_name in (*GEOMETRIC_LAYERS, *MIXED_LAYERS)
        ]
        mixed_layers = [each for each in geometric_layers if each.class_name in MIXED_LAYERS]
        moves_pixels = geometric_layers or any(each.class_name in MIXING_LAYERS for each in layers)
        dense_targets: dict[str, _DenseTarget] = {}
        for output in outputs if moves_pixels else ():
            dense_target = self._dense_target(output)
            if dense_target is not None:
                dense_targets[output] = dense_target
                if mixed_layers:
                    raise _geometric_layer_error(
                        mixed_layers[0], output, self.target_shapes[output]
                    )
            elif geometric_layers and not self._is_position_invariant(output):
                raise _geometric_layer_error(
                    geometric_layers[0], output, self.target_shapes[output]
                )
        return dense_targets

    def _dense_target(self, output: str) -> _DenseTarget | None:
        shape = self.target_shapes[output]
        # An output that is compared with an input, as in an autoencoder.
        if output in self.objective.target_from_input:
            image = self.image_shapes.get(self.objective.target_from_input[output], ())
            if shape[:2] == image[:2] and len(shape) == len(image):
                return _DenseTarget(shape, use_nearest=False)
            return _DenseTarget(image, use_nearest=False) if shape == (math.prod(image),) else None
        image_sizes = [each[:2] for each in self.image_shapes.values()]
        if len(shape) not in (2, 3) or shape[:2] not in image_sizes:
            return None
        target = self.dataset.targets[output]
        is_integer = isinstance(target, Target) and target.dtype.kind in "iu"
        use_nearest = is_integer or self._loss_traits(output).takes_classes
        return _DenseTarget((*shape[:2], math.prod(shape[2:])), use_nearest)

    def _is_position_invariant(self, output: str) -> bool:
        """Return whether a target stays correct when pixels move: a class, or one quantity.

        Metrics are not evidence: Keras computes an accuracy of any numbers.
        """
        if output in self.objective.target_from_input:
            return self.objective.target_from_input[output] not in self.image_shapes
        target, shape = self.dataset.targets[output], self.target_shapes[output]
        loss_traits = self._loss_traits(output)
        # A coordinate alone is rare; a score, an age or a binary label is common.
        if math.prod(shape) == 1:
            return True
        if not isinstance(target, Target):
            return False
        label_shape = shape
        if target.num_classes is not None:
            label_shape = shape[:-1]
        elif loss_traits.targets not in _INTEGER_FORMATS:
            if self._may_be_flattened_map(shape) or not loss_traits.takes_classes:
                return False
            values = np.asarray(
                target.column.numpy(self.dataset.rows[:_NUM_EXAMINED_EXAMPLES]), np.float64
            )
            sum_errors = np.abs(values.sum(axis=-1) - 1)
            has_probabilities = (values >= 0).all() and (sum_errors <= _PROBABILITY_TOLERANCE).all()
            # Labels are 0 and 1, or -1 and 1 as for the hinge losses.
            if not has_probabilities and not np.isin(values, (-1, 0, 1)).all():
                return False
            if loss_traits.targets == "one_hot":
                label_shape = shape[:-1]
        return len(label_shape) <= 1 and not self._may_be_flattened_map(label_shape)

    def _may_be_flattened_map(self, shape: _StaticShape) -> bool:
        """Return whether a target may be a dense one whose height and width are one axis."""
        return any(
            shape[:1] == (math.prod(image[:2]),) or shape == (math.prod(image),)
            for image in self.image_shapes.values()
        )

    def _loss_traits(self, output: str) -> LossTraits:
        return traits_of(self.objective.loss.get(output))


def _geometric_layer_error(layer: KerasObject, output: str, shape: _StaticShape) -> BlueprintError:
    name = layer.class_name
    notes: tuple[str, ...] = (
        "targets with one value per pixel, and the height and width of the image, move with it",
        "flattened masks are supported if the output has the shape (height, width, channels)",
        "boxes and keypoints move if a table has them as 'coordinates' of an image",
        "class targets need a crossentropy, with labels, 0 and 1, or probabilities that sum to 1",
        "other numbers that are not coordinates need one output each",
    )
    if name in MIXED_LAYERS:
        choice = "RandomFlip, RandomRotation or RandomTranslation"
        notes = (f"{name} picks its layers at random; targets can follow {choice}",)
    diagnostics = Diagnostics()
    diagnostics.error(
        AUGMENTATION_MISMATCH,
        f"{name} moves pixels, but the targets of the output '{output}' {[*shape]} would not move",
        layer.span,
        notes=notes,
    )
    return BlueprintError(diagnostics)
