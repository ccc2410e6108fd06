"""What every layer of ours keeps to. A new layer is a new row of `ROWS`, and no test code."""

from __future__ import annotations

from dataclasses import dataclass, field

import keras
import numpy as np

from archbuilder.keras_ext import layers


@dataclass(frozen=True)
class Row:
    """A layer with arguments that differ from its defaults, and a shape with its batch axis.

    `open_shape` is a shape with sizes left open, which the layer takes too. `beside` is what its
    call takes besides, of the same shape, or without the last of its axes. Of several outputs, the
    first is looked at. A layer that is not `batched` takes or returns a tensor without a batch
    axis, and is trained elsewhere. The layer makes a sequence `longer` by so many vectors at its
    front, or does not take `masks`.
    """

    layer: type[keras.layers.Layer]
    arguments: dict[str, object] = field(default_factory=dict)
    shape: tuple[int, ...] = (2, 6, 8)
    open_shape: tuple[int | None, ...] = (None, None, 8)
    beside: tuple[np.ndarray, ...] = ()
    longer: int = 0
    masks: bool = True
    batched: bool = True

    @property
    def name(self) -> str:
        """How the row is called in the list of tests."""
        return self.layer.__name__

    def make(self, **arguments: object) -> keras.layers.Layer:
        """The layer of the row."""
        return self.layer(**self.arguments, **arguments)


ROWS = (
    Row(layers.AddBias, {"bias_initializer": keras.initializers.Constant(0.5)}),
    Row(
        layers.BroadcastToBatch,
        shape=(6, 8),
        open_shape=(6, 8),
        beside=(np.zeros((6, 8), "float32"),),
        masks=False,
        batched=False,
    ),
    Row(layers.CapsuleNorm, masks=False),
    Row(layers.CapsuleMask, masks=False),
    Row(layers.ClassToken, {"embeddings_initializer": keras.initializers.Constant(0.5)}, longer=1),
    Row(
        layers.Constant,
        {"value": {"dtype": "float32", "shape": [1, 2], "base64": "AAAAPwAAAMA="}},
        masks=False,
        batched=False,
    ),
    Row(
        layers.Parameter,
        {
            "shape": [3, 2],
            "initializer": keras.initializers.Constant(0.5),
            "regularizer": keras.regularizers.L2(0.1),
            "constraint": keras.constraints.MaxNorm(2),
        },
        masks=False,
        batched=False,
    ),
    Row(
        layers.PositionEmbedding,
        {"sequence_length": 7, "embeddings_initializer": keras.initializers.Constant(0.5)},
    ),
    Row(
        layers.LocalResponseNormalization,
        {"depth_radius": 1, "bias": 1.5, "alpha": 0.5, "beta": 0.5},
        shape=(2, 5, 5, 6),
        open_shape=(None, None, None, 6),
    ),
    Row(
        layers.MaxPoolingWithArgmax2D,
        {"pool_size": [2, 3]},
        shape=(2, 5, 6, 2),
        open_shape=(None, None, None, 2),
        masks=False,
    ),
    Row(
        layers.MaxUnpooling2D,
        {"pool_size": [2, 3]},
        shape=(2, 3, 4, 2),
        open_shape=(None, None, None, 2),
        beside=(np.arange(48, dtype="int32").reshape(2, 3, 4, 2) % 6,),
        masks=False,
    ),
    Row(layers.Maxout, {"units": 5, "pieces": 3}),
    Row(layers.RandomGain, {"decibels": (-3.0, 2.0), "per_channel": True, "seed": 1}),
    Row(layers.RandomMasking, {"factor": 0.5, "axis": 2, "count": 2, "fill_value": 1.0, "seed": 1}),
    Row(layers.RandomNoise, {"signal_to_noise": (5.0, 6.0), "seed": 1}),
    Row(layers.RandomPermutation, {"seed": 1}),
    Row(layers.RandomPointRotation, {"axis": "y", "factor": 0.1, "seed": 1}),
    Row(layers.RandomTimeShift, {"factor": (0.0, 0.5), "fill_mode": "wrap", "seed": 1}),
    Row(
        layers.ReservoirCell,
        {
            "units": 8,
            "spectral_radius": 1.1,
            "density": 0.5,
            "leak_rate": 0.75,
            "input_scaling": 0.5,
            "bias_scaling": 0.25,
            "seed": 4,
        },
        shape=(2, 8),
        open_shape=(None, 8),
        beside=(np.linspace(-1, 1, 16, dtype="float32").reshape(2, 8),),
        masks=False,
    ),
    Row(
        layers.CapsuleRouting,
        {
            "capsules": 3,
            "dimension": 4,
            "iterations": 2,
            "use_bias": True,
            "kernel_initializer": keras.initializers.RandomNormal(stddev=0.5),
            "bias_initializer": keras.initializers.Constant(0.5),
        },
        open_shape=(None, 6, 8),
        masks=False,
    ),
    Row(
        layers.SegmentSum,
        beside=(
            np.array([[0, 3, 1, 0, -1, 6], [2, 2, 2, 0, 5, 1]], "int32"),
            np.zeros((2, 6, 8), "float32"),
        ),
        masks=False,
    ),
    Row(layers.SinePositionEncoding, {"max_wavelength": 100.0}),
    Row(layers.Squash),
    Row(
        layers.StandardizedConv2D,
        {"filters": 2, "kernel_size": (2, 2), "groups": 2, "epsilon": 0.5},
        shape=(2, 3, 3, 4),
        open_shape=(None, None, None, 4),
        masks=False,
    ),
)
