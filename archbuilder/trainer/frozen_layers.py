"""Layers of a network that a recipe does not train."""

from __future__ import annotations

from math import prod

import keras

from archbuilder.config.layer_patterns import selects
from archbuilder.config.training import TrainingConfig
from archbuilder.diagnostics.errors import UsageError
from archbuilder.formatting import plural


def freeze_layers(model: keras.Model, path_prefix: str, config: TrainingConfig) -> None:
    """Freeze the layers that `trainable` leaves out or `frozen` names.

    Call it before an optimizer is built. Keras then runs the batch normalization of frozen layers
    in inference mode, with their moving statistics.

    Args:
        model: The network.
        path_prefix: What the paths of its layers begin with in the settings.
        config: The settings.

    Raises:
        UsageError: if no weight is left to train.
    """
    if config.trainable is None and config.frozen is None:
        return
    for layer in model.layers:
        path = path_prefix + layer.name
        is_selected = config.trainable is None or selects(config.trainable, path)
        # Never set to True: a blueprint may have layers that are not trainable.
        if not is_selected or selects(config.frozen or (), path):
            layer.trainable = False
    if not model.trainable_variables:
        raise UsageError(
            f"'trainable' and 'frozen' leave no weight of the network '{model.name}' to train"
        )


def trainable_note(model: keras.Model) -> str:
    """Return a sentence on how many parameters of a network are trained."""
    trained, total = (
        sum(prod(each.shape) for each in variables)
        for variables in (model.trainable_variables, model.variables)
    )
    count = sum(1 for each in model.layers if each.variables and not each.trainable)
    return (
        f"Trainable: {trained:,} of {total:,} parameters of '{model.name}';"
        f" {plural(count, 'layer')} with weights frozen"
    )
