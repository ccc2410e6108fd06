"""Random augmentation of batches that keeps targets consistent with their images.

A target with a value for every pixel (`dense_targets`) is transformed like its image, and so are
the points and boxes that a recipe declares.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import tensorflow as tf

from archbuilder.compiler.ir import Graph, Shape
from archbuilder.config.objectives import SupervisedConfig
from archbuilder.config.training import TrainingConfig
from archbuilder.data.augmentation import (
    GEOMETRIC_LAYERS,
    MIXED_LAYERS,
    Augmentation,
)
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.dense_targets import DenseTarget, DenseTargetFinder
from archbuilder.data.image_coordinates import PADDING, Coordinates, is_no_padding
from archbuilder.data.mixed_labels import find_mixed_labels
from archbuilder.data.pipeline import AdaptedDataset, BatchPipeline
from archbuilder.data.seeded_layer import AUGMENTATION_MISMATCH, MOTION_LAYERS
from archbuilder.data.series_augmentation import assign_layers, find_step_targets
from archbuilder.data.source_dataset import target_key
from archbuilder.data.targets import ignored_class
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics, UsageError

_TensorDict: TypeAlias = dict[str, tf.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class BatchAugmenter:
    """Augments the images of batches and, with the same transformation, their dense targets."""

    dataset: AdaptedDataset
    augmentations: Mapping[str, Augmentation]
    """Augmentations by the name of the input."""
    augmented_inputs: Mapping[str, tf.TensorSpec]
    """Dtypes and shapes of the images and the series by the name of the input."""
    dense_targets: Mapping[str, DenseTarget]
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
        target_keys = {each: target_key(each) for each in compared}
        moving_targets = _find_moving(config, objective, dataset, target_keys, image_shapes)
        input_keys = {each: each for each in inputs}
        moving_inputs = _find_moving(config, objective, dataset, input_keys, image_shapes)
        # The classes of boxes stay those of their boxes.
        box_labels = {label for each in moving_targets.values() for label in each.labels}
        dense_targets = DenseTargetFinder(objective, dataset, target_shapes, image_shapes).find(
            config.augment,
            [name for name in compared if name not in {*moving_targets, *box_labels}],
        )
        mixed_labels = find_mixed_labels(
            config.augment, objective, dataset, image_shapes, dense_targets
        )
        return cls(
            dataset,
            augmentations,
            {name: inputs[name] for name in augmentations},
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
                name: each.transform(augmentation, y[name], share)
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
                pixels = DenseTarget((*dense_target.shape[:2], channels), use_nearest=True)
                weights[name] = pixels.transform(augmentation, weights[name], share)
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
    config: TrainingConfig,
    objective: SupervisedConfig,
    dataset: AdaptedDataset,
    keys: Mapping[str, str],
    images: Collection[str],
) -> dict[str, Coordinates]:
    """Return the coordinates, by input or output, that move with augmented images.

    `keys` are those of the dataset, by input or output.

    Raises:
        BlueprintError: if a layer moves pixels, and the coordinates cannot move with them.
        UsageError: if a loss takes the classes of boxes that have left the image for classes.
    """
    geometric_layers = [
        each for each in config.augment if each.class_name in (*GEOMETRIC_LAYERS, *MIXED_LAYERS)
    ]
    moving = {
        name: dataset.coordinates[key].select_labels(objective.compared_outputs)
        for name, key in keys.items()
        if key in dataset.coordinates and dataset.coordinates[key].image in images
    }
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
    losses = objective.loss
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
