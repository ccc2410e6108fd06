"""The encoder of MoCo, made of torchvision's ResNet as the authors' program makes it."""

from __future__ import annotations

from resnet import in_order
from torch import Tensor, nn
from torch.nn import functional
from torch_weights import Weights, fill
from vision import models


def outputs(weights: Weights, images: Tensor, *, depths: list[int], mlp: bool) -> list[Tensor]:
    """With 128 features of length one; `mlp` is v2."""
    model = models.resnet.ResNet(models.resnet.Bottleneck, depths, num_classes=128).eval()
    if mlp:
        width = model.fc.in_features
        model.fc = nn.Sequential(nn.Linear(width, width), nn.ReLU(), model.fc)
    fill(in_order(model), weights)
    return [functional.normalize(model(images), dim=1)]
