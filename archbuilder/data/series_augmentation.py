"""Random augmentation of series: recordings, time series, spectrograms and point clouds.

A series is an input `(steps, ...)` of floats: with the axes of time and channels, or of points and
coordinates. Layers that move steps move targets with a value per step alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import tensorflow as tf

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.augment_layers import SERIES_LAYERS
from archbuilder.config.loss_traits import traits_of
from archbuilder.config.objectives import SupervisedConfig
from archbuilder.data.augmentation import MOVING_LAYERS, ValueRange
from archbuilder.data.seeded_layer import AUGMENTATION_MISMATCH
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics, quote_list

_StaticShape: TypeAlias = tuple[int | None, ...]
_BOTH: Final = ("GaussianNoise",)
"""Layers for images and for series."""
_ROTATIONS: Final = ("RandomPointRotation",)
_IMAGE_RANK: Final = 4
"""Rank of a batch of images, `(batch, height, width, channels)`."""
_SERIES_RANK: Final = 3
"""Rank of a batch of series, `(batch, steps, channels)`."""


@dataclass(frozen=True, slots=True)
class AugmentedInputs:
    """The layers of `augment` for each input that they change, images or series."""

    layers: Mapping[str, tuple[KerasObject, ...]]
    """Layers by the name of the input, in the order of the recipe."""
    images: tuple[str, ...] = ()
    """Those of the inputs that are images."""
    series: tuple[str, ...] = ()
    """The others."""


def assign_layers(
    layers: Sequence[KerasObject],
    inputs: Mapping[str, tf.TensorSpec],
    ranges: Mapping[str, ValueRange | None],
) -> AugmentedInputs:
    """Return which layers change which inputs; `ranges` are those of the values of images.

    An input `(steps,)`, such as a recording, is a series if there is no other of this shape, and
    none with more axes: it could also be the columns of a table.

    Raises:
        BlueprintError: if no input is an image or a series for a layer, or it is not clear which.
    """
    # Integers of rank 4 without a range are not pixels, but tokens or class indices.
    images = [
        name
        for name, each in inputs.items()
        if each.shape.rank == _IMAGE_RANK and (each.dtype.is_floating or ranges[name] is not None)
    ]
    floats = {name: each.shape.rank for name, each in inputs.items() if each.dtype.is_floating}
    series = [name for name, rank in floats.items() if rank == _SERIES_RANK]
    flat = [name for name, rank in floats.items() if rank == _SERIES_RANK - 1]
    candidates = series or flat
    assigned: dict[str, list[KerasObject]] = {}
    for layer in layers:
        is_of_series = layer.class_name in SERIES_LAYERS
        targets = [*images] if not is_of_series else []
        if is_of_series or (layer.class_name in _BOTH and not images):
            targets += candidates
            if len(candidates) > 1 and not series:
                raise _layer_error(
                    layer,
                    f"{layer.class_name} under 'augment' changes series, and the inputs"
                    f" {quote_list(candidates)} have one axis each",
                    "give the series the shape (steps, channels): [16000, 1] instead of [16000]",
                )
        if not targets:
            texts = ", ".join(f"{name} {[*each.shape[1:]]}" for name, each in inputs.items())
            kind, singular = "images (height, width, channels)", "an image"
            if is_of_series:
                kind, singular = "series (steps, channels) of floats", "a series"
            raise _layer_error(
                layer,
                f"{layer.class_name} under 'augment' changes {kind}, but no input of the network is"
                f" {singular}: {texts}",
                f"the layers for series are: {', '.join((*_BOTH, *SERIES_LAYERS))}",
            )
        for name in targets:
            assigned.setdefault(name, []).append(layer)
    return AugmentedInputs(
        {name: tuple(each) for name, each in assigned.items()},
        tuple(name for name in assigned if name in images),
        tuple(name for name in assigned if name not in images),
    )


def find_step_targets(
    assigned: AugmentedInputs,
    inputs: Mapping[str, tf.TensorSpec],
    objective: SupervisedConfig,
    targets: Mapping[str, _StaticShape],
) -> dict[str, str]:
    """Return the series with which targets move that have a value per step, by output.

    `targets` are the shapes by output.

    Raises:
        BlueprintError: if a layer changes a series in a way that such a target cannot follow.
    """
    return {
        output: name
        for name in assigned.series
        for output in _outputs_with_steps(
            assigned.layers[name], (name, tuple(inputs[name].shape[1:])), objective, targets
        )
    }


def _outputs_with_steps(
    layers: Sequence[KerasObject],
    series: tuple[str, _StaticShape],
    objective: SupervisedConfig,
    targets: Mapping[str, _StaticShape],
) -> tuple[str, ...]:
    """Return the outputs whose targets move with a series of a name and a shape."""
    name, series_shape = series
    moving = [each for each in layers if each.class_name in MOVING_LAYERS]
    rotations = [each for each in layers if each.class_name in _ROTATIONS]
    outputs: list[str] = []
    for output, shape in targets.items():
        loss = traits_of(objective.loss.get(output))
        if shape[:1] != series_shape[:1] or loss.targets == "label_sequence":
            continue
        outputs.append(output)
        is_copy = objective.target_from_input.get(output) == name
        if rotations and (is_copy or not loss.takes_classes):
            raise _layer_error(
                rotations[0],
                f"{rotations[0].class_name} rotates points, but the targets of the output"
                f" '{output}' {[*shape]} would not rotate",
                "targets with a class per point stay correct",
            )
        for layer in moving:
            if layer.class_name == "RandomTimeShift" and layer.argument("fill_mode") != "wrap":
                raise _layer_error(
                    layer,
                    f"RandomTimeShift fills free steps with zeros, but the output '{output}'"
                    f" {[*shape]} has a target per step, which would be 0 there",
                    "write 'fill_mode: wrap'",
                )
    return tuple(outputs) if moving else ()


def _layer_error(layer: KerasObject, message: str, note: str) -> BlueprintError:
    diagnostics = Diagnostics()
    diagnostics.error(AUGMENTATION_MISMATCH, message, layer.span, notes=(note,))
    return BlueprintError(diagnostics)
