"""What a person decided about Keras's arguments: their types and ranges, and what is refused.

The generator takes names and defaults from Keras and types from here. An argument without a rule
stops it, so that nothing new in Keras is accepted before somebody has looked at it.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

BOOLEAN: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer"}
POSITIVE: Schema = {"type": "integer", "minimum": 1}
NATURAL: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
NOT_NEGATIVE: Schema = {"type": "number", "minimum": 0}
ABOVE_ZERO: Schema = {"type": "number", "exclusiveMinimum": 0}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
RATE: Schema = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
TEXT: Schema = {"type": "string", "maxLength": 256}
SEED: Schema = {"type": ["integer", "null"], "minimum": 0, "maximum": 2**31 - 1}
AXIS: Schema = {"type": "integer", "minimum": -16, "maximum": 15}


def one_of(*values: str | bool | None) -> Schema:
    """A choice among words."""
    return {"enum": list(values)}


def items(schema: Schema, fewest: int = 0, most: int = 64) -> Schema:
    """A list."""
    return {"type": "array", "items": schema, "minItems": fewest, "maxItems": most}


def either(*schemas: Schema) -> Schema:
    """One of several types."""
    return {"anyOf": list(schemas)}


def optional(schema: Schema) -> Schema:
    """A type, or null."""
    if "type" in schema and isinstance(schema["type"], str):
        return {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    return {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}


def sizes(schema: Schema, rank: int) -> Schema:
    """One size for all dimensions, or one for each."""
    return either(schema, items(schema, rank, rank))


def object_of(kind: str, *, many: bool = False, nullable: bool = False) -> Schema:
    """A nested object of a kind."""
    return {"object": kind, "many": many, "nullable": nullable}


RANGE = either(NUMBER, items(NUMBER, 2, 2))
"""An upper factor, or a lower and an upper one."""

DTYPES = [
    "bfloat16",
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "string",
]
POLICIES = [*DTYPES[:4], "mixed_bfloat16", "mixed_float16"]

FILL_MODES = one_of("constant", "nearest", "wrap", "mirror", "reflect")
INTERPOLATIONS = one_of("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area")
VOCABULARY = optional(items(either(TEXT, INTEGER), 0, 100_000))


def by_rank(rank: int) -> dict[str, Schema]:
    """Arguments that are one size or one for each dimension of a layer of this rank."""
    pair = either(NATURAL, items(NATURAL, 2, 2))
    return {
        "kernel_size": sizes(POSITIVE, rank),
        "strides": optional(sizes(POSITIVE, rank)),
        "pool_size": sizes(POSITIVE, rank),
        "dilation_rate": sizes(POSITIVE, rank),
        "output_padding": optional(sizes(NATURAL, rank)),
        "size": sizes(POSITIVE, rank),
        "output_size": sizes(optional(POSITIVE), rank),
        "cropping": either(NATURAL, items(pair, rank, rank)) if rank > 1 else pair,
    }


ARGUMENTS: dict[str, Schema] = {
    "activation": object_of("activation", nullable=True),
    "addition_factor": either(SHARE, items(SHARE, 2, 2)),
    "activity_regularizer": object_of("regularizer", nullable=True),
    "all_ops": BOOLEAN,
    "alpha": ABOVE_ZERO,
    "antialias": BOOLEAN,
    "attention_axes": optional(either(AXIS, items(AXIS, 1, 8))),
    "autocast": BOOLEAN,
    "axes": either(AXIS, items(AXIS, 2, 2)),
    "axis": either(AXIS, items(AXIS, 1, 8)),
    "base": ABOVE_ZERO,
    "backward_layer": object_of("recurrent layer", nullable=True),
    "beta": NUMBER,
    "bias": NUMBER,
    "bias_scaling": NOT_NEGATIVE,
    "bias_axes": optional(
        {
            "type": "string",
            "pattern": "^[a-zA-Z]{1,8}$",
            "description": "letters of the equation, such as 'bc'",
        }
    ),
    "bin_boundaries": optional(items(NUMBER, 1, 10_000)),
    "bins": {"type": "integer", "minimum": 1, "maximum": 65_536},
    "brightness_factor": optional(RANGE),
    "capsules": POSITIVE,
    "cell": object_of("cell"),
    "cells": object_of("cell", many=True),
    "center": BOOLEAN,
    "chain_depth": {"type": "integer", "minimum": -1, "maximum": 64},
    "clip_limit": ABOVE_ZERO,
    "contrast_factor": optional(RANGE),
    "crop_to_aspect_ratio": BOOLEAN,
    "data_format": one_of("channels_last", "channels_first", None),
    "density": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "depth_multiplier": POSITIVE,
    "depth_radius": POSITIVE,
    "dimension": POSITIVE,
    "dims": items(POSITIVE, 1, 15),
    "dropout": RATE,
    "dtype": one_of(*POLICIES, "int32", "int64", "uint8", None),
    "encoding": one_of("utf-8"),
    "epsilon": NOT_NEGATIVE,
    "equation": {
        "type": "string",
        "pattern": r"^(\.\.\.)?[a-zA-Z]{1,8},[a-zA-Z]{1,8}->(\.\.\.)?[a-zA-Z]{1,8}$",
        "description": "an equation such as 'abc,cd->abd'",
    },
    "expand_dims": BOOLEAN,
    "factor": RANGE,
    "fft_length": optional({"type": "integer", "minimum": 1, "maximum": 8192}),
    "fill_mode": FILL_MODES,
    "fill_value": optional(NUMBER),
    "filters": POSITIVE,
    "flash_attention": optional(BOOLEAN),
    "frame_length": {"type": "integer", "minimum": 1, "maximum": 8192},
    "frame_step": optional({"type": "integer", "minimum": 1, "maximum": 8192}),
    "go_backwards": BOOLEAN,
    "groups": POSITIVE,
    "head_dim": POSITIVE,
    "height": POSITIVE,
    "height_factor": RANGE,
    "hue_factor": optional(RANGE),
    "implementation": {"enum": [0, 1, 2]},
    "input_dim": POSITIVE,
    "input_scaling": NOT_NEGATIVE,
    "interleaved": BOOLEAN,
    "interpolation": INTERPOLATIONS,
    "invert": BOOLEAN,
    "iterations": {"type": "integer", "minimum": 1, "maximum": 64},
    "keepdims": BOOLEAN,
    "key_dim": POSITIVE,
    "l1": NOT_NEGATIVE,
    "l2": NOT_NEGATIVE,
    "layer": object_of("layer"),
    "length": POSITIVE,
    "leak_rate": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "logit_soft_cap": optional(ABOVE_ZERO),
    "mag_exp": ABOVE_ZERO,
    "mask_token": optional(either(TEXT, INTEGER)),
    "mask_value": optional(either(NUMBER, TEXT)),
    "mask_zero": BOOLEAN,
    "max_freq": optional(ABOVE_ZERO),
    "max_number": POSITIVE,
    "max_tokens": optional(POSITIVE),
    "max_value": optional(NOT_NEGATIVE),
    "max_wavelength": ABOVE_ZERO,
    "mean": optional(either(NUMBER, items(NUMBER, 1, 10_000))),
    "merge_mode": one_of("sum", "mul", "concat", "ave", None),
    "min_freq": NOT_NEGATIVE,
    "min_power": ABOVE_ZERO,
    "momentum": SHARE,
    "n": POSITIVE,
    "negative_slope": NOT_NEGATIVE,
    "ngrams": optional(either(POSITIVE, items(POSITIVE, 1, 16))),
    "noise_shape": optional(items(optional(POSITIVE), 1, 16)),
    "normalize": BOOLEAN,
    "num_bins": optional(POSITIVE),
    "num_chains": {"type": "integer", "minimum": 1, "maximum": 64},
    "num_heads": POSITIVE,
    "num_key_value_heads": POSITIVE,
    "num_mel_bins": {"type": "integer", "minimum": 1, "maximum": 4096},
    "num_oov_indices": NATURAL,
    "num_ops": {"type": "integer", "minimum": 1, "maximum": 64},
    "num_query_heads": POSITIVE,
    "num_tokens": optional(POSITIVE),
    "offset": either(NUMBER, items(NUMBER, 1, 64)),
    "oov_method": one_of("floormod", "farmhash", None),
    "oov_token": either(TEXT, INTEGER),
    "output_dim": POSITIVE,
    "output_mode": one_of("int", "one_hot", "multi_hot", "count", "tf_idf"),
    "output_sequence_length": optional(POSITIVE),
    "output_shape": optional(either(POSITIVE, items(optional(POSITIVE), 1, 16))),
    "pad_to_aspect_ratio": BOOLEAN,
    "pad_to_max_tokens": BOOLEAN,
    "padding": one_of("valid", "same"),
    "periodic": BOOLEAN,
    "pieces": POSITIVE,
    "power_iterations": {"type": "integer", "minimum": 1, "maximum": 1000},
    "power_to_db": BOOLEAN,
    "ragged": {"enum": [False]},
    "rate": RATE,
    "recurrent_activation": object_of("activation", nullable=True),
    "recurrent_dropout": RATE,
    "ref_power": ABOVE_ZERO,
    "renorm": BOOLEAN,
    "reset_after": BOOLEAN,
    "return_sequences": BOOLEAN,
    "return_state": BOOLEAN,
    "reverse_dtype": one_of(*POLICIES, None),
    "salt": optional(either(NATURAL, items(NATURAL, 2, 2))),
    "sampling_rate": POSITIVE,
    "saturation_factor": optional(RANGE),
    "scale": BOOLEAN,
    "scaling": one_of("density", "spectrum", None),
    "score_mode": one_of("dot", "concat"),
    "seed": SEED,
    "sequence_length": optional({"type": "integer", "minimum": 1, "maximum": 8192}),
    "sequence_stride": {"type": "integer", "minimum": 1, "maximum": 8192},
    "shared_axes": optional(items(POSITIVE, 1, 15)),
    "sigma": either(ABOVE_ZERO, items(ABOVE_ZERO, 2, 2)),
    "sliding_window": optional(POSITIVE),
    "sparse": {"enum": [False]},
    "spectral_radius": ABOVE_ZERO,
    "split": one_of("whitespace", "character", None),
    "standardize": one_of("lower_and_strip_punctuation", "lower", "strip_punctuation", None),
    "stateful": BOOLEAN,
    "stddev": NOT_NEGATIVE,
    "stop_gradients": BOOLEAN,
    "supports_masking": BOOLEAN,
    "synchronized": BOOLEAN,
    "target_shape": items({"type": "integer", "minimum": -1}, 0, 15),
    "threshold": NOT_NEGATIVE,
    "threshold_factor": either(SHARE, items(SHARE, 2, 2)),
    "tie_weights": BOOLEAN,
    "tile_grid_size": items(POSITIVE, 2, 2),
    "top_db": ABOVE_ZERO,
    "trainable": BOOLEAN,
    "unit_forget_bias": BOOLEAN,
    "units": POSITIVE,
    "unroll": BOOLEAN,
    "use_bias": BOOLEAN,
    "use_cudnn": {"enum": ["auto", True, False]},
    "use_gate": BOOLEAN,
    "use_scale": BOOLEAN,
    "value_dim": optional(POSITIVE),
    "value_range": items(NUMBER, 2, 2),
    "variance": optional(either(NUMBER, items(NUMBER, 1, 10_000))),
    "vocabulary": VOCABULARY,
    "idf_weights": optional(items(NUMBER, 0, 100_000)),
    "vocabulary_dtype": one_of("int32", "int64"),
    "width": POSITIVE,
    "width_factor": optional(RANGE),
    "window": one_of("hann", "hamming", None),
    "x_factor": RANGE,
    "y_factor": RANGE,
    "zero_output_for_mask": BOOLEAN,
}
"""The type of an argument wherever a layer has it."""

FOR_LAYER: dict[tuple[str, str], Schema] = {
    ("Activation", "activation"): object_of("activation"),
    ("CategoryEncoding", "output_mode"): one_of("multi_hot", "one_hot", "count"),
    ("Conv1D", "padding"): one_of("valid", "same", "causal"),
    ("SeparableConv1D", "padding"): one_of("valid", "same", "causal"),
    ("EinsumDense", "output_shape"): either(optional(POSITIVE), items(optional(POSITIVE), 1, 16)),
    ("GroupNormalization", "groups"): {"type": "integer", "minimum": -1},
    ("HashedCrossing", "num_bins"): POSITIVE,
    ("Hashing", "num_bins"): POSITIVE,
    ("HashedCrossing", "output_mode"): one_of("int", "one_hot"),
    ("Masking", "mask_value"): NUMBER,
    ("Normalization", "axis"): optional(either(AXIS, items(AXIS, 0, 8))),
    ("RandomErasing", "scale"): items(SHARE, 2, 2),
    ("RandomElasticTransform", "scale"): either(NOT_NEGATIVE, items(NOT_NEGATIVE, 2, 2)),
    ("RandomPerspective", "scale"): either(NOT_NEGATIVE, items(NOT_NEGATIVE, 2, 2)),
    ("RandomFlip", "mode"): one_of("horizontal", "vertical", "horizontal_and_vertical"),
    ("RandomGaussianBlur", "kernel_size"): sizes(POSITIVE, 2),
    ("Rescaling", "scale"): either(NUMBER, items(NUMBER, 1, 64)),
    ("STFTSpectrogram", "mode"): one_of("log", "magnitude", "psd", "real", "imag", "angle", "stft"),
    ("UpSampling2D", "interpolation"): one_of(
        "nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"
    ),
    ("ZeroPadding1D", "padding"): either(NATURAL, items(NATURAL, 2, 2)),
    ("ZeroPadding2D", "padding"): either(
        NATURAL, items(either(NATURAL, items(NATURAL, 2, 2)), 2, 2)
    ),
    ("ZeroPadding3D", "padding"): either(
        NATURAL, items(either(NATURAL, items(NATURAL, 2, 2)), 3, 3)
    ),
    ("LocalResponseNormalization", "alpha"): NUMBER,
    ("Bidirectional", "layer"): object_of("recurrent layer"),
}
"""Types that hold for one layer alone."""

REFUSED_LAYERS = {
    "Lambda": "it runs a Python function; use a layer or a function of keras.ops",
    "TFSMLayer": "it loads a SavedModel, which can run code, from a path",
    "TorchModuleWrapper": "it holds a pickled PyTorch module, which can run code",
    "JaxLayer": "it takes Python functions",
    "FlaxLayer": "it takes a Flax module, which is Python code",
    "Layer": "it is a base class and does nothing by itself",
    "Wrapper": "it is a base class; name the wrapper that you mean",
    "Pipeline": "it is a list of layers; write them one behind the other",
    "InputLayer": "inputs are declared under 'inputs'",
    "InputSpec": "it is no layer; inputs are declared under 'inputs'",
}

REFUSED_ARGUMENTS = {
    "weights": "weights come from training or from a weight file",
    "input_tensor": "inputs come from other steps",
    "quantization_config": "a model is quantised after it is trained",
    "lora_rank": "LoRA is added to a model that is built",
    "lora_alpha": "LoRA is added to a model that is built",
    "gptq_unpacked_column_size": "a model is quantised after it is trained",
    "renorm_clipping": "batch renormalisation with clipping is not supported yet",
    "renorm_momentum": "batch renormalisation with its own momentum is not supported yet",
    "name": "a step has its name beside the layer: name: stem",
    "batch_input_shape": "shapes of inputs stand under 'inputs'",
    "input_shape": "shapes of inputs stand under 'inputs'",
}
"""Arguments of any layer that a blueprint cannot give."""

REFUSED_EVERYWHERE = ("name", "input_shape", "batch_input_shape", "weights")
"""Those that people know from Keras, and that are refused whether or not a layer lists them."""

CALL_CONSTANTS: dict[str, Schema] = {
    "training": optional(BOOLEAN),
    "use_causal_mask": BOOLEAN,
    "return_attention_scores": BOOLEAN,
    "reverse": BOOLEAN,
    "inverse": BOOLEAN,
}
"""What a layer's call takes besides tensors."""

