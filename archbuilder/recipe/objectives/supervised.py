"""`objective: supervised`: losses, their weights and metrics by output."""

from __future__ import annotations

from typing import Final

from archbuilder.recipe.objectives.form import STEPWISE, ObjectiveForm
from archbuilder.recipe.objectives.reader import ObjectiveReader, Written
from archbuilder.recipe.spec import Supervised


def _read(reader: ObjectiveReader, written: Written) -> Supervised:
    reader.options("supervised", {}, written.options)
    trees = written.trees
    if "loss" not in trees:
        reader.form.diagnostics.error(
            "missing-key",
            "'training' does not say which 'loss' to minimise",
            written.place,
            notes=("as in 'loss: SparseCategoricalCrossentropy' for classes by number",),
        )
    optimizer = reader.optimizer(written)
    losses = reader.losses(trees.get("loss"))
    metrics = reader.metrics(trees.get("metrics"))
    reader.agree(losses, metrics)
    return Supervised(
        losses,
        optimizer,
        reader.weights(trees.get("loss_weights")),
        metrics,
        reader.inputs_of_targets(trees.get("inputs")),
        reader.targets_of_inputs(trees.get("targets")),
        reader.class_weights(trees.get("class_weights")),
    )


_KEYS: Final = (
    *("loss", "loss_weights", "class_weights", "optimizer", "metrics"),
    *("inputs", "targets", "augment"),
)
SUPERVISED: Final = ObjectiveForm(Supervised, (*_KEYS, *STEPWISE), _read)
