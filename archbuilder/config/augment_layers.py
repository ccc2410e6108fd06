"""The setting `augment`: layers that transform training images and series at random."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.value_types import ValueType, keras_objects
from archbuilder.diagnostics.errors import Diagnostics, closest_match

AUGMENTATION_LAYERS: Final = (
    "CutMix",
    "GaussianNoise",
    "MixUp",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomCrop",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "Solarization",
)
"""Layers of Keras that transform images at random."""
SERIES_LAYERS: Final = (
    "RandomGain",
    "RandomMasking",
    "RandomNoise",
    "RandomPermutation",
    "RandomPointRotation",
    "RandomTimeShift",
)
"""Layers of archbuilder that transform recordings, series and point clouds at random."""
_LAYERS: Final = (*AUGMENTATION_LAYERS, *SERIES_LAYERS)
_IS_DETERMINISTIC: Final = (
    "it is deterministic, and the validation set is not augmented; use it as a layer of the network"
)
_UNSUPPORTED_LAYERS: Final = {
    "AutoContrast": _IS_DETERMINISTIC,
    "Equalization": _IS_DETERMINISTIC,
    # Keras 3.15.1 chooses its operations with Python's `random` while TensorFlow traces the layer
    # (aug_mix.py, `py_random.choice`), so the compiled graph always applies the same ones.
    "AugMix": "it draws its operations once per run, and others when the run is resumed; use"
    " RandAugment, which draws them for each batch",
}
"""Augmentation layers of Keras that are not supported, with the reason."""
_EXAMPLE: Final = "'augment: [{RandomFlip: horizontal}, {RandomRotation: 0.1}]'"


def augmentation() -> ValueType[tuple[KerasObject, ...]]:
    """Return the type of `augment`: a list of augmentation layers."""
    # Of the definition of all layers, an editor would offer layers that are no augmentation.
    arguments = {name: {"$ref": f"#/definitions/{name}"} for name in _LAYERS}
    mapping = {
        "type": "object",
        "properties": arguments,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    item_schema = {"anyOf": [{"enum": list(_LAYERS)}, mapping]}
    return keras_objects("layer", _check_layers, example=_EXAMPLE, item_schema=item_schema)


def _check_layers(layers: Iterable[KerasObject], diagnostics: Diagnostics) -> None:
    for layer in layers:
        name = layer.class_name
        if name not in _LAYERS:
            reason = f": {_UNSUPPORTED_LAYERS[name]}" if name in _UNSUPPORTED_LAYERS else ""
            diagnostics.error(
                "invalid-choice",
                f"'augment' does not support the layer '{name}'{reason}",
                layer.span,
                suggestion=None if reason else closest_match(name, _LAYERS),
                notes=(f"the supported layers are: {', '.join(_LAYERS)}",),
            )
        # Data sources always give channels last: with channels_first the layer would take the
        # height of an image for its channels.
        elif layer.argument("data_format") == "channels_first":
            diagnostics.error(
                "invalid-choice",
                f"'augment' always passes images with channels last to {name}",
                layer.argument_span("data_format"),
                notes=("remove 'data_format'",),
            )
