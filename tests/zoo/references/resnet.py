"""The ResNets of torchvision."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch_weights import Weights, fill
from vision import models


def outputs(
    weights: Weights, images: Tensor, *, depths: list[int], bottleneck: bool = False
) -> list[Tensor]:
    """With basic blocks, or with bottlenecks that have their stride in the 3x3 convolution."""
    block = models.resnet.Bottleneck if bottleneck else models.resnet.BasicBlock
    model = models.resnet.ResNet(block, depths, num_classes=1).eval()
    fill(in_order(model), weights)
    return [model(images)]


def in_order(model: nn.Module) -> Iterator[nn.Module]:
    """The layers, a block's shortcut before its convolutions."""
    for name, layer in model.named_children():
        if name == "downsample":
            continue
        if shortcut := getattr(layer, "downsample", None):
            yield from shortcut
        yield from in_order(layer) if list(layer.children()) else (layer,)
