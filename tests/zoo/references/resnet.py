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


def body(weights: Weights, depths: list[int], *, dilated: bool = False) -> nn.Sequential:
    """The convolutions of one with bottlenecks, the stages last.

    The last stage, if it is dilated, has maps of the same size as the one before it.
    """
    model = models.resnet.ResNet(
        models.resnet.Bottleneck, depths, replace_stride_with_dilation=[False, False, dilated]
    ).eval()
    layers = nn.Sequential(*list(model.children())[:-2])
    fill(in_order(layers), weights)
    return layers


def in_order(model: nn.Module) -> Iterator[nn.Module]:
    """The layers, a block's shortcut before its convolutions."""
    for name, layer in model.named_children():
        if name == "downsample":
            continue
        if shortcut := getattr(layer, "downsample", None):
            yield from shortcut
        yield from in_order(layer) if list(layer.children()) else (layer,)