CALL_TENSORS = frozenset(
    [
        "inputs",
        "input",
        "x",
        "query",
        "key",
        "value",
        "sequence",
        "sequences",
        "states",
        "initial_state",
        "mask",
        "query_mask",
        "value_mask",
        "key_mask",
        "attention_mask",
        "images",
        "data",
        "count_weights",
        "sample_weight",
        "inputs_1",
        "inputs_2",
    ]
)
"""What a layer's call takes as tensors."""

TAKES_LIST = frozenset({"Attention", "AdditiveAttention", "HashedCrossing"})
"""Layers beside the merging ones whose call takes one list of tensors."""

_THRESHOLDS = optional(either(SHARE, items(SHARE, 1, 10_000)))
_CLASSES = optional(NATURAL)

OBJECTS: dict[str, dict[str, Schema]] = {
    "initializer": {
        "distribution": one_of("truncated_normal", "untruncated_normal", "uniform"),
        "gain": NUMBER,
        "input_axes": optional(either(AXIS, items(AXIS, 1, 8))),
        "maxval": NUMBER,
        "mean": NUMBER,
        "minval": NUMBER,
        "mode": one_of("fan_in", "fan_out", "fan_avg"),
        "output_axes": optional(either(AXIS, items(AXIS, 1, 8))),
        "scale": ABOVE_ZERO,
        "seed": SEED,
        "stddev": NOT_NEGATIVE,
        "value": NUMBER,
    },
    "regularizer": {
        "factor": NOT_NEGATIVE,
        "l1": NOT_NEGATIVE,
        "l2": NOT_NEGATIVE,
        "mode": one_of("rows", "columns"),
    },
    "constraint": {
        "axis": either(AXIS, items(AXIS, 1, 8)),
        "max_value": NOT_NEGATIVE,
        "min_value": NOT_NEGATIVE,
        "rate": SHARE,
    },
    "loss": {
        "absent": SHARE,
        "absent_weight": NOT_NEGATIVE,
        "alpha": either(NUMBER, items(NUMBER, 1, 10_000)),
        "apply_class_balancing": BOOLEAN,
        "axis": optional(either(AXIS, items(AXIS, 1, 8))),
        "beta": NUMBER,
        "delta": ABOVE_ZERO,
        "from_logits": BOOLEAN,
        "gamma": NUMBER,
        "ignore_class": optional(INTEGER),
        "label_smoothing": SHARE,
        "margin": NUMBER,
        "present": SHARE,
        "q": SHARE,
        "reduction": one_of(
            "sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None
        ),
        "remove_diagonal": BOOLEAN,
    },
    "metric": {
        "average": one_of("micro", "macro", "weighted", None),
        "axis": AXIS,
        "beta": ABOVE_ZERO,
        "class_aggregation": one_of("uniform_average", "variance_weighted_average", None),
        "class_id": _CLASSES,
        "curve": one_of("ROC", "PR"),
        "from_logits": BOOLEAN,
        "from_sorted_ids": BOOLEAN,
        "ignore_class": optional(INTEGER),
        "k": POSITIVE,
        "label_smoothing": SHARE,
        "label_weights": optional(items(NUMBER, 1, 10_000)),
        "multi_label": BOOLEAN,
        "num_classes": POSITIVE,
        "num_labels": optional(POSITIVE),
        "num_regressors": NATURAL,
        "num_thresholds": {"type": "integer", "minimum": 2, "maximum": 10_000},
        "precision": SHARE,
        "recall": SHARE,
        "sensitivity": SHARE,
        "sparse_y_pred": BOOLEAN,
        "sparse_y_true": BOOLEAN,
        "specificity": SHARE,
        "summation_method": one_of("interpolation", "minoring", "majoring"),
        "target_class_ids": items(NATURAL, 1, 10_000),
        "threshold": optional(SHARE),
        "thresholds": _THRESHOLDS,
        "top_k": optional(POSITIVE),
    },
    "optimizer": {
        "adam_beta_1": RATE,
        "adam_beta_2": RATE,
        "adam_lr_ratio": ABOVE_ZERO,
        "adam_weight_decay": NOT_NEGATIVE,
        "amsgrad": BOOLEAN,
        "beta": NUMBER,
        "beta_1": RATE,
        "beta_2": RATE,
        "beta_2_decay": NUMBER,
        "centered": BOOLEAN,
        "clip_threshold": ABOVE_ZERO,
        "clipnorm": optional(ABOVE_ZERO),
        "clipvalue": optional(ABOVE_ZERO),
        "ema_momentum": SHARE,
        "ema_overwrite_frequency": optional(POSITIVE),
        "epsilon": NOT_NEGATIVE,
        "epsilon_1": NOT_NEGATIVE,
        "epsilon_2": NOT_NEGATIVE,
        "exclude_embeddings": BOOLEAN,
        "global_clipnorm": optional(ABOVE_ZERO),
        "gradient_accumulation_steps": optional(POSITIVE),
        "initial_accumulator_value": NOT_NEGATIVE,
        "l1_regularization_strength": NOT_NEGATIVE,
        "l2_regularization_strength": NOT_NEGATIVE,
        "l2_shrinkage_regularization_strength": NOT_NEGATIVE,
        "learning_rate": {**NOT_NEGATIVE, "object": "schedule"},
        "learning_rate_power": {"type": "number", "maximum": 0},
        "loss_scale_factor": optional(ABOVE_ZERO),
        "momentum": SHARE,
        "muon_a": NUMBER,
        "muon_b": NUMBER,
        "muon_c": NUMBER,
        "nesterov": BOOLEAN,
        "ns_steps": POSITIVE,
        "relative_step": BOOLEAN,
        "rho": SHARE,
        "rms_rate": NUMBER,
        "use_ema": BOOLEAN,
        "warmup_steps": NATURAL,
        "weight_decay": optional(NOT_NEGATIVE),
    },
    "schedule": {
        "alpha": NOT_NEGATIVE,
        "boundaries": items(NATURAL, 1, 10_000),
        "cycle": BOOLEAN,
        "decay_rate": NUMBER,
        "decay_steps": POSITIVE,
        "end_learning_rate": NOT_NEGATIVE,
        "first_decay_steps": POSITIVE,
        "initial_learning_rate": NOT_NEGATIVE,
        "m_mul": NUMBER,
        "model_size": POSITIVE,
        "power": NUMBER,
        "scale": ABOVE_ZERO,
        "staircase": BOOLEAN,
        "t_mul": NUMBER,
        "values": items(NOT_NEGATIVE, 2, 10_001),
        "warmup_steps": NATURAL,
        "warmup_target": optional(NOT_NEGATIVE),
    },
}
"""Types of the arguments of nested objects, by kind."""

