"""Keys that people know from other tools, with what archbuilder has in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_NO_CALLBACKS: Final = (
    "there are no callbacks: checkpoints, history, curves and TensorBoard logs come with every run;"
    " a schedule nests in the optimizer, averages of weights are 'ema' under 'training'"
)
_NO_STOPPING: Final = (
    "a run trains for 'epochs'; it has no early stopping yet, and keeps the last weights"
)
_NO_FREEZING: Final = "write 'trainable: false' among the arguments of the layer"
_NO_WEIGHTS: Final = (
    "weights come from the command line: archbuilder compile NAME --weights FILE;"
    " a run begins with new ones"
)
_NO_WINDOWS: Final = (
    "a row is an example; write windows of a series to arrays of shape (examples, steps, features),"
    " for the source 'npz'"
)
_SPLIT: Final = (
    "write 'data: {train: SOURCE, validation: SOURCE}', or 'validation: 0.2' under 'training'"
)
_SCHEDULE: Final = (
    "a schedule stands in the optimizer: optimizer: {Adam: {learning_rate: {CosineDecay: ...}}}"
)
_MODEL: Final = "write the steps under 'layers', one behind the other"
_FLAT: Final = "a step names the layer itself: - Dense: {units: 10}"

HINTS: Final[Mapping[str, str]] = {
    "accelerator": "write 'distribute' under 'training'",
    "activation": "an activation is an argument of a layer, or a step: - Activation: relu",
    "backbone": _MODEL,
    "batch": "write 'batch_size' under 'training'",
    "best_weights": _NO_STOPPING,
    "callbacks": _NO_CALLBACKS,
    "checkpoint": "write 'checkpoint_seconds' under 'training'",
    "checkpoints": "write 'checkpoint_seconds' under 'training'",
    "class_name": _FLAT,
    "config": _FLAT,
    "criterion": "write 'loss' under 'training'",
    "data_augmentation": "write 'augment' under 'training'",
    "dataset": "write 'data', as in 'data: {npz: {file: data.npz}}'",
    "datasets": "write 'data', as in 'data: {npz: {file: data.npz}}'",
    "defaults": "write a default under 'params', as in 'params: {classes: 10}'",
    "depends_on": "write 'from: NAME' beside the layer",
    "devices": "write 'distribute' under 'training'",
    "early_stopping": _NO_STOPPING,
    "freeze": _NO_FREEZING,
    "frozen": _NO_FREEZING,
    "gradient_accumulation": "write 'accumulate' under 'training'",
    "gradient_clip": "write 'clip' under 'training'",
    "hyperparameters": "write 'params' for the network, and 'training' for how it trains",
    "inbound_nodes": "write 'from: NAME' beside the layer",
    "input_shape": "write 'inputs', as in 'inputs: {image: [28, 28, 1]}'",
    "learning_rate": "it is an argument of the optimizer: optimizer: {Adam: {learning_rate: 1e-3}}",
    "lr": "it is an argument of the optimizer: optimizer: {Adam: {learning_rate: 1e-3}}",
    "lr_scheduler": _SCHEDULE,
    "model": _MODEL,
    "modules": _MODEL,
    "nodes": _MODEL,
    "num_epochs": "write 'epochs' under 'training'",
    "parameters": "write 'params', as in 'params: {classes: 10}'",
    "patience": _NO_STOPPING,
    "precision_policy": "write 'precision' under 'training'",
    "preprocessing": "write such layers among the steps, or 'augment' under 'training'",
    "pretrained": _NO_WEIGHTS,
    "pretrained_weights": _NO_WEIGHTS,
    "reduce_lr_on_plateau": _SCHEDULE,
    "regularization": "it is an argument of a layer: kernel_regularizer: {L2: 1e-4}",
    "restore_best_weights": _NO_STOPPING,
    "sample_weight": "write 'weights' in the source of the data",
    "sample_weights": "write 'weights' in the source of the data",
    "scheduler": _SCHEDULE,
    "sliding_window": _NO_WINDOWS,
    "split": _SPLIT,
    "strategy": "write 'distribute' under 'training'",
    "test_split": _SPLIT,
    "trainable": _NO_FREEZING,
    "train_test_split": _SPLIT,
    "transforms": "write 'augment' under 'training'",
    "validation_data": _SPLIT,
    "validation_split": _SPLIT,
    "version": "write 'archbuilder: 1'",
    "weights": _NO_WEIGHTS,
    "window": _NO_WINDOWS,
    "window_size": _NO_WINDOWS,
}

_TRAINING: Final = (
    "loss", "loss_weights", "optimizer", "metrics", "epochs", "batch_size", "validation", "seed",
    "distribute", "augment", "shuffle", "class_weights", "checkpoint_seconds", "xla", "precision",
    "steps_per_execution", "accumulate", "clip", "ema", "objective",
)  # fmt: skip
_FILE: Final = ("data", "training", "params", "blocks", "imports", "variants", "expect", "networks")


def hint(key: str, where: str) -> str | None:
    """Return what stands in the place of a key that `where`, as messages call it, does not have."""
    folded = key.lower().replace("-", "_")
    if folded in _TRAINING and not where.startswith("'training'"):
        return f"'{folded}' stands under 'training'"
    if folded in _FILE:
        return f"'{folded}' stands at the top of a blueprint"
    return HINTS.get(folded)
