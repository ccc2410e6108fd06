"""Labels of layers that mix the images of a batch: which outputs take mixed labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.loss_traits import traits_of
from archbuilder.config.objectives import SupervisedConfig
from archbuilder.data.augmentation import MIXING_LAYERS
from archbuilder.data.pipeline import AdaptedDataset
from archbuilder.data.seeded_layer import AUGMENTATION_MISMATCH
from archbuilder.data.targets import Target
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics


def mixing_layers(layers: Sequence[KerasObject]) -> list[KerasObject]:
    """Return the layers that mix the images of a batch."""
    return [each for each in layers if each.class_name in MIXING_LAYERS]


def refuse_mixing(layers: Sequence[KerasObject], reason: str, note: str = "") -> None:
    """Refuse layers that mix the images of a batch, if there are any.

    Raises:
        BlueprintError: with the reason and the location of the first one.
    """
    for layer in mixing_layers(layers):
        raise _mixing_error(layer, reason, note)


def find_mixed_labels(
    layers: Sequence[KerasObject],
    objective: SupervisedConfig,
    dataset: AdaptedDataset,
    images: Collection[str],
    dense_targets: Collection[str],
) -> tuple[str, ...]:
    """Return the outputs whose labels are mixed in proportion to the images; none without layers.

    `images` are the inputs that are images. Dense targets are mixed as the images are.

    Raises:
        BlueprintError: if a layer mixes images, and the rest of an example cannot be mixed.
    """
    mixing = mixing_layers(layers)
    if not mixing:
        return ()
    other_inputs = [name for name in dataset.inputs if name not in images]
    if other_inputs:
        refuse_mixing(layers, f"the input '{other_inputs[0]}' is not an image and is not mixed")
    if dataset.sample_weights:
        refuse_mixing(layers, "the weights of examples or classes belong to one example each")
    mixed = []
    for output in objective.compared_outputs:
        target = dataset.targets[output]
        if output in dense_targets:
            _check_dense_target(mixing, output, target)
        elif _has_mixable_labels(objective, output, target):
            mixed.append(output)
        else:
            refuse_mixing(
                layers,
                f"the targets of the output '{output}' cannot be mixed",
                "labels are mixed as one value per class: use CategoricalCrossentropy, which"
                " encodes class indices, or BinaryCrossentropy",
            )
    return tuple(mixed)


def _has_mixable_labels(objective: SupervisedConfig, output: str, target: object) -> bool:
    """Return whether targets have a value per class, or a probability."""
    if not isinstance(target, Target):
        return False
    targets = traits_of(objective.loss.get(output)).targets
    return target.num_classes is not None or targets in ("one_hot", "probabilities")


def _check_dense_target(mixing: Sequence[KerasObject], output: str, target: object) -> None:
    """Check that a target with a value per pixel can be mixed; CutMix only moves values."""
    is_index = (
        isinstance(target, Target) and target.num_classes is None and target.dtype.kind in "iu"
    )
    for layer in mixing:
        if is_index and layer.class_name == "MixUp":
            raise _mixing_error(
                layer,
                f"the class indices of the output '{output}' cannot be mixed",
                "use CutMix, or CategoricalCrossentropy, which encodes class indices",
            )


def _mixing_error(layer: KerasObject, reason: str, note: str) -> BlueprintError:
    diagnostics = Diagnostics()
    diagnostics.error(
        AUGMENTATION_MISMATCH,
        f"{layer.class_name} mixes the examples of a batch, and {reason}",
        layer.span,
        notes=(note,) if note else (),
    )
    return BlueprintError(diagnostics)