REFUSED_OBJECTS = {
    "Initializer", "STFT", "Regularizer", "Constraint", "Loss", "CTC", "Metric",
    "MeanMetricWrapper", "Mean", "Sum", "Optimizer", "MultiOptimizer", "OptimizerMap",
    "LossScaleOptimizer", "LearningRateSchedule",
}  # fmt: skip
"""Base classes, and objects that take functions or other objects of Python."""

IGNORED_OBJECT_ARGUMENTS = {"name", "dtype", "exclude_layers"}

NOT_ACTIVATIONS = {"deserialize", "get", "serialize"}

SIZES = either(POSITIVE, items(POSITIVE, 1, 3))
_AXES = optional(either(AXIS, items(AXIS, 0, 15)))
_SCALAR = NUMBER

OPERATION_ARGUMENTS: dict[str, Schema] = {
    "alpha": NUMBER,
    "antialias": BOOLEAN,
    "approximate": BOOLEAN,
    "attn_logits_soft_cap": optional(ABOVE_ZERO),
    "axes": _AXES,
    "axis": _AXES,
    "axis1": AXIS,
    "axis2": AXIS,
    "axisa": AXIS,
    "axisb": AXIS,
    "axisc": AXIS,
    "b": NUMBER,
    "block_size": POSITIVE,
    "bottom_cropping": optional(NATURAL),
    "bottom_padding": optional(NATURAL),
    "constant_values": optional(NUMBER),
    "crop_to_aspect_ratio": BOOLEAN,
    "data_format": one_of("channels_last", "channels_first", None),
    "decimals": {"type": "integer", "minimum": -15, "maximum": 15},
    "default_value": NUMBER,
    "destination": either(AXIS, items(AXIS, 1, 15)),
    "dilation_rate": SIZES,
    "dilation": SIZES,
    "dtype": one_of(*DTYPES, None),
    "epsilon": optional(NOT_NEGATIVE),
    "fft_length": optional({"type": "integer", "minimum": 1, "maximum": 65_536}),
    "fill_mode": FILL_MODES,
    "fill_value": NUMBER,
    "filter_sigma": ABOVE_ZERO,
    "filter_size": POSITIVE,
    "flash_attention": optional(BOOLEAN),
    "indices_or_sections": either(POSITIVE, items(NATURAL, 1, 64)),
    "initial": optional(NUMBER),
    "interpolation": INTERPOLATIONS,
    "is_causal": BOOLEAN,
    "k": INTEGER,
    "keepdims": BOOLEAN,
    "kernel_size": SIZES,
    "left_cropping": optional(NATURAL),
    "left_padding": optional(NATURAL),
    "max_val": ABOVE_ZERO,
    "mode": one_of("constant", "reflect", "symmetric"),
    "n": POSITIVE,
    "nan": NUMBER,
    "neginf": optional(NUMBER),
    "negative_slope": NUMBER,
    "newshape": items({"type": "integer", "minimum": -1}, 0, 15),
    "num": optional(POSITIVE),
    "num_classes": POSITIVE,
    "offset": INTEGER,
    "order": POSITIVE,
    "output_size": SIZES,
    "pad_to_aspect_ratio": BOOLEAN,
    "pad_width": either(NATURAL, items(either(NATURAL, items(NATURAL, 2, 2)), 1, 15)),
    "padding": one_of("valid", "same"),
    "pool_size": SIZES,
    "posinf": optional(NUMBER),
    "repeats": either(POSITIVE, items(POSITIVE, 1, 15)),
    "right_cropping": optional(NATURAL),
    "right_padding": optional(NATURAL),
    "sequence_length": POSITIVE,
    "sequence_stride": POSITIVE,
    "shape": items(optional(POSITIVE), 0, 15),
    "shift": either(INTEGER, items(INTEGER, 1, 15)),
    "sigma": either(ABOVE_ZERO, items(ABOVE_ZERO, 2, 2)),
    "size": SIZES,
    "sorted": BOOLEAN,
    "source": either(AXIS, items(AXIS, 1, 15)),
    "sparse": {"enum": [False]},
    "start_indices": items(NATURAL, 1, 15),
    "stride": SIZES,
    "strides": optional(SIZES),
    "target_height": optional(POSITIVE),
    "target_width": optional(POSITIVE),
    "threshold": NUMBER,
    "top_cropping": optional(NATURAL),
    "top_padding": optional(NATURAL),
    "x_max": NUMBER,
    "x_min": NUMBER,
}
"""Types of the constants of functions of keras.ops."""

