"""Properties of losses by class: what their targets are, and how they reduce examples.

Every loss has a row here. Other modules decide by these properties, not by the names of losses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from archbuilder.compiler.keras_object import KerasObject

TargetFormat: TypeAlias = Literal[
    "values", "probabilities", "one_hot", "class_indices", "label_sequence", "identities", "none"
]


@dataclass(frozen=True, slots=True)
class LossTraits:
    """Properties of a loss."""

    targets: TargetFormat = "values"
    """
    - `values`: numbers in the shape of the output.
    - `probabilities`: numbers from 0 to 1 in the shape of the output, each that of a binary label.
    - `one_hot`: one number per class, on the last axis of the output.
    - `class_indices`: a class index in place of that axis.
    - `label_sequence`: class indices, padded with zeros.
    - `identities`: an integer; examples with the same integer belong together.
    - `none`: there are none, since the output is the loss.
    """
    takes_classes: bool = True
    """Whether targets are classes or probabilities of classes rather than quantities."""
    activation: Literal["sigmoid", "softmax"] | None = None
    """The activation that turns logits into what the loss expects; None if there is none."""
    skips_activation: bool = False
    """Whether Keras, with `from_logits`, computes the loss from the logits before a final
    activation. Other losses apply the activation a second time (Keras 3.15)."""
    reduces_positions: bool = False
    """Whether the loss reduces all positions of an example to one value."""
    combines_examples: bool = False
    """Whether the loss is not a mean over examples. If it has an argument `axis`, it combines
    examples only if the sums run over the batch axis."""


_QUANTITIES: Final = LossTraits(takes_classes=False)
LOSS_TRAITS: Final[Mapping[str, LossTraits]] = {
    **dict.fromkeys(
        (
            "CIoU",
            "Charbonnier",
            "CosineSimilarity",
            "GIoU",
            "Huber",
            "LogCosh",
            "MeanAbsoluteError",
            "MeanAbsolutePercentageError",
            "MeanSquaredError",
            "MeanSquaredLogarithmicError",
            "Poisson",
        ),
        _QUANTITIES,
    ),
    "BinaryCrossentropy": LossTraits("probabilities", activation="sigmoid", skips_activation=True),
    "BinaryFocalCrossentropy": LossTraits("probabilities", activation="sigmoid"),
    "CTC": LossTraits("label_sequence", reduces_positions=True),
    "CapsuleMargin": LossTraits(),
    "CategoricalCrossentropy": LossTraits("one_hot", activation="softmax", skips_activation=True),
    "CategoricalFocalCrossentropy": LossTraits("one_hot", activation="softmax"),
    "CategoricalGeneralizedCrossEntropy": LossTraits("class_indices", activation="softmax"),
    "CategoricalHinge": LossTraits("one_hot"),
    "Circle": LossTraits("identities", combines_examples=True),
    "Dice": LossTraits(reduces_positions=True, combines_examples=True),
    "Hinge": LossTraits(),
    "KLDivergence": LossTraits(),
    "LabelSmoothedCrossentropy": LossTraits("class_indices", activation="softmax"),
    "PSNRLoss": LossTraits(takes_classes=False, reduces_positions=True),
    "SSIMLoss": LossTraits(takes_classes=False, reduces_positions=True),
    "SparseCategoricalCrossentropy": LossTraits(
        "class_indices", activation="softmax", skips_activation=True
    ),
    "SquaredHinge": LossTraits(),
    "Tversky": LossTraits(reduces_positions=True, combines_examples=True),
    "Value": LossTraits("none", takes_classes=False),
}
"""All losses by class name."""


def traits_of(loss: KerasObject | None) -> LossTraits:
    """Return the properties of a loss; those of a loss of quantities if there is none."""
    return LOSS_TRAITS.get(loss.class_name, _QUANTITIES) if loss else _QUANTITIES


def is_own_loss(loss: KerasObject | None) -> bool:
    """Return whether an output with this loss is the loss itself, and is not compared."""
    return traits_of(loss).targets == "none"
