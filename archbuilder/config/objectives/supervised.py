"""Parser of `objective: supervised`: losses, loss weights and metrics by output."""

from __future__ import annotations

from typing import Final

from archbuilder.config.objectives.reader import ObjectiveReader, TrainingSection
from archbuilder.config.objectives.syntax import GRADIENT_KEYS, ObjectiveSyntax
from archbuilder.config.training import SupervisedConfig


def _parse(reader: ObjectiveReader, section: TrainingSection) -> SupervisedConfig:
    # Without schemas every option is reported: the settings of this objective are keys of
    # 'training'.
    reader.options("supervised", {}, section.options)
    trees = section.trees
    if "loss" not in trees:
        reader.fields.diagnostics.error(
            "missing-key",
            "'training' has no 'loss'",
            section.span,
            notes=("for example 'loss: SparseCategoricalCrossentropy' for class indices",),
        )
    optimizer = reader.optimizer(section)
    losses = reader.losses(trees.get("loss"))
    metrics = reader.metrics(trees.get("metrics"))
    reader.check_metrics_match_loss(losses, metrics)
    return SupervisedConfig(
        losses,
        optimizer,
        reader.loss_weights(trees.get("loss_weights")),
        metrics,
        reader.feed_targets_to_inputs(trees.get("feed_targets_to_inputs")),
        reader.target_from_input(trees.get("target_from_input")),
        reader.class_weight(trees.get("class_weight")),
    )


_KEYS: Final = (
    *("loss", "loss_weights", "class_weight", "optimizer", "metrics"),
    *("feed_targets_to_inputs", "target_from_input", "augment"),
)
SUPERVISED: Final = ObjectiveSyntax(SupervisedConfig, (*_KEYS, *GRADIENT_KEYS), _parse)