OPERATION_TYPES: dict[tuple[str, str], Schema] = {
    ("conv", "padding"): one_of("valid", "same", "causal"),
    ("pad", "mode"): one_of("constant", "reflect", "symmetric"),
    ("fold", "padding"): either(NATURAL, items(NATURAL, 2, 2)),
    ("unfold", "padding"): either(NATURAL, items(NATURAL, 2, 2)),
    ("top_k", "k"): POSITIVE,
    ("tensordot", "axes"): either(NATURAL, items(items(AXIS, 1, 8), 2, 2)),
    ("dot_product_attention", "scale"): optional(NUMBER),
}
"""Types that hold for one function alone."""

OPERATION_TENSORS = frozenset(
    [
        "x",
        "x1",
        "x2",
        "y",
        "xs",
        "a",
        "b",
        "inputs",
        "kernel",
        "query",
        "key",
        "value",
        "bias",
        "mask",
        "target",
        "output",
        "condition",
        "indices",
        "images",
        "image1",
        "image2",
        "volumes",
        "depthwise_kernel",
        "pointwise_kernel",
        "gamma",
        "beta",
        "mean",
        "variance",
        "scale",
        "weights",
        "array",
        "data",
        "segment_ids",
        "values",
        "sequence_lengths",
        "abs_",
        "angle",
        "variable",
    ]
)
"""Parameters of functions of keras.ops that are tensors."""

