"""AlexNet by hand, and that of torchvision."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional
from torch_weights import Weights, fill
from vision import models


def outputs(
    weights: Weights, images: Tensor, *, groups: int = 1, torchvision: bool = False
) -> list[Tensor]:
    """Of the paper, with its response normalisation; or of torchvision."""
    return [_torchvision(weights, images) if torchvision else _paper(weights, images, groups)]


def _paper(weights: Weights, x: Tensor, groups: int) -> Tensor:
    x = functional.conv2d(x, *weights.convolution(), stride=4).relu()
    x = functional.max_pool2d(_normalise(x), 3, 2)
    x = functional.conv2d(x, *weights.convolution(), padding=2, groups=groups).relu()
    x = functional.max_pool2d(_normalise(x), 3, 2)
    for group_count in (1, groups, groups):
        x = functional.conv2d(x, *weights.convolution(), padding=1, groups=group_count).relu()
    # Keras flattens with the channels last.
    x = functional.max_pool2d(x, 3, 2).permute(0, 2, 3, 1).flatten(1)
    for _ in range(2):
        x = functional.linear(x, *weights.dense()).relu()
    return functional.linear(x, *weights.dense())


def _normalise(x: Tensor) -> Tensor:
    """PyTorch divides alpha by the size, the paper does not."""
    return functional.local_response_norm(x, size=5, alpha=5e-4, beta=0.75, k=2.0)


def _torchvision(weights: Weights, x: Tensor) -> Tensor:
    model = models.alexnet(weights=None).eval()
    fill(model.modules(), weights)
    x = model.features(x)
    # Keras flattens with the channels last; the weights of the first dense layer stand so.
    return model.classifier(x.permute(0, 2, 3, 1).flatten(1))
