"""Positions as sines and cosines, as the first Transformer has them."""

from __future__ import annotations

import math

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="archbuilder")
class SinusoidalPositions(keras.layers.Layer):
    """Adds to each vector of a sequence a code of its position.

    `code[position, 2 i] = sin(position / base ** (2 i / depth))`
    `code[position, 2 i + 1] = cos(position / base ** (2 i / depth))`

    Sines and cosines stand side by side, as in the paper. With `interleaved=False` all sines stand
    before all cosines, and the last wavelength is that of `base` itself, as in tensor2tensor:

    `code[position, i] = sin(position / base ** (i / (depth // 2 - 1)))`
    `code[position, depth // 2 + i] = cos(position / base ** (i / (depth // 2 - 1)))`

    An odd depth ends with a sine or, in tensor2tensor, with zeros.

    There is nothing to learn, and no longest sequence. Positions count from 0. The code is
    computed in float32 whatever the dtype of the layer, because half precision cannot tell
    positions apart from 2,048 on. Masks pass through.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.5;
    `get_timing_signal_1d` of tensor2tensor's common_attention.py.

    Args:
        base: Number above one; wavelengths go from `2 pi` to `base * 2 pi`.
        interleaved: Whether each sine has its cosine beside it, as in the paper.
        **kwargs: The arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, length, depth)`; the length may be left open.

    Output shape:
        The same.
    """

    def __init__(
        self, base: float = 10000.0, *, interleaved: bool = True, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        if base <= 1:
            raise ValueError(f"base must be above one, not {base}")
        self.base = base
        self.interleaved = interleaved
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self._build_at_init()

    def call(self, inputs: Tensor) -> Tensor:
        """The inputs with their positions added."""
        return inputs + ops.cast(self._encoding(*ops.shape(inputs)[1:]), inputs.dtype)

    def _encoding(self, length: Tensor, depth: int) -> Tensor:
        """The codes of all positions: `(length, depth)`."""
        positions = ops.cast(ops.arange(length), "float32")
        if self.interleaved:
            wavelength_steps, count = depth / 2, (depth + 1) // 2
        else:
            wavelength_steps, count = max(depth // 2 - 1, 1), depth // 2
        index = ops.arange(count, dtype="float32")
        frequencies = ops.exp(index * (-math.log(self.base) / wavelength_steps))
        angles = positions[:, None] * frequencies[None, :]
        sines, cosines = ops.sin(angles), ops.cos(angles)
        if self.interleaved:
            pairs = ops.stack([sines, cosines], axis=-1)
            return ops.reshape(pairs, (-1, 2 * count))[:, :depth]
        encoding = ops.concatenate([sines, cosines], axis=-1)
        return ops.pad(encoding, ((0, 0), (0, depth - 2 * count)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the inputs."""
        return input_shape

    def get_config(self) -> Config:
        """The arguments of the constructor."""
        return {**super().get_config(), "base": self.base, "interleaved": self.interleaved}
