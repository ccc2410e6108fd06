"""The last layers of a new network, and the settings that train it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from archbuilder.plain_data import PlainData
from archbuilder.scaffold.layout import layer


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    """The last layers of a network, with the loss and the metrics that fit them."""

    layers: tuple[str, ...]
    loss: str
    metric: str

    @classmethod
    def for_classes(cls, count: int) -> Self:
        """Return the output for one of several classes."""
        softmax = layer("Dense", {"units": count, "activation": "softmax"})
        return cls((softmax,), "SparseCategoricalCrossentropy", "accuracy")

    @classmethod
    def for_labels(cls, count: int) -> Self:
        """Return the output for any number of several labels."""
        sigmoid = layer("Dense", {"units": count, "activation": "sigmoid"})
        return cls((sigmoid,), "BinaryCrossentropy", "BinaryAccuracy")

    @classmethod
    def for_numbers(cls, units: int, mean: float, std: float) -> Self:
        """Return the output for quantities with this mean and standard deviation.

        The network computes numbers around 0, as the normalized inputs are.
        """
        scale, offset = (float(f"{each:.4g}") for each in (std or 1.0, mean))
        rescaling = layer("Rescaling", {"scale": scale, "offset": offset})
        return cls((layer("Dense", units), rescaling), "MeanSquaredError", "MeanAbsoluteError")

    def training(self, epochs: int) -> dict[str, PlainData]:
        """Return the `training` section, which stops early."""
        return {
            "loss": self.loss,
            "metrics": [self.metric],
            "optimizer": {"Adam": 1e-3},
            "epochs": epochs,
            "batch_size": 32,
            "validation_split": 0.2,
            "callbacks": [{"EarlyStopping": {"patience": 5, "restore_best_weights": True}}],
        }
