"""Reviewed types and ranges of Keras's arguments, and what blueprints do not support.

The generator takes names and defaults from Keras and types from here. It stops at an argument
without a rule, so that nothing new in Keras is accepted without a review.
"""

from __future__ import annotations

from typing import Any

from archbuilder.compiler.relative_steps import RELATIVE_STEPS

Schema = dict[str, Any]

BOOLEAN: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer"}
POSITIVE: Schema = {"type": "integer", "minimum": 1}
NATURAL: Schema = {"type": "integer", "minimum": 0}
PERCENTAGE: Schema = {
    "type": "string",
    "pattern": RELATIVE_STEPS,
    "description": "a percentage of the steps of the run such as 10%",
}
NUMBER: Schema = {"type": "number"}
NOT_NEGATIVE: Schema = {"type": "number", "minimum": 0}
ABOVE_ZERO: Schema = {"type": "number", "exclusiveMinimum": 0}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
RATE: Schema = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
TEXT: Schema = {"type": "string", "maxLength": 256}
SEED: Schema = {"type": ["integer", "null"], "minimum": 0, "maximum": 2**31 - 1}
AXIS: Schema = {"type": "integer", "minimum": -16, "maximum": 15}


def enum(*values: str | bool | None) -> Schema:
    """Return the schema of a choice among values."""
    return {"enum": list(values)}


def array(schema: Schema, min_items: int = 0, max_items: int = 64) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": schema, "minItems": min_items, "maxItems": max_items}


def any_of(*schemas: Schema) -> Schema:
    """Return the schema of any of several types."""
    return {"anyOf": list(schemas)}