NUMBERS_TOO: dict[str, Schema] = {"x1": NUMBER, "x2": NUMBER, "take.indices": INTEGER}
"""Tensors that may be a number instead: `ops.multiply: {x2: 0.5}`."""

LISTS_OF_TENSORS = {"concatenate", "stack", "hstack", "vstack", "dstack"}

OPERATIONS = frozenset(
    [
        "abs",
        "absolute",
        "add",
        "all",
        "amax",
        "amin",
        "any",
        "arccos",
        "arccosh",
        "arcsin",
        "arcsinh",
        "arctan",
        "arctan2",
        "arctanh",
        "argmax",
        "argmin",
        "argsort",
        "average",
        "average_pool",
        "broadcast_to",
        "cast",
        "cbrt",
        "ceil",
        "celu",
        "clip",
        "concatenate",
        "copy",
        "cos",
        "cosh",
        "count_nonzero",
        "cross",
        "cumprod",
        "cumsum",
        "depth_to_space",
        "diagonal",
        "diff",
        "divide",
        "divide_no_nan",
        "dot_product_attention",
        "dstack",
        "elu",
        "equal",
        "erf",
        "erfinv",
        "exp",
        "exp2",
        "expand_dims",
        "expm1",
        "extract_sequences",
        "fft2",
        "flip",
        "floor",
        "floor_divide",
        "fold",
        "gelu",
        "glu",
        "greater",
        "greater_equal",
        "hard_shrink",
        "hard_sigmoid",
        "hard_silu",
        "hard_swish",
        "hard_tanh",
        "hstack",
        "isfinite",
        "isinf",
        "isnan",
        "leaky_relu",
        "less",
        "less_equal",
        "log",
        "log10",
        "log1p",
        "log2",
        "log_sigmoid",
        "log_softmax",
        "logaddexp",
        "logical_and",
        "logical_not",
        "logical_or",
        "logical_xor",
        "logsumexp",
        "matmul",
        "max",
        "max_pool",
        "maximum",
        "mean",
        "median",
        "min",
        "minimum",
        "mod",
        "moveaxis",
        "multiply",
        "nan_to_num",
        "negative",
        "normalize",
        "not_equal",
        "one_hot",
        "ones_like",
        "pad",
        "power",
        "prod",
        "reciprocal",
        "relu",
        "relu6",
        "repeat",
        "reshape",
        "rms_normalization",
        "roll",
        "round",
        "rsqrt",
        "saturate_cast",
        "selu",
        "sigmoid",
        "sign",
        "silu",
        "sin",
        "sinh",
        "slice",
        "soft_shrink",
        "softmax",
        "softplus",
        "softsign",
        "sort",
        "space_to_depth",
        "sparse_plus",
        "sparse_sigmoid",
        "sparsemax",
        "split",
        "sqrt",
        "square",
        "squareplus",
        "squeeze",
        "stack",
        "std",
        "stop_gradient",
        "subtract",
        "sum",
        "swapaxes",
        "swish",
        "take",
        "take_along_axis",
        "tan",
        "tanh",
        "tanh_shrink",
        "tensordot",
        "threshold",
        "tile",
        "top_k",
        "trace",
        "transpose",
        "tril",
        "triu",
        "true_divide",
        "trunc",
        "unfold",
        "unstack",
        "var",
        "vstack",
        "where",
        "zeros_like",
        "image.crop_images",
        "image.extract_patches",
        "image.gaussian_blur",
        "image.hsv_to_rgb",
        "image.pad_images",
        "image.resize",
        "image.rgb_to_grayscale",
        "image.rgb_to_hsv",
        "image.sobel_edges",
    ]
)
"""The functions of keras.ops for blueprints: pure, of tensors, with a shape known before."""

