"""Random noise at a ratio to the signal."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Tensor
from archbuilder.keras_ext.layers.random_layer import RandomLayer, over_examples, symmetric_range


@keras.saving.register_keras_serializable(package="archbuilder")
class RandomNoise(RandomLayer):
    """Adds white noise to each example at a random signal-to-noise ratio, in training only.

    The ratio is that of the mean squares of the example and of the noise, in decibels: at 20 dB the
    noise has a tenth of the example's amplitude. It is drawn uniformly. Silence stays silence.
    Unlike `GaussianNoise`, the noise is as loud as the example.

    Source: Hannun et al. 2014, "Deep Speech", arXiv:1412.5567, section 4, with white noise.

    Args:
        signal_to_noise: The ratio in decibels, or its bounds.
        seed: Seed of the random numbers.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, ...)`.

    Output shape:
        The same.
    """

    def __init__(
        self,
        signal_to_noise: float | tuple[float, float] = (10.0, 30.0),
        seed: int | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.signal_to_noise = signal_to_noise
        pair = signal_to_noise
        if isinstance(pair, int | float):
            pair = (pair, pair)
        self._bounds = symmetric_range(pair, "signal_to_noise")

    def transform(self, inputs: Tensor) -> Tensor:
        """Return the inputs with noise."""
        shape = ops.shape(inputs)
        ratio = over_examples(self.uniform((shape[0],), self._bounds), len(shape))
        signal = ops.cast(inputs, "float32")
        power = ops.mean(ops.square(signal), axis=tuple(range(1, len(shape))), keepdims=True)
        noise = self.normal(shape) * ops.sqrt(power * ops.power(10.0, -ratio / 10))
        return inputs + ops.cast(noise, inputs.dtype)