def optional(schema: Schema) -> Schema:
    """Return a schema that also accepts null."""
    if "type" in schema and isinstance(schema["type"], str):
        return {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    return {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}


def sizes(schema: Schema, rank: int) -> Schema:
    """Return the schema of one size for all dimensions, or one for each."""
    return any_of(schema, array(schema, rank, rank))


def object_of(kind: str, *, many: bool = False, nullable: bool = False) -> Schema:
    """Return the type of a nested object."""
    return {"object": kind, "many": many, "nullable": nullable}


def per_axis(schema: Schema) -> Schema:
    """Return the schema of a number, or of numbers along up to three axes."""
    line = array(schema, 1, 10_000)
    plane = array(line, 1, 10_000)
    return any_of(schema, line, plane, array(plane, 1, 10_000))


IMAGE_QUALITY: dict[str, Schema] = {
    "filter_sigma": ABOVE_ZERO,
    "filter_size": {"type": "integer", "minimum": 1, "maximum": 1023},
    "k1": NOT_NEGATIVE,
    "k2": NOT_NEGATIVE,
    "max_val": ABOVE_ZERO,
}
"""Arguments of the similarity of images."""
BOX_FORMAT = enum("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw")
"""Formats of boxes that mean the same in any image."""
RANGE = any_of(NUMBER, array(NUMBER, 2, 2))
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

FILL_MODES = enum("constant", "nearest", "wrap", "mirror", "reflect")
INTERPOLATIONS = enum("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area")
VOCABULARY = optional(array(any_of(TEXT, INTEGER), 0, 100_000))


def per_spatial_rank(rank: int) -> dict[str, Schema]:
    """Arguments that are one size or one for each dimension of a layer of this rank."""
    pair = any_of(NATURAL, array(NATURAL, 2, 2))
    return {
        "kernel_size": sizes(POSITIVE, rank),
        "strides": optional(sizes(POSITIVE, rank)),
        "pool_size": sizes(POSITIVE, rank),
        "dilation_rate": sizes(POSITIVE, rank),
        "output_padding": optional(sizes(NATURAL, rank)),
        "size": sizes(POSITIVE, rank),
        "output_size": sizes(optional(POSITIVE), rank),
        "cropping": any_of(NATURAL, array(pair, rank, rank)) if rank > 1 else pair,
    }


ARGUMENTS: dict[str, Schema] = {
    "activation": object_of("activation", nullable=True),
    "addition_factor": any_of(SHARE, array(SHARE, 2, 2)),
    "activity_regularizer": object_of("regularizer", nullable=True),
    "all_ops": BOOLEAN,
    "alpha": ABOVE_ZERO,
    "antialias": BOOLEAN,
    "attention_axes": optional(any_of(AXIS, array(AXIS, 1, 8))),
    "autocast": BOOLEAN,
    "axes": any_of(AXIS, array(AXIS, 2, 2)),
    "axis": any_of(AXIS, array(AXIS, 1, 8)),
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
    "bin_boundaries": optional(array(NUMBER, 1, 10_000)),
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
    "data_format": enum("channels_last", "channels_first", None),
    "count": POSITIVE,
    "decibels": RANGE,
    "density": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "depth_multiplier": POSITIVE,
    "depth_radius": POSITIVE,
    "dimension": POSITIVE,
    "dims": array(POSITIVE, 1, 15),
    "dropout": RATE,
    "dtype": enum(*POLICIES, "int32", "int64", "uint8", None),
    "encoding": enum("utf-8"),
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
    "leak_rate": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "logit_soft_cap": optional(ABOVE_ZERO),
    "mag_exp": ABOVE_ZERO,
    "mask_token": optional(any_of(TEXT, INTEGER)),
    "mask_value": optional(any_of(NUMBER, TEXT)),
    "mask_zero": BOOLEAN,
    "max_freq": optional(ABOVE_ZERO),
    "max_number": POSITIVE,
    "max_tokens": optional(POSITIVE),
    "max_value": optional(NOT_NEGATIVE),
    "max_wavelength": ABOVE_ZERO,
    "mean": optional(any_of(NUMBER, array(NUMBER, 1, 10_000))),
    "merge_mode": enum("sum", "mul", "concat", "ave", None),
    "min_freq": NOT_NEGATIVE,
    "min_power": ABOVE_ZERO,
    "momentum": SHARE,
    "n": POSITIVE,
    "negative_slope": NOT_NEGATIVE,
    "ngrams": optional(any_of(POSITIVE, array(POSITIVE, 1, 16))),
    "noise_shape": optional(array(optional(POSITIVE), 1, 16)),
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
    "offset": any_of(NUMBER, array(NUMBER, 1, 64)),
    "oov_method": enum("floormod", "farmhash", None),
    "oov_token": any_of(TEXT, INTEGER),
    "output_dim": POSITIVE,
    "output_mode": enum("int", "one_hot", "multi_hot", "count", "tf_idf"),
    "output_sequence_length": optional(POSITIVE),
    "output_shape": optional(any_of(POSITIVE, array(optional(POSITIVE), 1, 16))),
    "pad_to_aspect_ratio": BOOLEAN,
    "pad_to_max_tokens": BOOLEAN,
    "padding": enum("valid", "same"),
    "periodic": BOOLEAN,
    "per_channel": BOOLEAN,
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
    "reverse_dtype": enum(*POLICIES, None),
    "salt": optional(any_of(NATURAL, array(NATURAL, 2, 2))),
    "sampling_rate": POSITIVE,
    "saturation_factor": optional(RANGE),
    "scale": BOOLEAN,
    "scaling": enum("density", "spectrum", None),
    "score_mode": enum("dot", "concat"),
    "seed": SEED,
    "signal_to_noise": RANGE,
    "sequence_length": optional({"type": "integer", "minimum": 1, "maximum": 8192}),
    "sequence_stride": {"type": "integer", "minimum": 1, "maximum": 8192},
    "shared_axes": optional(array(POSITIVE, 1, 15)),
    "sigma": any_of(ABOVE_ZERO, array(ABOVE_ZERO, 2, 2)),
    "sliding_window": optional(POSITIVE),
    "sparse": {"enum": [False]},
    "spectral_radius": ABOVE_ZERO,
    "split": enum("whitespace", "character", None),
    "standardize": enum("lower_and_strip_punctuation", "lower", "strip_punctuation", None),
    "stateful": BOOLEAN,
    "stddev": NOT_NEGATIVE,
    "stop_gradients": BOOLEAN,
    "supports_masking": BOOLEAN,
    "synchronized": BOOLEAN,
    "target_shape": array({"type": "integer", "minimum": -1}, 0, 15),
    "threshold": NOT_NEGATIVE,
    "threshold_factor": any_of(SHARE, array(SHARE, 2, 2)),
    "tie_weights": BOOLEAN,
    "tile_grid_size": array(POSITIVE, 2, 2),
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
    "value_range": array(NUMBER, 2, 2),
    "variance": optional(any_of(NUMBER, array(NUMBER, 1, 10_000))),
    "vocabulary": VOCABULARY,
    "idf_weights": optional(array(NUMBER, 0, 100_000)),
    "vocabulary_dtype": enum("int32", "int64"),
    "width": POSITIVE,
    "width_factor": optional(RANGE),
    "window": enum("hann", "hamming", None),
    "x_factor": RANGE,
    "y_factor": RANGE,
    "zero_output_for_mask": BOOLEAN,
}
"""The type of an argument wherever a layer has it."""

FOR_LAYER: dict[tuple[str, str], Schema] = {
    ("Activation", "activation"): object_of("activation"),
    ("CategoryEncoding", "output_mode"): enum("multi_hot", "one_hot", "count"),
    ("Conv1D", "padding"): enum("valid", "same", "causal"),
    ("SeparableConv1D", "padding"): enum("valid", "same", "causal"),
    ("EinsumDense", "output_shape"): any_of(optional(POSITIVE), array(optional(POSITIVE), 1, 16)),
    ("GroupNormalization", "groups"): {"type": "integer", "minimum": -1},
    ("HashedCrossing", "num_bins"): POSITIVE,
    ("Hashing", "num_bins"): POSITIVE,
    ("HashedCrossing", "output_mode"): enum("int", "one_hot"),
    ("Masking", "mask_value"): NUMBER,
    ("PositionEmbedding", "sequence_length"): POSITIVE,
    ("Discretization", "bin_boundaries"): array(NUMBER, 1, 10_000),
    ("Normalization", "mean"): per_axis(NUMBER),
    ("Normalization", "variance"): per_axis(NOT_NEGATIVE),
    **{
        (layer, "vocabulary"): array(any_of(TEXT, INTEGER), 1, 100_000)
        for layer in ("IntegerLookup", "StringLookup", "TextVectorization")
    },
    ("Normalization", "axis"): optional(any_of(AXIS, array(AXIS, 0, 8))),
    ("RandomMasking", "axis"): POSITIVE,
    ("RandomMasking", "factor"): SHARE,
    ("RandomMasking", "fill_value"): NUMBER,
    ("RandomPointRotation", "axis"): enum("x", "y", "z"),
    ("RandomTimeShift", "fill_mode"): enum("constant", "wrap"),
    ("RandomErasing", "scale"): array(SHARE, 2, 2),
    ("RandomElasticTransform", "scale"): any_of(NOT_NEGATIVE, array(NOT_NEGATIVE, 2, 2)),
    ("RandomPerspective", "scale"): any_of(NOT_NEGATIVE, array(NOT_NEGATIVE, 2, 2)),
    ("RandomFlip", "mode"): enum("horizontal", "vertical", "horizontal_and_vertical"),
    ("RandomGaussianBlur", "kernel_size"): sizes(POSITIVE, 2),
    ("Rescaling", "scale"): any_of(NUMBER, array(NUMBER, 1, 64)),
    ("STFTSpectrogram", "mode"): enum("log", "magnitude", "psd", "real", "imag", "angle", "stft"),
    ("UpSampling2D", "interpolation"): enum(
        "nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"
    ),
    ("ZeroPadding1D", "padding"): any_of(NATURAL, array(NATURAL, 2, 2)),
    ("ZeroPadding2D", "padding"): any_of(
        NATURAL, array(any_of(NATURAL, array(NATURAL, 2, 2)), 2, 2)
    ),
    ("ZeroPadding3D", "padding"): any_of(
        NATURAL, array(any_of(NATURAL, array(NATURAL, 2, 2)), 3, 3)
    ),
    ("LocalResponseNormalization", "alpha"): NUMBER,
    ("Constant", "dtype"): enum(*DTYPES[:-1], None),
    ("Constant", "value"): any_of(NUMBER, BOOLEAN, {"type": "array", "minItems": 1}),
    ("Parameter", "constraint"): object_of("constraint", nullable=True),
    ("Parameter", "dtype"): enum(*POLICIES, None),
    ("Parameter", "initializer"): object_of("initializer"),
    ("Parameter", "regularizer"): object_of("regularizer", nullable=True),
    ("Parameter", "shape"): array(POSITIVE, 0, 15),
    ("Bidirectional", "layer"): object_of("recurrent layer"),
}
"""Types that hold for one layer alone."""

_ADAPTED = "write it, or 'adapt: true' to learn it from the training set"
_WORDS = "write the list of words; a feature of the data learns those of a run, as in"
_FEATURES = {
    "StringLookup": "'inputs: {city: {column: city, vocabulary: true}}'",
    "TextVectorization": (
        "'inputs: {review: {column: text, tokenizer: words, sequence_length: 200}}'"
    ),
}
"""What numbers the words of a run before the network, whose inputs are numbers."""
REQUIRED_TOO: dict[tuple[str, str], str] = {
    ("Constant", "value"): "write it, or the path of a file as in 'file: adjacency.npy'",
    ("Discretization", "bin_boundaries"): f"{_ADAPTED}, with 'num_bins'",
    ("IntegerLookup", "vocabulary"): _ADAPTED,
    ("Normalization", "mean"): _ADAPTED,
    ("Normalization", "variance"): _ADAPTED,
    **{(name, "vocabulary"): f"{_WORDS} {feature}" for name, feature in _FEATURES.items()},
}
"""Arguments that Keras can do without and a blueprint cannot, each with the reason."""

ADAPT = "adapt"
ADAPTABLE_LAYERS = ("Discretization", "IntegerLookup", "Normalization")
"""Layers that learn the arguments in `REQUIRED_TOO` from the training set with `adapt: true`."""
NOT_ADAPTABLE = {
    name: f"the inputs of a run are numbers; a feature of the data numbers words, as in {feature}"
    for name, feature in _FEATURES.items()
}
"""Layers whose `adapt` would need inputs of strings, with what learns a vocabulary instead."""

UNSUPPORTED_LAYERS = {
    "Lambda": "it runs a Python function; write a formula, as in formula: x * 0.5",
    "TFSMLayer": "it loads a SavedModel, which can run code, from a path",
    "TorchModuleWrapper": "it holds a pickled PyTorch module, which can run code",
    "JaxLayer": "it takes Python functions",
    "FlaxLayer": "it takes a Flax module, which is Python code",
    "Layer": "it is an abstract base class",
    "Wrapper": "it is a base class; name the wrapper that you mean",
    "Pipeline": "it is a list of layers; write them as steps in sequence",
    "Input": "inputs are declared under 'inputs'",
    "InputLayer": "inputs are declared under 'inputs'",
    "InputSpec": "it is not a layer; inputs are declared under 'inputs'",
}

UNSUPPORTED_ARGUMENTS = {
    "weights": "weights come from training or from a weights file",
    "input_tensor": "inputs come from other steps",
    "quantization_config": "a model is quantized after training",
    "lora_rank": "LoRA is a setting of training: 'lora: {rank: 8, layers: [backbone.*]}'",
    "lora_alpha": "LoRA is a setting of training: 'lora: {rank: 8, layers: [backbone.*]}'",
    "gptq_unpacked_column_size": "a model is quantized after training",
    "renorm_clipping": "batch renormalization with clipping is not supported yet",
    "renorm_momentum": "batch renormalization with its own momentum is not supported yet",
    "name": "write the name beside the layer, as in 'name: stem'",
    "batch_input_shape": "write the shapes of inputs under 'inputs'",
    "input_shape": "write the shapes of inputs under 'inputs'",
}
"""Arguments of any layer that a blueprint cannot give."""

UNSUPPORTED_EVERYWHERE = ("name", "input_shape", "batch_input_shape", "weights")
"""Arguments known from Keras that are unsupported whether or not a layer lists them."""

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

REPLACEMENTS = {("Constant", "value"): "file"}
"""Arguments of `REQUIRED_TOO` for which another one than `adapt` may stand."""
ADDED_ARGUMENTS: dict[str, dict[str, Schema]] = {
    "Constant": {
        "file": {
            "type": "string",
            "minLength": 1,
            "maxLength": 4096,
            "description": "the path of a .npy file with the value, relative to the blueprint",
        }
    }
}
"""Arguments that archbuilder adds to those of the constructor, by layer."""

TAKES_NONE = frozenset({"Constant", "Parameter"})
"""Layers whose step has no inputs: they have one in Keras, whose values they do not use."""

TAKES_LIST = frozenset({"Attention", "AdditiveAttention", "HashedCrossing"})
"""Layers beside the merging ones whose call takes one list of tensors."""

TWO_INPUTS = frozenset({"Attention", "AdditiveAttention", "Dot", "HashedCrossing", "Subtract"})
"""Layers that need at least two tensors in their list."""

SEVERAL_OUTPUTS = frozenset(
    [
        *("Bidirectional", "TimeDistributed", "MaxPoolingWithArgmax2D"),
        *("GRUCell", "LSTMCell", "ReservoirCell", "SimpleRNNCell", "StackedRNNCells"),
        *("fft", "fft2", "ifft2", "moments", "rfft", "split", "stft", "top_k", "unstack"),
    ]
)
"""Layers and functions that have several outputs, or may have them with some arguments."""

OUTPUT_SWITCHES = ("return_state", "return_attention_scores")
"""Arguments of a constructor or a call that, if true, add outputs."""

_THRESHOLDS = optional(any_of(SHARE, array(SHARE, 1, 10_000)))
_CLASSES = optional(NATURAL)

OBJECTS: dict[str, dict[str, Schema]] = {
    "initializer": {
        "distribution": enum("truncated_normal", "untruncated_normal", "uniform"),
        "gain": NUMBER,
        "input_axes": optional(any_of(AXIS, array(AXIS, 1, 8))),
        "maxval": NUMBER,
        "mean": NUMBER,
        "minval": NUMBER,
        "mode": enum("fan_in", "fan_out", "fan_avg"),
        "output_axes": optional(any_of(AXIS, array(AXIS, 1, 8))),
        "scale": ABOVE_ZERO,
        "seed": SEED,
        "stddev": NOT_NEGATIVE,
        "value": NUMBER,
    },
    "regularizer": {
        "factor": NOT_NEGATIVE,
        "l1": NOT_NEGATIVE,
        "l2": NOT_NEGATIVE,
        "mode": enum("rows", "columns"),
    },
    "constraint": {
        "axis": any_of(AXIS, array(AXIS, 1, 8)),
        "max_value": NOT_NEGATIVE,
        "min_value": NOT_NEGATIVE,
        "rate": SHARE,
    },
    "loss": {
        **IMAGE_QUALITY,
        "absent": SHARE,
        "absent_weight": NOT_NEGATIVE,
        "alpha": any_of(NUMBER, array(NUMBER, 1, 10_000)),
        "apply_class_balancing": BOOLEAN,
        "axis": optional(any_of(AXIS, array(AXIS, 1, 8))),
        "beta": NUMBER,
        "bounding_box_format": BOX_FORMAT,
        "delta": ABOVE_ZERO,
        "epsilon": ABOVE_ZERO,
        "from_logits": BOOLEAN,
        "gamma": NUMBER,
        "ignore_class": optional(INTEGER),
        "label_smoothing": SHARE,
        "margin": NUMBER,
        "present": SHARE,
        "q": SHARE,
        "reduction": enum(
            "sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None
        ),
        "remove_diagonal": BOOLEAN,
    },
    "metric": {
        **IMAGE_QUALITY,
        "average": enum("micro", "macro", "weighted", None),
        "axis": AXIS,
        "benchmark": enum("coco", "coco50", "coco75", "voc", "voc2007"),
        "beta": ABOVE_ZERO,
        "bounding_box_format": BOX_FORMAT,
        "class_aggregation": enum("uniform_average", "variance_weighted_average", None),
        "class_id": _CLASSES,
        "classes": TEXT,
        "curve": enum("ROC", "PR"),
        "from_logits": BOOLEAN,
        "from_sorted_ids": BOOLEAN,
        "ignore_class": optional(INTEGER),
        "k": POSITIVE,
        "label_smoothing": SHARE,
        "label_weights": optional(array(NUMBER, 1, 10_000)),
        "multi_label": BOOLEAN,
        "normalize": BOOLEAN,
        "num_classes": POSITIVE,
        "num_labels": optional(POSITIVE),
        "num_regressors": NATURAL,
        "num_thresholds": {"type": "integer", "minimum": 2, "maximum": 10_000},
        "precision": SHARE,
        "recall": SHARE,
        "scores": optional(TEXT),
        "sensitivity": SHARE,
        "separator": POSITIVE,
        "sparse_y_pred": BOOLEAN,
        "sparse_y_true": BOOLEAN,
        "specificity": SHARE,
        "summation_method": enum("interpolation", "minoring", "majoring"),
        "target_class_ids": array(NATURAL, 1, 10_000),
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
        "ema_momentum": RATE,
        "ema_overwrite_frequency": optional(POSITIVE),
        "epsilon": NOT_NEGATIVE,
        "epsilon_1": NOT_NEGATIVE,
        "epsilon_2": NOT_NEGATIVE,
        "exclude_embeddings": BOOLEAN,
        "global_clipnorm": optional(ABOVE_ZERO),
        "initial_accumulator_value": NOT_NEGATIVE,
        "l1_regularization_strength": NOT_NEGATIVE,
        "l2_regularization_strength": NOT_NEGATIVE,
        "l2_shrinkage_regularization_strength": NOT_NEGATIVE,
        "learning_rate": {**NOT_NEGATIVE, "object": "schedule"},
        "learning_rate_power": {"type": "number", "maximum": 0},
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
        "warmup_steps": any_of(NATURAL, PERCENTAGE),
        "weight_decay": optional(NOT_NEGATIVE),
    },
    "schedule": {
        "alpha": NOT_NEGATIVE,
        "boundaries": array(any_of(NATURAL, PERCENTAGE), 1, 10_000),
        "cycle": BOOLEAN,
        "decay_rate": NUMBER,
        "decay_steps": any_of(POSITIVE, PERCENTAGE),
        "end_learning_rate": NOT_NEGATIVE,
        "factor": NOT_NEGATIVE,
        "final_value": NOT_NEGATIVE,
        "first_decay_steps": any_of(POSITIVE, PERCENTAGE),
        "initial_learning_rate": NOT_NEGATIVE,
        "m_mul": NUMBER,
        "model_size": POSITIVE,
        "power": NUMBER,
        "ramp_steps": any_of(POSITIVE, PERCENTAGE),
        "scale": ABOVE_ZERO,
        "schedule": {"object": "schedule"},
        "staircase": BOOLEAN,
        "t_mul": NUMBER,
        "values": array(NOT_NEGATIVE, 2, 10_001),
        "warmup_steps": any_of(NATURAL, PERCENTAGE),
        "warmup_target": optional(NOT_NEGATIVE),
    },
    "callback": {
        "baseline": optional(NUMBER),
        "cooldown": NATURAL,
        "factor": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "min_delta": NOT_NEGATIVE,
        "min_lr": NOT_NEGATIVE,
        "mode": enum("auto", "min", "max"),
        "monitor": {**TEXT, "minLength": 1},
        "patience": NATURAL,
        "restore_best_weights": BOOLEAN,
        "start_from_epoch": NATURAL,
    },
}
"""Types of the arguments of nested objects, by kind."""

SHORT_NAMES = {
    "bce": "BinaryCrossentropy",
    "kld": "KLDivergence",
    "mae": "MeanAbsoluteError",
    "mape": "MeanAbsolutePercentageError",
    "mse": "MeanSquaredError",
    "msle": "MeanSquaredLogarithmicError",
}
"""Names that Keras has for losses and metrics without listing them in its modules."""

_BASE = "it is an abstract base class"
_BY_LAYER = "write a mapping by layers, such as {head: {Adam: 1e-3}, '*': {Adam: 1e-5}}"
_CHECKPOINTS = "a run saves checkpoints; set 'checkpoint_every_seconds' under 'training'"
UNSUPPORTED_OBJECTS = {
    "Initializer": _BASE,
    "STFT": "it is only for the kernel of STFTSpectrogram",
    "Regularizer": _BASE,
    "Constraint": _BASE,
    "Loss": _BASE,
    "Metric": _BASE,
    "MeanMetricWrapper": "it takes a Python function; name the metric, such as MeanSquaredError",
    "Mean": "it averages values, not predictions; name the metric, such as MeanSquaredError",
    "Sum": "it adds values, not predictions; name the metric, such as MeanSquaredError",
    "Optimizer": _BASE,
    "MultiOptimizer": _BY_LAYER,
    "OptimizerMap": _BY_LAYER,
    "LossScaleOptimizer": "write 'dtype_policy: mixed_float16' under 'training'",
    "LearningRateSchedule": _BASE,
    "binary_focal_crossentropy": "Keras has it as a loss only, BinaryFocalCrossentropy",
    "categorical_focal_crossentropy": "Keras has it as a loss only, CategoricalFocalCrossentropy",
    "huber": "Keras has it as a loss only, Huber",
    "log_cosh": "Keras has no class for it; LogCoshError is the metric",
    # No callback that writes may be declared: a recipe must not choose where a run writes.
    "Callback": _BASE,
    "CallbackList": "write a list of callbacks",
    "BackupAndRestore": _CHECKPOINTS,
    "OrbaxCheckpoint": _CHECKPOINTS,
    "ModelCheckpoint": f"{_CHECKPOINTS}. For the weights of the best epoch, write"
    " 'save_best: val_loss' under 'training'",
    "CSVLogger": "a run writes history.csv without a callback",
    "History": "a run writes history.csv without a callback",
    "LambdaCallback": "it takes Python functions, and a recipe holds no code",
    "LearningRateScheduler": "it takes a Python function, and a recipe holds no code; write a"
    " schedule in the optimizer, such as {Adam: {learning_rate: {CosineDecay: ...}}}",
    "ProgbarLogger": "a run shows its progress without a callback",
    "RemoteMonitor": "a run does not send its metrics anywhere; history.jsonl has them",
    "SwapEMAWeights": "write 'use_ema: true' among the arguments of the optimizer",
    "TensorBoard": "a run writes TensorBoard logs without a callback",
    "TerminateOnNaN": "a run stops at a NaN loss without a callback",
}
"""Objects that a blueprint cannot name, each with the reason."""

UNSUPPORTED_OBJECT_ARGUMENTS = {
    "optimizer": {
        "gradient_accumulation_steps": "write it under 'training'; with any value, the batch size"
        " and the learning rate schedule stay the same",
        "loss_scale_factor": "'dtype_policy: mixed_float16' under 'training' scales the loss",
    },
    "callback": {"verbose": "the log of a run always shows the effects of its callbacks"},
}
"""Arguments that a blueprint cannot set, by kind of object, each with the reason."""

ADDED_OBJECT_ARGUMENTS: dict[str, dict[str, Schema]] = {
    "optimizer": {
        "exclude_from_weight_decay": {
            **optional(any_of(TEXT, array(TEXT, 1, 64))),
            "description": "names of weights such as bias, or paths of layers such as *norm*",
        }
    }
}
"""Arguments that archbuilder adds to those of the constructor, by kind of object.

Keras has a method of the optimizer in place of this one.
"""

IGNORED_OBJECT_ARGUMENTS = {"name", "dtype", "exclude_layers"}

NOT_ACTIVATIONS = {"deserialize", "get", "serialize"}

SIZES = any_of(POSITIVE, array(POSITIVE, 1, 3))
_AXES = optional(any_of(AXIS, array(AXIS, 0, 15)))
_SCALAR = NUMBER

OPERATION_ARGUMENTS: dict[str, Schema] = {
    "alpha": NUMBER,
    "antialias": BOOLEAN,
    "approximate": BOOLEAN,
    "atol": NOT_NEGATIVE,
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
    "center": BOOLEAN,
    "constant_values": optional(NUMBER),
    "crop_to_aspect_ratio": BOOLEAN,
    "data_format": enum("channels_last", "channels_first", None),
    "decimals": {"type": "integer", "minimum": -15, "maximum": 15},
    "default_value": NUMBER,
    "destination": any_of(AXIS, array(AXIS, 1, 15)),
    "dilation_rate": SIZES,
    "dilation": SIZES,
    "dtype": enum(*DTYPES, None),
    "dx": NUMBER,
    "epsilon": optional(NOT_NEGATIVE),
    "equal_nan": BOOLEAN,
    "fft_length": optional({"type": "integer", "minimum": 1, "maximum": 65_536}),
    "fill_mode": FILL_MODES,
    "fill_value": NUMBER,
    "filter_sigma": ABOVE_ZERO,
    "filter_size": POSITIVE,
    "flash_attention": optional(BOOLEAN),
    "indices_or_sections": any_of(POSITIVE, array(NATURAL, 1, 64)),
    "initial": optional(NUMBER),
    "interpolation": INTERPOLATIONS,
    "is_causal": BOOLEAN,
    "k": INTEGER,
    "keepdims": BOOLEAN,
    "kernel_size": SIZES,
    "left_cropping": optional(NATURAL),
    "left_padding": optional(NATURAL),
    "length": optional(POSITIVE),
    "max_val": ABOVE_ZERO,
    "method": enum("linear", "lower", "higher", "midpoint", "nearest"),
    "mode": enum("constant", "reflect", "symmetric"),
    "n": POSITIVE,
    "nan": NUMBER,
    "neginf": optional(NUMBER),
    "negative_slope": NUMBER,
    "newshape": array({"type": "integer", "minimum": -1}, 0, 15),
    "num": optional(POSITIVE),
    "num_classes": POSITIVE,
    "offset": INTEGER,
    "order": POSITIVE,
    "output_size": SIZES,
    "pad_to_aspect_ratio": BOOLEAN,
    "pad_width": any_of(NATURAL, array(any_of(NATURAL, array(NATURAL, 2, 2)), 1, 15)),
    "padding": enum("valid", "same"),
    "pool_size": SIZES,
    "posinf": optional(NUMBER),
    "q": SHARE,
    "rcond": optional(NOT_NEGATIVE),
    "repeats": any_of(POSITIVE, array(POSITIVE, 1, 15)),
    "right_cropping": optional(NATURAL),
    "right_padding": optional(NATURAL),
    "rtol": NOT_NEGATIVE,
    "sequence_length": POSITIVE,
    "sequence_stride": POSITIVE,
    "shape": array(optional(POSITIVE), 0, 15),
    "shift": any_of(INTEGER, array(INTEGER, 1, 15)),
    "sigma": any_of(ABOVE_ZERO, array(ABOVE_ZERO, 2, 2)),
    "size": SIZES,
    "sorted": BOOLEAN,
    "source": any_of(AXIS, array(AXIS, 1, 15)),
    "sparse": {"enum": [False]},
    "start_indices": array(NATURAL, 1, 15),
    "stride": SIZES,
    "strides": optional(SIZES),
    "subscripts": {
        "type": "string",
        "pattern": r"^[a-zA-Z., ]{1,128}->[a-zA-Z. ]{1,32}$",
        "description": "subscripts with an arrow, such as 'bij,bjk->bik'",
    },
    "synchronized": {"enum": [False]},
    "target_height": optional(POSITIVE),
    "target_width": optional(POSITIVE),
    "threshold": NUMBER,
    "top_cropping": optional(NATURAL),
    "top_padding": optional(NATURAL),
    "window": enum("hann", "hamming", None),
    "x_max": NUMBER,
    "x_min": NUMBER,
}
"""Types of the constants of functions of keras.ops."""

SLICE = r"^(\.\.\.|(-?[0-9]{1,18})?:(-?[0-9]{1,18})?(:-?[1-9][0-9]{0,17})?)$"
"""A range of an axis as in Python, `1:3` or `::2`, or `...`."""

OPERATION_TYPES: dict[tuple[str, str], Schema] = {
    ("conv", "padding"): enum("valid", "same", "causal"),
    ("pad", "mode"): enum("constant", "reflect", "symmetric"),
    ("image.resize", "size"): array(POSITIVE, 2, 2),
    ("norm", "ord"): optional(any_of(NUMBER, enum("fro", "nuc"))),
    ("norm", "axis"): optional(any_of(AXIS, array(AXIS, 1, 2))),
    ("percentile", "q"): {"type": "number", "minimum": 0, "maximum": 100},
    ("slice", "shape"): array({"type": ["integer", "null"], "minimum": -1}, 1, 15),
    ("image.ssim", "k1"): ABOVE_ZERO,
    ("image.ssim", "k2"): ABOVE_ZERO,
    ("fold", "padding"): any_of(NATURAL, array(NATURAL, 2, 2)),
    ("top_k", "k"): POSITIVE,
    ("tensordot", "axes"): any_of(NATURAL, array(array(AXIS, 1, 8), 2, 2)),
    ("dot_product_attention", "scale"): optional(NUMBER),
    ("get_item", "key"): {
        **array(any_of(optional(INTEGER), {"type": "string", "pattern": SLICE}), 1, 16),
        "description": "a list with an index, a range such as '1:3', '...' or null for each axis",
    },
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
        "operands",
    ]
)
"""Parameters of functions of keras.ops that are tensors."""