_TAKES_FUNCTIONS = "it takes a Python function"
_FROM_NOTHING = "it makes a tensor out of nothing, not out of what other steps give"
REFUSED_OPERATIONS = {
    **dict.fromkeys(
        [
            "associative_scan",
            "cond",
            "custom_gradient",
            "fori_loop",
            "jvp",
            "map",
            "scan",
            "switch",
            "vectorize",
            "vectorized_map",
            "while_loop",
        ],
        _TAKES_FUNCTIONS,
    ),
    **dict.fromkeys(
        [
            "arange",
            "array",
            "bartlett",
            "blackman",
            "convert_to_tensor",
            "empty",
            "eye",
            "full",
            "geomspace",
            "hamming",
            "hanning",
            "identity",
            "kaiser",
            "linspace",
            "logspace",
            "ones",
            "tri",
            "zeros",
        ],
        _FROM_NOTHING,
    ),
    **dict.fromkeys(
        ["convert_to_numpy", "dtype", "is_tensor", "ndim", "shape", "size"],
        "it gives no tensor that a layer could take",
    ),
    **dict.fromkeys(["nonzero", "unique"], "its result has no shape that is known before"),
}
"""Functions of keras.ops that are refused for a reason of their own."""

OTHER_OPERATIONS = "it is not among the functions that blueprints use; tell us what you need it for"
"""Why the rest of keras.ops is refused."""
