"""The setting `augment`: layers of Keras that transform training images at random."""

from __future__ import annotations

from typing import Final

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.value_types import SectionContext, ValueType, keras_object
from archbuilder.diagnostics.errors import Diagnostics, closest_match
from archbuilder.yaml.nodes import SequenceNode, Tree

AUGMENTATION_LAYERS: Final = (
    *("GaussianNoise", "RandAugment", "RandomBrightness", "RandomColorDegeneration"),
    *("RandomColorJitter", "RandomContrast", "RandomCrop", "RandomElasticTransform"),
    *("RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHue"),
    *("RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation"),
    *("RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation", "RandomZoom"),
    "Solarization",
)
"""Layers of Keras that transform images at random and leave their labels unchanged."""
_MIXES_LABELS: Final = "it mixes the images of a batch, and labels are not mixed with them"
_IS_DETERMINISTIC: Final = (
    "it is deterministic, and the validation set is not augmented; use it as a layer of the network"
)
_UNSUPPORTED_LAYERS: Final = {
    "CutMix": _MIXES_LABELS,
    "MixUp": _MIXES_LABELS,
    "AutoContrast": _IS_DETERMINISTIC,
    "Equalization": _IS_DETERMINISTIC,
    # Keras 3.15.1 chooses its operations with Python's `random` while TensorFlow traces the layer
    # (aug_mix.py, `py_random.choice`), so the compiled graph always applies the same ones.
    "AugMix": "it draws its operations once per run, and others when the run is resumed; use"
    " RandAugment, which draws them for each batch",
}
"""Augmentation layers of Keras that are not supported, with the reason."""
_EXAMPLE: Final = "for example 'augment: [{RandomFlip: horizontal}, {RandomRotation: 0.1}]'"


def augmentation() -> ValueType[tuple[KerasObject, ...]]:
    """Return the type of `augment`: a list of augmentation layers."""
    layer = keras_object("layer")

    def parse(tree: Tree, what: str, context: SectionContext) -> tuple[KerasObject, ...]:
        if not isinstance(tree, SequenceNode):
            context.fields.report_unexpected(tree, what, "a list of layers", note=_EXAMPLE)
            return ()
        layers = []
        for item in tree.items:
            reports = context.diagnostics.report_count
            layers.append(layer.parse(item, what, context))
            if context.diagnostics.report_count == reports:
                _check_layer(layers[-1], context.diagnostics)
        return tuple(layers)

    # Of the definition of all layers, an editor would offer layers that are no augmentation.
    arguments = {name: {"$ref": f"#/definitions/{name}"} for name in AUGMENTATION_LAYERS}
    mapping = {
        "type": "object",
        "properties": arguments,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    items = {"anyOf": [{"enum": list(AUGMENTATION_LAYERS)}, mapping]}
    return ValueType({"type": "array", "items": items}, parse, "list of layers of Keras")


def _check_layer(layer: KerasObject, diagnostics: Diagnostics) -> None:
    name = layer.class_name
    if name not in AUGMENTATION_LAYERS:
        reason = f": {_UNSUPPORTED_LAYERS[name]}" if name in _UNSUPPORTED_LAYERS else ""
        diagnostics.error(
            "invalid-choice",
            f"'augment' does not support the layer '{name}'{reason}",
            layer.span,
            suggestion=None if reason else closest_match(name, AUGMENTATION_LAYERS),
            notes=(f"the supported layers are: {', '.join(AUGMENTATION_LAYERS)}",),
        )
        return
    # Data sources always give channels last: with channels_first the layer would take the height of
    # an image for its channels.
    if layer.argument("data_format") == "channels_first":
        diagnostics.error(
            "invalid-choice",
            f"'augment' always passes images with channels last to {name}",
            layer.argument_span("data_format"),
            notes=("remove 'data_format'",),
        )
