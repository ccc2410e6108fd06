"""Sinusoidal position encoding, as in the original Transformer."""

from __future__ import annotations

import math

import keras
from keras import ops

from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.layers._typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="archbuilder")
class SinePositionEncoding(ConstructorConfig, keras.layers.Layer):
    """Adds a sinusoidal position encoding to each vector of a sequence.

    `encoding[position, 2 i] = sin(position / max_wavelength ** (2 i / depth))`
    `encoding[position, 2 i + 1] = cos(position / max_wavelength ** (2 i / depth))`

    Sines and cosines alternate, as in the paper. With `interleaved=False`, all sines come before
    all cosines, and the last wavelength is exactly `max_wavelength * 2 pi`, as in tensor2tensor:

    `encoding[position, i] = sin(position / max_wavelength ** (i / (depth // 2 - 1)))`
    `encoding[position, depth // 2 + i] = cos(position / max_wavelength ** (i / (depth // 2 - 1)))`

    An odd depth ends with a sine or, as in tensor2tensor, with a zero.

    The layer has no weights, and no maximum length. Positions count from 0. The encoding is
    computed in float32 whatever the dtype of the layer, because float16 cannot represent all
    positions above 2,048. Masks pass through.

    **Trap.** The layer of the same name in KerasHub returns the encoding alone; this one adds it to
    its input.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.5;
    `get_timing_signal_1d` of tensor2tensor's common_attention.py.

    Args:
        max_wavelength: Number above one; wavelengths go from `2 pi` to `max_wavelength * 2 pi`.
        interleaved: Boolean, whether sines and cosines alternate, as in the paper.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, length, depth)`; the length may be unknown.

    Output shape:
        Same as the input shape.
    """

    def __init__(
        self, max_wavelength: float = 10000.0, *, interleaved: bool = True, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        if max_wavelength <= 1:
            raise ValueError(f"max_wavelength must be above 1, not {max_wavelength}")
        self.max_wavelength = max_wavelength
        self.interleaved = interleaved
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)
        # No weights: Keras marks such a layer as built with this private method.
        self._build_at_init()

    def call(self, inputs: Tensor) -> Tensor:
        """Return the inputs plus the encodings of their positions."""
        _, length, depth = ops.shape(inputs)
        positions = ops.cast(ops.arange(length), "float32")
        if self.interleaved:
            wavelength_steps, count = depth / 2, (depth + 1) // 2
        else:
            # `max` keeps a depth of 2 or 3, with a single frequency, from dividing by zero.
            wavelength_steps, count = max(depth // 2 - 1, 1), depth // 2
        index = ops.arange(count, dtype="float32")
        frequencies = ops.exp(index * (-math.log(self.max_wavelength) / wavelength_steps))
        angles = positions[:, None] * frequencies[None, :]
        sines, cosines = ops.sin(angles), ops.cos(angles)
        if self.interleaved:
            # An odd depth drops the last cosine.
            pairs = ops.stack([sines, cosines], axis=-1)
            encoding = ops.reshape(pairs, (-1, 2 * count))[:, :depth]
        else:
            encoding = ops.concatenate([sines, cosines], axis=-1)
            encoding = ops.pad(encoding, ((0, 0), (0, depth - 2 * count)))
        return inputs + ops.cast(encoding, inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the inputs."""
        return input_shape
