"""VGG: torchvision's, with three convolutions of 1x1 for column C."""

from __future__ import annotations

from torch import Tensor, nn
from torch_weights import Weights, fill
from vision import models

_THIRD = (14, 21, 28)
"""The third convolution of a stage among the features of column D."""


def outputs(weights: Weights, images: Tensor, *, column: str) -> list[Tensor]:
    """The logits."""
    makers = {"A": models.vgg11, "B": models.vgg13, "C": models.vgg16}
    model = makers[column](weights=None).eval()
    if column == "C":
        for index in _THIRD:
            channels = model.features[index].in_channels
            model.features[index] = nn.Conv2d(channels, channels, 1)
    fill(model.modules(), weights)
    # Keras flattens with the channels last; the weights of the first dense layer stand so.
    return [model.classifier(model.features(images).permute(0, 2, 3, 1).flatten(1))]