NUMBERS_TOO: dict[str, Schema] = {
    "x1": NUMBER,
    "x2": NUMBER,
    "take.indices": INTEGER,
    **dict.fromkeys(("left_shift.y", "right_shift.y", "bitwise_and.y", "bitwise_or.y"), NATURAL),
}
"""Tensors that may be a number instead: `ops.multiply: {x2: 0.5}`."""

TENSORS_ALONE = frozenset({"cdist", "cross", "heaviside", "hypot", "ldexp", "matmul", "tensordot"})
"""Functions whose tensors cannot be numbers: they pair axes, or Keras does not take them."""

NEEDED_TOO = frozenset({"where.x1", "where.x2"})
"""Tensors that a function of blueprints needs and Keras does not.

`where` of a condition alone tells where it holds, with a shape that is not known before.
"""

PAIRS = frozenset({"fft", "fft2", "ifft2", "irfft", "istft"})
"""Functions of complex numbers, which are a real and an imaginary part."""

LISTS_OF_TENSORS = {"concatenate", "stack", "hstack", "vstack", "dstack"} | PAIRS

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
        "bitwise_and",
        "bitwise_invert",
        "bitwise_left_shift",
        "bitwise_not",
        "bitwise_or",
        "bitwise_right_shift",
        "bitwise_xor",
        "cast",
        "cbrt",
        "cdist",
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
        "deg2rad",
        "depth_to_space",
        "det",
        "diagonal",
        "diff",
        "divide",
        "divide_no_nan",
        "dot_product_attention",
        "dstack",
        "einsum",
        "elu",
        "equal",
        "erf",
        "erfc",
        "erfinv",
        "exp",
        "exp2",
        "expand_dims",
        "expm1",
        "extract_sequences",
        "fabs",
        "fft",
        "fft2",
        "flip",
        "fliplr",
        "floor",
        "floor_divide",
        "fmax",
        "fmin",
        "fmod",
        "fold",
        "gelu",
        "get_item",
        "glu",
        "greater",
        "greater_equal",
        "hard_shrink",
        "hard_sigmoid",
        "hard_silu",
        "hard_swish",
        "hard_tanh",
        "heaviside",
        "hstack",
        "hypot",
        "i0",
        "ifft2",
        "irfft",
        "isclose",
        "isfinite",
        "isinf",
        "isnan",
        "isneginf",
        "isposinf",
        "istft",
        "layer_normalization",
        "ldexp",
        "leaky_relu",
        "left_shift",
        "less",
        "less_equal",
        "log",
        "log10",
        "log1p",
        "log2",
        "log_sigmoid",
        "log_softmax",
        "logaddexp",
        "logaddexp2",
        "logdet",
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
        "moments",
        "moveaxis",
        "multiply",
        "nan_to_num",
        "nanargmax",
        "nanargmin",
        "nancumprod",
        "nancumsum",
        "nanmax",
        "nanmean",
        "nanmin",
        "nanprod",
        "nanstd",
        "nansum",
        "nanvar",
        "negative",
        "nextafter",
        "norm",
        "normalize",
        "not_equal",
        "one_hot",
        "ones_like",
        "pad",
        "percentile",
        "pinv",
        "power",
        "prod",
        "ptp",
        "quantile",
        "rad2deg",
        "reciprocal",
        "relu",
        "relu6",
        "repeat",
        "reshape",
        "rfft",
        "right_shift",
        "rms_normalization",
        "roll",
        "round",
        "rsqrt",
        "saturate_cast",
        "selu",
        "sigmoid",
        "sign",
        "signbit",
        "silu",
        "sin",
        "sinc",
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
        "stft",
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
        "trapezoid",
        "tril",
        "triu",
        "true_divide",
        "trunc",
        "unstack",
        "var",
        "vstack",
        "where",
        "zeros_like",
        "image.crop_images",
        "image.extract_patches",
        "image.extract_patches_3d",
        "image.gaussian_blur",
        "image.hsv_to_rgb",
        "image.pad_images",
        "image.resize",
        "image.rgb_to_grayscale",
        "image.rgb_to_hsv",
        "image.sobel_edges",
        "image.ssim",
    ]
)
"""The functions of keras.ops for blueprints: pure, of tensors, with a shape known before."""

