"""An example of every layer and every function of the registry, for tests that build and call.

Required arguments get values by their names, and inputs the first shapes that Keras accepts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from helpers.graphs import network, step

from archbuilder.compiler.ir import Graph
from archbuilder.plain_data import PlainData
from archbuilder.registry.signatures import Signature

Inputs = tuple[object, ...]


@dataclass(frozen=True)
class Example:
    """Inputs and arguments that fit a layer or a function; what is left out is tried."""

    inputs: Inputs = ()
    arguments: Mapping[str, PlainData] = field(default_factory=dict)
    keywords: Mapping[str, Sequence[str]] = field(default_factory=dict)


SHAPES: Final[Inputs] = ((8, 8, 4), (6, 4), (4,), (6, 6, 6, 4), (5, 8, 8, 4))

ARGUMENTS: Final[Mapping[str, PlainData]] = {
    "activation": "relu",
    "axis": -1,
    "axes": [1, 2],
    "axis1": 1,
    "axis2": 2,
    "block_size": 2,
    "boundaries": [0, 1],
    "bottom_cropping": 1,
    "capsules": 3,
    "cell": {"GRUCell": 4},
    "cells": [{"GRUCell": 4}, {"GRUCell": 3}],
    "crop_height": 4,
    "decimals": 2,
    "depth": 4,
    "destination": 2,
    "dimension": 4,
    "dims": [2, 1],
    "default_value": 0.0,
    "dtype": "float16",
    "equation": "abc,cd->abd",
    "factor": 0.1,
    "fft_length": 8,
    "filters": 4,
    "frame_length": 4,
    "groups": 2,
    "head_dim": 4,
    "height": 4,
    "indices_or_sections": 2,
    "input_dim": 10,
    "kernel_size": 3,
    "k": 2,
    "key": [":", -1],
    "key_dim": 4,
    "layer": {"Dense": 3},
    "length": 6,
    "max_number": 3,
    "max_val": 1.0,
    "n": 3,
    "newshape": [-1, 2],
    "num_classes": 5,
    "num_heads": 2,
    "num_key_value_heads": 1,
    "num_query_heads": 2,
    "output_dim": 4,
    "output_shape": [None, 3],
    "output_size": 4,
    "pad_width": [[0, 0], [1, 1], [0, 0], [0, 0]],
    "pool_size": 2,
    "q": 0.5,
    "rate": 0.5,
    "repeats": 2,
    "scale": 0.5,
    "sequence_length": 4,
    "sequence_stride": 2,
    "shift": 1,
    "size": 3,
    "shape": [4],
    "source": 1,
    "stddev": 0.1,
    "target_shape": [-1, 2],
    "threshold": 0.5,
    "units": 4,
    "value": [1, 0, 2, 1],
    "width": 4,
    "x_max": 1.0,
    "x_min": 0.0,
}
"""Values of required arguments."""

_PAIR: Final = ((8, 4), (8, 4))
_IMAGE: Final = ((8, 8, 3),)
_WORDS: Final = (((4,), "string"),)
_NUMBERS: Final = (((4,), "int32"),)

EXAMPLES: Final[Mapping[str, Example]] = {
    "AdaptiveAveragePooling1D": Example(((6, 4),)),
    "AdaptiveAveragePooling3D": Example(((6, 6, 6, 4),)),
    "AdaptiveMaxPooling1D": Example(((6, 4),)),
    "AdaptiveMaxPooling3D": Example(((6, 6, 6, 4),)),
    "AugMix": Example(_IMAGE),
    "Bidirectional": Example(arguments={"layer": {"LSTM": 3}}),
    "CategoryEncoding": Example(_NUMBERS, {"num_tokens": 5}),
    "ConvLSTM3D": Example(((3, 4, 4, 4, 2),), {"kernel_size": 1}),
    "Discretization": Example(arguments={"bin_boundaries": [0.0, 1.0]}),
    "Dot": Example(arguments={"axes": -1}),
    "EinsumDense": Example(((6, 4),), {"output_shape": [None, 3]}),
    "GRUCell": Example(((4,), (4,)), keywords={"states": ["x1"]}),
    "GroupNormalization": Example(arguments={"groups": 2}),
    "GroupQueryAttention": Example(((6, 4), (6, 4))),
    "HashedCrossing": Example((((1,), "string"), ((1,), "string")), {"num_bins": 5}),
    "Hashing": Example(_WORDS, {"num_bins": 5}),
    "IntegerLookup": Example(_NUMBERS, {"vocabulary": [0, 1, 2]}),
    "LSTMCell": Example(((4,), (4,), (4,)), keywords={"states": ["x1", "x2"]}),
    "SegmentSum": Example(((6, 8), ((6,), "int32"), (4, 2))),
    "MaxUnpooling2D": Example(((4, 4, 2), ((4, 4, 2), "int32"))),
    "Maxout": Example(arguments={"pieces": 2}),
    "MelSpectrogram": Example(((4000,),)),
    "Normalization": Example(arguments={"mean": 1.0, "variance": 2.0}),
    "PositionEmbedding": Example(((6, 4),), {"sequence_length": 6}),
    "RNN": Example(((6, 4),)),
    "RandAugment": Example(_IMAGE),
    "RandomColorDegeneration": Example(_IMAGE),
    "RandomGrayscale": Example(_IMAGE),
    "RandomHue": Example(_IMAGE),
    "RandomPosterization": Example(_IMAGE, {"factor": 4}),
    "RandomSaturation": Example(_IMAGE),
    "RandomTranslation": Example(_IMAGE, {"height_factor": 0.1, "width_factor": 0.1}),
    "RandomZoom": Example(_IMAGE, {"height_factor": 0.1}),
    "ReservoirCell": Example(((4,), (4,)), {"density": 0.9}, keywords={"states": ["x1"]}),
    "STFTSpectrogram": Example(((600, 1),)),
    "SimpleRNNCell": Example(((4,), (4,)), keywords={"states": ["x1"]}),
    "StringLookup": Example(_WORDS, {"vocabulary": ["a", "b"]}),
    "TextVectorization": Example((((1,), "string"),), {"vocabulary": ["a", "b"]}),
    "ops.cross": Example(((3,), (3,))),
    "ops.det": Example(((4, 4),)),
    "ops.diagonal": Example(((4, 4),), {"axis1": 1, "axis2": 2}),
    "ops.einsum": Example(((4, 3), (3, 5)), {"subscripts": "bij,bjk->bik"}),
    "ops.fft": Example(_PAIR),
    "ops.fft2": Example(_PAIR),
    "ops.fold": Example(((8, 9),), {"output_size": 4, "kernel_size": 2}),
    "ops.glu": Example(((4,),)),
    "ops.ifft2": Example(_PAIR),
    "ops.image.crop_images": Example(
        _IMAGE, {"top_cropping": 1, "left_cropping": 1, "target_height": 4, "target_width": 4}
    ),
    "ops.image.hsv_to_rgb": Example(_IMAGE),
    "ops.image.pad_images": Example(
        _IMAGE, {"top_padding": 1, "left_padding": 1, "target_height": 10, "target_width": 10}
    ),
    "ops.image.resize": Example(_IMAGE, {"size": [4, 4]}),
    "ops.image.rgb_to_grayscale": Example(_IMAGE),
    "ops.image.rgb_to_hsv": Example(_IMAGE),
    "ops.image.ssim": Example(((16, 16, 3), (16, 16, 3))),
    "ops.irfft": Example(((8, 5), (8, 5))),
    "ops.istft": Example(((5, 5), (5, 5)), {"sequence_stride": 4, "sequence_length": 8}),
    "ops.logdet": Example(((4, 4),)),
    "ops.matmul": Example(((3, 4), (4, 5))),
    "ops.reshape": Example(((8, 4),), {"newshape": [-1, 16, 2]}),
    "ops.slice": Example(((8, 4),), {"start_indices": [0, 2, 0], "shape": [None, 3, -1]}),
    "ops.squeeze": Example(((1, 4),), {"axis": 1}),
    "ops.stack": Example(arguments={"axis": 1}),
    "ops.stft": Example(((32,),), {"sequence_length": 8}),
    "ops.take": Example(arguments={"indices": 1, "axis": 1}),
    "ops.tensordot": Example(((4,), (4,)), {"axes": [[1], [1]]}),
    "ops.trace": Example(((3, 3),), {"axis1": 1, "axis2": 2}),
    "ops.transpose": Example(((8, 4),), {"axes": [0, 2, 1]}),
    "ops.unstack": Example(((8, 4),), {"axis": 1}),
}
"""Those that need more."""


def graphs(signature: Signature) -> Iterator[Graph]:
    """Networks with the layer or function alone, of which the first that builds is the example."""
    example = EXAMPLES.get(signature.name, Example())
    required = {
        spec.name: ARGUMENTS[spec.name]
        for spec in signature.arguments.values()
        if spec.required and spec.name in ARGUMENTS
    }
    if signature.origin == "keras.ops" and "axis" in signature.arguments:
        required.setdefault("axis", -1)
    values = {**required, **example.arguments}
    if not signature.tensor_arguments:
        source = step("made", signature.name, **values)
        yield network({"x": (4,)}, source, step("sum", "ops.multiply", ["x", "made"]))
        return
    if signature.name == "BroadcastToBatch":
        table = step("table", "Parameter", shape=[3])
        yield network({"x": (4,)}, table, step("made", signature.name, ["table", "x"]))
        return
    count = 2 if signature.accepts_list else signature.min_inputs or 1
    shapes = [example.inputs] if example.inputs else _shapes(count)
    by_name = {each for names in example.keywords.values() for each in names}
    for inputs in shapes:
        names = [f"x{number}" for number in range(len(inputs))]
        yield network(
            dict(zip(names, inputs, strict=True)),
            step(
                "made",
                signature.name,
                [name for name in names if name not in by_name],
                keywords=example.keywords,
                **values,
            ),
            outputs={"output": "made.0"},
        )


def _shapes(count: int) -> Iterator[Inputs]:
    for shape in SHAPES:
        yield (shape,) * count
    if count > 1:
        yield from product(SHAPES, repeat=count)
    for shape in SHAPES:
        for dtype in ("int32", "string", "bool"):
            yield ((shape, dtype),) * count
