"""Targets with a value for every pixel, such as masks, which move with augmented images.

Other numbers may be coordinates too. Geometric layers are therefore rejected unless the loss and
the values show that a target holds classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import tensorflow as tf

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.loss_traits import LossTraits, traits_of
from archbuilder.config.objectives import SupervisedConfig
from archbuilder.data.augmentation import (
    GEOMETRIC_LAYERS,
    MIXED_LAYERS,
    MIXING_LAYERS,
    Augmentation,
)
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.pipeline import AdaptedDataset
from archbuilder.data.seeded_layer import AUGMENTATION_MISMATCH
from archbuilder.data.targets import Target
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics

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
class DenseTarget:
    """A target with a value for every pixel."""

    shape: _StaticShape
    """Height, width and channels."""
    use_nearest: bool
    """Whether to resample with nearest neighbor: class indices cannot be interpolated."""

    def transform(
        self, augmentation: Augmentation, values: tf.Tensor, share: BatchShare
    ) -> tf.Tensor:
        """Return the values of a share, moved as the augmentation moves its images."""
        images = tf.reshape(values, (-1, *self.shape))
        transformed = augmentation.transform_targets(images, share, use_nearest=self.use_nearest)
        if values.shape.rank == _IMAGE_BATCH_RANK:
            return transformed
        # Targets without a channel axis, or flattened, get their shape back.
        return tf.reshape(
            transformed,
            (-1, *(transformed.shape[1:3] if values.shape.rank > 2 else values.shape[1:])),
        )


@dataclass(frozen=True, slots=True, eq=False)
class DenseTargetFinder:
    """Finds the targets that geometric and mixing layers have to transform like the images."""

    objective: SupervisedConfig
    dataset: AdaptedDataset
    target_shapes: Mapping[str, _StaticShape]
    """Shapes of targets by the name of the output."""
    image_shapes: Mapping[str, _StaticShape]
    """Shapes of images by the name of the input."""

    def find(self, layers: Sequence[KerasObject], outputs: Sequence[str]) -> dict[str, DenseTarget]:
        """Return the dense targets of some outputs by the name of the output.

        Raises:
            BlueprintError: if a target may hold positions in an image and cannot be transformed.
        """
        geometric_layers = [
            each for each in layers if each.class_name in (*GEOMETRIC_LAYERS, *MIXED_LAYERS)
        ]
        mixed_layers = [each for each in geometric_layers if each.class_name in MIXED_LAYERS]
        moves_pixels = geometric_layers or any(each.class_name in MIXING_LAYERS for each in layers)
        dense_targets: dict[str, DenseTarget] = {}
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

    def _dense_target(self, output: str) -> DenseTarget | None:
        shape = self.target_shapes[output]
        # An output that is compared with an input, as in an autoencoder.
        if output in self.objective.target_from_input:
            image = self.image_shapes.get(self.objective.target_from_input[output], ())
            if shape[:2] == image[:2] and len(shape) == len(image):
                return DenseTarget(shape, use_nearest=False)
            return DenseTarget(image, use_nearest=False) if shape == (math.prod(image),) else None
        image_sizes = [each[:2] for each in self.image_shapes.values()]
        if len(shape) not in (2, 3) or shape[:2] not in image_sizes:
            return None
        target = self.dataset.targets[output]
        is_integer = isinstance(target, Target) and target.dtype.kind in "iu"
        use_nearest = is_integer or self._loss_traits(output).takes_classes
        return DenseTarget((*shape[:2], math.prod(shape[2:])), use_nearest)

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
