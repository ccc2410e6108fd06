"""The RetinaNet of torchvision."""

from __future__ import annotations

import resnet
from torch import Tensor
from torch_weights import Weights, fill
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelP6P7


def outputs(
    weights: Weights,
    images: Tensor,
    *,
    depths: list[int],
    filters: int = 256,
    classes: int = 80,
    p6_from: str = "c5",
) -> list[Tensor]:
    """Logits of the classes and moves of the boxes, for each anchor of each level."""
    maps = []
    x = images
    for layer in resnet.body(weights, depths):
        x = layer(x)
        maps.append(x)
    last = LastLevelP6P7(maps[-1].shape[1] if p6_from == "c5" else filters, filters)
    channels = [each.shape[1] for each in maps[-3:]]
    pyramid = FeaturePyramidNetwork(channels, filters, extra_blocks=last)
    fill([each[0] for each in reversed(pyramid.inner_blocks)], weights)
    fill([each[0] for each in pyramid.layer_blocks], weights)
    fill([last.p6, last.p7], weights)
    levels = pyramid({str(index): each for index, each in enumerate(maps[-3:])})
    head = RetinaNetHead(filters, 9, classes)
    fill(head.classification_head.modules(), weights)
    fill(head.regression_head.modules(), weights)
    result = head(list(levels.values()))
    return [result["cls_logits"], result["bbox_regression"]]