_TAKES_FUNCTIONS = "it takes a Python function"
_FROM_NOTHING = "it creates a tensor without using other steps"
UNSUPPORTED_OPERATIONS = {
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
        "it does not return a tensor that a layer can use",
    ),
    **dict.fromkeys(
        ["nonzero", "unique", "argpartition", "isin", "lstsq", "matrix_rank", "lu_factor"],
        "the shape of its result depends on values",
    ),
    **dict.fromkeys(
        ["allclose", "append", "bincount", "corrcoef", "correlate", "diag", "diagflat", "dot",
         "flipud", "histogram", "inner", "kron", "meshgrid", "outer", "ravel", "rot90", "scatter",
         "scatter_update", "searchsorted", "segment_max", "segment_min", "segment_prod",
         "segment_sum", "slice_update", "unravel_index", "vander", "vdot", "vsplit"],
        "it mixes the examples of a batch; use ops.einsum",
    ),
    **dict.fromkeys(
        ["angle", "conj", "conjugate", "eig", "imag", "isreal", "polar", "real", "view_as_complex",
         "view_as_real"],
        "it is for complex numbers, which are two tensors in a blueprint: real and imaginary parts",
    ),
    **dict.fromkeys(
        ["binary_crossentropy", "categorical_crossentropy", "ctc_loss",
         "sparse_categorical_crossentropy"],
        "it is a loss; write a loss under 'training'",
    ),
    **dict.fromkeys(
        ["in_top_k", "psnr"], "it compares with a target; write a metric under 'training'"
    ),
    **dict.fromkeys(
        ["cholesky", "cholesky_inverse", "inv", "solve", "solve_triangular"],
        "it fails during training at the first singular matrix",
    ),
    **dict.fromkeys(
        ["eigh", "qr", "slogdet", "svd"],
        "the sign of its result is arbitrary, so its gradient is meaningless",
    ),
    **dict.fromkeys(
        ["nanmedian", "nanpercentile", "nanquantile", "rearrange", "unfold"],
        "Keras supports it only for a known batch size",
    ),
    "adaptive_average_pool": "use the layers AdaptiveAveragePooling1D, 2D and 3D",
    "adaptive_max_pool": "use the layers AdaptiveMaxPooling1D, 2D and 3D",
    "gcd": "it is for integers, which have no gradient",
    "lcm": "it is for integers, which have no gradient",
    "array_split": "its parts have different sizes; use ops.split",
    "batch_normalization": "use the layer BatchNormalization",
    "broadcast_to": "its shape includes the batch size, which is unknown; functions of two tensors"
    " broadcast by themselves, and ops.repeat and ops.tile repeat",
    "conv": "use the layers Conv1D, Conv2D and Conv3D",
    "conv_transpose": "use the layers Conv1DTranspose, Conv2DTranspose and Conv3DTranspose",
    "ctc_decode": "the shape of its result depends on values",
    "depthwise_conv": "use the layers DepthwiseConv1D and DepthwiseConv2D",
    "digitize": "use the layer Discretization",
    "dsplit": "write ops.split with axis: 3",
    "empty_like": "its values are undefined; use ops.zeros_like",
    "full_like": "write ops.zeros_like and then ops.add: {x2: 3}",
    "hsplit": "write ops.split with axis: 1",
    "multi_hot": "use the layer CategoryEncoding",
    "select": "use several ops.where",
    "separable_conv": "use the layers SeparableConv1D and SeparableConv2D",
    "view": "it reinterprets the bytes of a tensor; use ops.cast",
    **dict.fromkeys(
        ["image.affine_transform", "image.elastic_transform", "image.map_coordinates",
         "image.perspective_transform", "image.scale_and_translate"],
        "it needs the transformation of each image; use a layer such as RandomRotation",
    ),
}  # fmt: skip
"""Functions of keras.ops that are left out, each with the reason."""
