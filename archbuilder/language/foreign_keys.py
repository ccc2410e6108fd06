"""Hints for names that users know from other tools (Keras callbacks, PyTorch Lightning, ...).

A hint names the equivalent in archbuilder. Where archbuilder lacks the feature, it says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_BUILT_IN: Final = (
    "checkpoints, history, curves and TensorBoard logs come with every run, in its directory; leave"
    " it out"
)
_EARLY_STOPPING: Final = (
    "write 'callbacks' under 'training': callbacks: [{EarlyStopping: {monitor: val_loss, patience:"
    " 3}}]"
)
_SAVE_BEST: Final = (
    "write 'save_best' under 'training': 'save_best: val_loss' saves the weights of the best epoch"
    " next to the last"
)
_BEST_WEIGHTS: Final = (
    "it is an argument of a callback: callbacks: [{EarlyStopping: {patience: 3,"
    " restore_best_weights: true}}] under 'training'"
)
_MONITOR: Final = (
    "it is an argument of a callback, such as callbacks: [{EarlyStopping: {monitor: val_loss}}]"
    " under 'training'"
)
_PLATEAU: Final = (
    "write 'callbacks' under 'training': callbacks: [{ReduceLROnPlateau: {factor: 0.5, patience:"
    " 2}}]"
)
_FREEZING: Final = (
    "write 'frozen' under 'training', such as frozen: [backbone.*], or 'trainable: false' among the"
    " arguments of the layer"
)
_WEIGHTS: Final = (
    "write 'weights: FILE' under 'training'; for one command, the option is --weights FILE"
)
_RESUME: Final = "resume a run with: archbuilder train --resume RUN"
_IMAGE_SIZE: Final = "write 'size' in the source 'images', as in 'size: [64, 64]'"
_WINDOW: Final = "write 'window: {length: 24}' in a source of rows, for windows of a series"
_SPLIT: Final = (
    "write 'data: {train: SOURCE, validation: SOURCE}', or 'validation_split: 0.2' under 'training'"
)
_TIME_SPLIT: Final = (
    "write 'shuffle: false' under 'training': the data keeps its order, and 'validation_split'"
    " takes the last examples"
)
_SCHEDULE: Final = (
    "a learning rate schedule is an argument of the optimizer:"
    " optimizer: {Adam: {learning_rate: {CosineDecay: {initial_learning_rate: 1e-3, decay_steps:"
    " 100%}}}}, with percentages of the run or numbers of steps"
)
_LEARNING_RATE: Final = (
    "it is an argument of the optimizer: optimizer: {Adam: {learning_rate: 1e-3}}"
)
_STEPS: Final = (
    "an epoch is every example once, in batches of 'batch_size'; it cannot have another"
    " number of steps"
)
_ACCUMULATE: Final = (
    "write 'gradient_accumulation_steps: 4' under 'training': it splits each batch into 4"
    " microbatches"
)
_CLIP: Final = (
    "clipping is an argument of the optimizer, 'clipnorm', 'global_clipnorm' or 'clipvalue':"
    " optimizer: {Adam: {clipnorm: 1}}"
)
_EMA: Final = (
    "averages of weights are an argument of the optimizer:"
    " optimizer: {Adam: {use_ema: true, ema_momentum: 0.999}}"
)
_CLASS_WEIGHT: Final = "write 'class_weight' under 'training', as in 'class_weight: {0: 1, 1: 5}'"
_DTYPE_POLICY: Final = "write 'dtype_policy' under 'training', as in 'dtype_policy: mixed_bfloat16'"
_JIT_COMPILE: Final = "write 'jit_compile' under 'training'"
_CHECKPOINTS: Final = "write 'checkpoint_every_seconds' under 'training'"
_MASK_RATE: Final = "write 'mask_rate', an option of the objective: {masked_lm: {mask_rate: 0.15}}"
_SAMPLE_WEIGHTS: Final = (
    "write 'sample_weight' in the data source: npz, npy, csv, parquet, jsonl or tfrecord"
)
_DIVIDE_BY: Final = "write 'divide_by: 255' in the data source: inputs are divided by it"
_SEQUENCE_LENGTH: Final = "write 'sequence_length' in the source 'text' or 'pairs'"
_TOKENIZER: Final = "write 'tokenizer' in the source 'text' or 'pairs', as in 'tokenizer: bpe'"
_VOCABULARY_SIZE: Final = "write 'vocabulary_size' in the source 'text' or 'pairs'"
_READERS: Final = "batches are always prefetched by several threads; leave it out"
_SOURCES: Final = "write 'from: NAME', or 'from: [a, b]' for several inputs"
_TIMES: Final = "write 'repeat: 3'"
_MERGING: Final = "write 'merge: Concatenate' beside 'branches', or {Concatenate: , from: [a, b]}"
_COMPILE: Final = "write 'optimizer', 'loss' and 'metrics' under 'training'"
_CHANNELS_IN: Final = "leave it out: Keras takes it from the shape of the input"
_POOL_TO_ONE: Final = (
    "write 'GlobalAveragePooling2D', with 'keepdims: true' if the spatial axes should stay"
)
_MODEL: Final = "write the steps under 'layers', in sequence"
_FLAT: Final = "a step names the layer itself: - Dense: {units: 10}"
_BATCH_NORM: Final = "write 'BatchNormalization'"
_CROSSENTROPY: Final = (
    "write 'SparseCategoricalCrossentropy'; for a network without a softmax at its end:"
    " {SparseCategoricalCrossentropy: {from_logits: true}}"
)

HINTS: Final[Mapping[str, str]] = {
    "acc": "write 'accuracy'",
    "accelerator": "write 'distribute' under 'training'",
    "accumulate": _ACCUMULATE,
    "accumulate_grad_batches": _ACCUMULATE,
    "accumulation_steps": _ACCUMULATE,
    "activation": "an activation is an argument of a layer, or a step: - Activation: relu",
    "adaptive_avg_pool1d": "write 'GlobalAveragePooling1D'",
    "adaptive_avg_pool2d": _POOL_TO_ONE,
    "avg_pool2d": "write 'AveragePooling2D'",
    "backbone": _MODEL,
    "backup_and_restore": _RESUME,
    "batch": "write 'batch_size' under 'training'",
    "batch_norm": _BATCH_NORM,
    "batch_norm1d": _BATCH_NORM,
    "batch_norm2d": _BATCH_NORM,
    "bce_loss": "write 'BinaryCrossentropy'",
    "bce_with_logits_loss": "write {BinaryCrossentropy: {from_logits: true}}",
    "best": _SAVE_BEST,
    "best_epoch": _SAVE_BEST,
    "best_model": _SAVE_BEST,
    "best_only": _SAVE_BEST,
    "best_weights": _SAVE_BEST,
    "buffer_size": _READERS,
    "checkpoint": _CHECKPOINTS,
    "checkpoint_best": _SAVE_BEST,
    "checkpoint_seconds": _CHECKPOINTS,
    "checkpoints": _CHECKPOINTS,
    "chronological_split": _TIME_SPLIT,
    "class_name": _FLAT,
    "class_weights": _CLASS_WEIGHT,
    "clipnorm": _CLIP,
    "clipvalue": _CLIP,
    "color_mode": "write 'channels: 1' in the source 'images' for gray images, or 'channels: 3'",
    "compile": _COMPILE,
    "config": _FLAT,
    "conv_transpose2d": "write 'Conv2DTranspose'",
    "criterion": "write 'loss' under 'training'",
    "cross_entropy": _CROSSENTROPY,
    "cross_entropy_loss": _CROSSENTROPY,
    "csv_logger": _BUILT_IN,
    "data_augmentation": "write 'augment' under 'training'",
    "dataset": "write 'data', as in 'data: {npz: {file: data.npz}}'",
    "datasets": "write 'data', as in 'data: {npz: {file: data.npz}}'",
    "defaults": "write a default under 'params', as in 'params: {classes: 10}'",
    "depends_on": "write 'from: NAME' beside the layer",
    "devices": "write 'distribute' under 'training'",
    "divisor": _DIVIDE_BY,
    "early_stop": _EARLY_STOPPING,
    "early_stopping": _EARLY_STOPPING,
    "ema_momentum": _EMA,
    "ema_overwrite_frequency": _EMA,
    "exponential_moving_average": _EMA,
    "fit": _COMPILE,
    "folder": "write 'directory' in the source 'images', as in 'data: {images: {directory: pets}}'",
    "freeze": _FREEZING,
    "global_clipnorm": _CLIP,
    "gradient_accumulation": _ACCUMULATE,
    "gradient_clip": _CLIP,
    "gradient_clip_val": _CLIP,
    "gradient_clipping": _CLIP,
    "holdout_last": _TIME_SPLIT,
    "hyperparameters": "write 'params' for the network, and 'training' for how it trains",
    "in_channels": _CHANNELS_IN,
    "in_features": _CHANNELS_IN,
    "inbound_nodes": "write 'from: NAME' beside the layer",
    "init_weights": _WEIGHTS,
    "initial_epoch": _RESUME,
    "initial_weights": _WEIGHTS,
    "inplace": "leave it out: Keras decides about memory itself",
    "input_shape": "write 'inputs', as in 'inputs: {image: [28, 28, 1]}'",
    "keep_best": _SAVE_BEST,
    "l1_loss": "write 'MeanAbsoluteError'",
    "label_smoothing": "it is an argument of a loss: {BinaryCrossentropy: {label_smoothing: 0.1}}",
    "layer_norm": "write 'LayerNormalization'",
    "learning_rate": _LEARNING_RATE,
    "learning_rate_scheduler": _SCHEDULE,
    "length": _SEQUENCE_LENGTH,
    "limit_train_batches": _STEPS,
    "linear": "write 'Dense', as in 'Dense: 10' for 10 units",
    "load_best_model_at_end": _BEST_WEIGHTS,
    "load_weights": _WEIGHTS,
    "log_dir": _BUILT_IN,
    "lr": _LEARNING_RATE,
    "lr_plateau": _PLATEAU,
    "lr_schedule": _SCHEDULE,
    "lr_scheduler": _SCHEDULE,
    "max_epochs": "write 'epochs' under 'training'",
    "max_grad_norm": _CLIP,
    "max_length": _SEQUENCE_LENGTH,
    "max_steps": _STEPS,
    "max_tokens": "write 'vocabulary_size' of the tokenizer",
    "metric_for_best_model": _MONITOR,
    "min_delta": _MONITOR,
    "mixed_precision": _DTYPE_POLICY,
    "mlm_probability": _MASK_RATE,
    "model": _MODEL,
    "model_checkpoint": _SAVE_BEST,
    "modules": _MODEL,
    "monitor": _MONITOR,
    "mse_loss": "write 'MeanSquaredError'",
    "n_epochs": "write 'epochs' under 'training'",
    "nll_loss": _CROSSENTROPY,
    "nodes": _MODEL,
    "num_epochs": "write 'epochs' under 'training'",
    "num_workers": _READERS,
    "output_mode": "write 'output: multi_hot', 'count' or 'tf_idf'; without it, there are ids",
    "output_sequence_length": "write 'sequence_length'",
    "parameters": "write 'params', as in 'params: {classes: 10}'",
    "patience": _MONITOR,
    "per_device_batch_size": "write 'batch_size' under 'training': it is the global batch size,"
    " over all devices",
    "plateau": _PLATEAU,
    "precision_policy": _DTYPE_POLICY,
    "prefetch": _READERS,
    "preprocessing": "write such layers among the steps, or 'augment' under 'training'",
    "pretrained": _WEIGHTS,
    "pretrained_weights": _WEIGHTS,
    "random_seed": "write 'seed' under 'training'",
    "random_state": "write 'seed' under 'training'",
    "reduce_lr": _PLATEAU,
    "reduce_lr_on_plateau": _PLATEAU,
    "regularization": "it is an argument of a layer: kernel_regularizer: {L2: 1e-4}",
    "rescale": _DIVIDE_BY,
    "restore_best_weights": _BEST_WEIGHTS,
    "resume": _RESUME,
    "resume_from": _RESUME,
    "resume_from_checkpoint": _RESUME,
    "sample_weight": _SAMPLE_WEIGHTS,
    "sample_weights": _SAMPLE_WEIGHTS,
    "save_best_only": _SAVE_BEST,
    "save_freq": _CHECKPOINTS,
    "scale": _DIVIDE_BY,
    "schedule": _SCHEDULE,
    "scheduler": _SCHEDULE,
    "seq_len": _SEQUENCE_LENGTH,
    "sequential": _MODEL,
    "shuffle_buffer": _READERS,
    "sliding_window": _WINDOW,
    "split": _SPLIT,
    "standardize": "write 'lowercase: true' and 'strip_punctuation: true'",
    "start_weights": _WEIGHTS,
    "steps_per_epoch": _STEPS,
    "strategy": "write 'distribute' under 'training'",
    "swap_ema_weights": _EMA,
    "target_size": _IMAGE_SIZE,
    "temporal_split": _TIME_SPLIT,
    "tensorboard": _BUILT_IN,
    "test_size": _SPLIT,
    "time_series_split": _TIME_SPLIT,
    "time_split": _TIME_SPLIT,
    "tokens": _TOKENIZER,
    "train_test_split": _SPLIT,
    "transforms": "write 'augment' under 'training'",
    "use": "write 'reuse: NAME', the name of an earlier step whose weights are shared",
    "use_ema": _EMA,
    "val": _SPLIT,
    "val_data": _SPLIT,
    "val_split": _SPLIT,
    "validation": _SPLIT,
    "validation_data": _SPLIT,
    "validation_size": _SPLIT,
    "validation_steps": _STEPS,
    "version": "write 'archbuilder: 1'",
    "vocab_size": _VOCABULARY_SIZE,
    "vocabulary": _VOCABULARY_SIZE,
    "warmup": _SCHEDULE,
    "warmup_steps": _SCHEDULE,
    "weight_decay": "it is an argument of the optimizer: optimizer: {AdamW: {weight_decay: 1e-4}}",
    "window_size": _WINDOW,
    "workers": _READERS,
    "xla": _JIT_COMPILE,
}

_CONTEXT_HINTS: Final[Mapping[str, Mapping[str, str]]] = {
    "'ridge'": {"penalty": "write 'alpha'"},
    "a step": {
        "concat": _MERGING,
        "frozen": _FREEZING,
        "if": "write 'when: CONDITION'",
        "input": _SOURCES,
        "inputs": _SOURCES,
        "n": _TIMES,
        "number": _TIMES,
        "times": _TIMES,
        "trainable": _FREEZING,
    },
    "the source": {"image_size": _IMAGE_SIZE, "weights": _SAMPLE_WEIGHTS},
    "'training'": {
        "clip": _CLIP,
        "ema": _EMA,
        "inputs": "write 'feed_targets_to_inputs', a mapping of inputs to outputs",
        "precision": _DTYPE_POLICY,
        "targets": "write 'target_from_input', a mapping of outputs to inputs",
    },
}
"""Hints by the start of `where`, for keys that have another meaning elsewhere."""

# Written out, because the config package, which defines these keys, imports this module. A test
# compares both lists.
_TRAINING_NAMES: Final = (
    "loss", "loss_weights", "optimizer", "metrics", "epochs", "batch_size", "validation_split",
    "seed", "distribute", "augment", "shuffle", "class_weight", "sampling",
    "checkpoint_every_seconds",
    "jit_compile", "dtype_policy", "steps_per_execution", "gradient_accumulation_steps",
    "objective", "feed_targets_to_inputs", "target_from_input", "callbacks",
    "save_best", "weights", "trainable", "frozen", "stages", "test_split", "train_split",
    "lora", "image_size",
)  # fmt: skip
_FILE_NAMES: Final = (
    "data",
    "training",
    "params",
    "blocks",
    "imports",
    "variants",
    "expect",
    "networks",
)


def key_hint(key: str, where: str) -> str | None:
    """Return a hint for an unknown key, or None.

    `where` is the mapping that lacks the key, in the words of the message ("'training'", "the
    source 'csv'"). A valid key in the wrong section gets a hint that names the right one.
    """
    normalized = _normalize(key)
    for context, hints in _CONTEXT_HINTS.items():
        if where.startswith(context) and normalized in hints:
            return hints[normalized]
    name = _NORMALIZED_TRAINING_KEYS.get(normalized)
    if name is not None and not where.startswith("'training'"):
        # `data` can have a source 'validation', so the hint shows both.
        return _SPLIT if name == "validation_split" else f"'{name}' belongs under 'training'"
    name = _NORMALIZED_FILE_KEYS.get(normalized)
    if name is not None:
        return f"'{name}' belongs at the top level of a blueprint"
    return object_hint(key)


def object_hint(name: str) -> str | None:
    """Return a hint for an object of another tool, such as a callback, or None."""
    return _NORMALIZED_HINTS.get(_normalize(name))


def _normalize(name: str) -> str:
    """Return one form of `EarlyStopping`, `early_stopping` and `early-stopping`."""
    return name.lower().replace("-", "").replace("_", "")


_NORMALIZED_TRAINING_KEYS: Final = {_normalize(each): each for each in _TRAINING_NAMES}
_NORMALIZED_FILE_KEYS: Final = {_normalize(each): each for each in _FILE_NAMES}
_NORMALIZED_HINTS: Final = {_normalize(each): text for each, text in HINTS.items()}
