"""Random loudness of recordings, and random scaling of series."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Tensor
from archbuilder.keras_ext.layers.random_layer import RandomLayer, over_examples, symmetric_range


@keras.saving.register_keras_serializable(package="archbuilder")
class RandomGain(RandomLayer):
    """Multiplies each example by a random factor, in training only.

    The factor is `10 ** (gain / 20)`, with a gain in decibels that is drawn uniformly: 6 dB double
    a value, and -6 dB halve it.

    Source: Um et al. 2017, arXiv:1706.00527, "scaling", with a factor for each channel.

    Args:
        decibels: Bounds of the gain, or a number for the gains from its negative to itself.
        per_channel: Whether each channel, on the last axis, has a gain of its own.
        seed: Seed of the random numbers.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, ...)`.

    Output shape:
        The same.
    """

    def __init__(
        self,
        decibels: float | tuple[float, float] = 6.0,
        per_channel: bool = False,  # noqa: FBT001, FBT002 - as in Keras
        seed: int | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.decibels, self.per_channel = decibels, per_channel
        self._bounds = symmetric_range(decibels, "decibels")

    def transform(self, inputs: Tensor) -> Tensor:
        """Return the inputs times a factor."""
        shape = ops.shape(inputs)
        if self.per_channel and len(shape) > 2:
            middle = (1,) * (len(shape) - 2)
            gain = self.uniform((shape[0], *middle, shape[-1]), self._bounds)
        else:
            gain = over_examples(self.uniform((shape[0],), self._bounds), len(shape))
        return inputs * ops.cast(ops.power(10.0, gain / 20), inputs.dtype)
