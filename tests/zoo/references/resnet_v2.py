"""The pre-activated ResNets of timm."""

from __future__ import annotations

from collections.abc import Iterator

import vision  # noqa: F401 - timm imports torchvision
from timm.layers import BatchNormAct2d, create_conv2d
from timm.models.resnetv2 import ResNetV2
from torch import Tensor, nn
from torch_weights import Weights, fill

WIDTHS = (64, 128, 256, 512)


def outputs(
    weights: Weights,
    images: Tensor,
    *,
    depths: list[int],
    classes: int,
    bottleneck: bool = True,
    stride_in_3x3: bool = False,
) -> list[Tensor]:
    """With the first activation of all right behind the stem, where the paper has it.

    timm has it in the first unit, whose identity is not activated then, and has the stride of a
    bottleneck in the 3x3 convolution.
    """
    model = ResNetV2(
        depths,
        tuple(4 * width for width in WIDTHS) if bottleneck else WIDTHS,
        num_classes=classes,
        basic=not bottleneck,
        bottle_ratio=0.25 if bottleneck else 1.0,
        conv_layer=create_conv2d,
        norm_layer=BatchNormAct2d,
    ).eval()
    first = model.stages[0].blocks[0]
    model.stem = nn.Sequential(model.stem.conv, first.norm1, model.stem.pool)
    first.norm1 = nn.Identity()
    if bottleneck and not stride_in_3x3:
        for stage in model.stages:
            block = stage.blocks[0]
            block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
    fill(_in_order(model), weights)
    kernel, bias = weights.dense()
    model.head.fc.weight = nn.Parameter(kernel[:, :, None, None])
    model.head.fc.bias = nn.Parameter(bias)
    return [model(images)]


def _in_order(model: ResNetV2) -> Iterator[nn.Module]:
    """The layers before the classifier: a unit's first norm, its shortcut, its convolutions."""
    yield from model.stem
    for stage in model.stages:
        for unit in stage.blocks:
            parts = dict(unit.named_children())
            yield parts.pop("norm1")
            if shortcut := parts.pop("downsample", None):
                yield shortcut.conv
            yield from parts.values()
    yield model.norm
