"""Layers of a network that a recipe does not train, or only by matrices of low rank."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from math import prod

import keras

from archbuilder.config.layer_patterns import selects
from archbuilder.config.training import TrainingConfig
from archbuilder.config.value_types import LocatedText
from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.formatting import plural
from archbuilder.keras_backend.lora import lora_adapters
from archbuilder.trainer.lora_layers import check_lora, lora_layers
from archbuilder.trainer.optimizer import layers_by_optimizer


def freeze_layers(
    model: keras.Model,
    path_prefix: str,
    config: TrainingConfig,
    later_stages: Iterable[TrainingConfig] = (),
) -> None:
    """Freeze the layers that `trainable` leaves out or `frozen` names, and add LoRA to any.

    Call it before an optimizer is built. Keras then runs the batch normalization of frozen layers
    in inference mode, with their moving statistics.

    Args:
        model: The network.
        path_prefix: What the paths of its layers begin with in the settings.
        config: The settings.
        later_stages: The settings of the stages that follow, which are only checked.

    Raises:
        BlueprintError: if the settings, or those of a later stage, leave no weight to train, LoRA
            does not fit the layers, or a later stage trains a layer without an optimizer.
    """
    diagnostics = Diagnostics()
    for stage in (config, *later_stages):
        if stage.lora is not None:
            check_lora(model, path_prefix, stage.lora, diagnostics)
        adapted = lora_layers(model, path_prefix, stage.lora)
        trained = [
            layer.name
            for layer in model.layers
            if (layer.trainable_weights and _is_trained(path_prefix + layer.name, stage))
            or layer.name in adapted
        ]
        patterns = stage.frozen or stage.trainable
        if patterns and not trained:
            diagnostics.error(
                "invalid-choice",
                f"'trainable' and 'frozen' leave no weight of the network '{model.name}' to train",
                patterns[0].span if isinstance(patterns[0], LocatedText) else None,
            )
        optimizer = stage.objective.optimizer_of(path_prefix.removesuffix("."))
        # That of the first of these stages is checked when it is made.
        if stage is not config and isinstance(optimizer, Mapping):
            layers_by_optimizer(optimizer, trained, diagnostics)
    diagnostics.raise_errors()
    adapted = lora_layers(model, path_prefix, config.lora)
    for layer in model.layers:
        # A blueprint may have layers that are not trainable.
        if not (layer.trainable and _is_trained(path_prefix + layer.name, config)):
            # Of a layer that is not trainable, Keras would not train the matrices either.
            layer.trainable = layer.name in adapted
            for variable in layer.variables:
                variable.trainable = False
    if config.lora is not None:
        for adapted_layer in chain.from_iterable(adapted.values()):
            adapted_layer.enable_lora(config.lora.rank, lora_alpha=config.lora.alpha)


def _is_trained(path: str, config: TrainingConfig) -> bool:
    is_selected = config.trainable is None or selects(config.trainable, path)
    return is_selected and not selects(config.frozen or (), path)


def trainable_note(model: keras.Model) -> str:
    """Return a sentence on how many parameters of a network are trained."""
    trained, total = (
        sum(prod(each.shape) for each in variables)
        for variables in (model.trainable_variables, model.variables)
    )
    count = sum(1 for each in model.layers if each.variables and not each.trainable)
    note = (
        f"Trainable: {trained:,} of {total:,} parameters of '{model.name}';"
        f" {plural(count, 'layer')} with weights frozen"
    )
    if adapters := lora_adapters(model):
        note += f"; LoRA in {plural(len(adapters), 'layer')}"
    return note
