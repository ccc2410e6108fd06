"""Positions as sines and cosines, as the first Transformer has them."""

from __future__ import annotations

import math

import keras
from keras import ops

from archbuilder.layers.typing import Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="archbuilder")
class SinusoidalPositions(keras.layers.Layer):
    """Adds to each vector of a sequence a code of its position.

    `code[position, 2 i] = sin(position / base ** (2 i / depth))`
    `code[position, 2 i + 1] = cos(position / base ** (2 i / depth))`

    Sines and cosines stand side by side, as in the paper. (Tensor2tensor and what follows it put
    all sines before all cosines: weights of such models do not fit here.) An odd depth ends with
    a sine.

    There is nothing to learn, and no longest sequence. Positions count from 0. The code is
    computed in float32 whatever the dtype of the layer, because half precision cannot tell
    positions apart from 2,048 on. Masks pass through.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.5.

    Args:
        base: Number above one; wavelengths go from `2 pi` to `base * 2 pi`.
        **kwargs: The arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, length, depth)`; the length may be left open.

    Output shape:
        The same.
    """

    def __init__(self, base: float = 10000.0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if base <= 1:
            raise ValueError(f"base must be above one, not {base}")
        self.base = base
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self._build_at_init()

    def call(self, inputs: Tensor) -> Tensor:
        """The inputs with their positions added."""
        return inputs + ops.cast(self._code(*ops.shape(inputs)[1:]), inputs.dtype)

    def _code(self, length: Tensor, depth: int) -> Tensor:
        """The codes of all positions: `(length, depth)`."""
        positions = ops.cast(ops.arange(length), "float32")
        index = ops.arange(0, depth, 2, dtype="float32")
        frequencies = ops.exp(index * (-math.log(self.base) / depth))
        angles = positions[:, None] * frequencies[None, :]
        pairs = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)
        return ops.reshape(pairs, (-1, 2 * ((depth + 1) // 2)))[:, :depth]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the inputs."""
        return input_shape

    def get_config(self) -> Config:
        """The arguments of the constructor."""
        return {**super().get_config(), "base": self.base}
