"""The RegNets of timm, which computes the table of stages from the same numbers."""

from __future__ import annotations

from collections.abc import Iterator

import vision  # noqa: F401 - timm imports torchvision
from timm.models.regnet import RegNet, RegNetCfg, model_cfgs
from torch import Tensor, nn
from torch_weights import Weights, fill


def outputs(weights: Weights, images: Tensor, *, model: str = "", **numbers: float) -> list[Tensor]:
    """Of a published model under its name in timm, or of the numbers of another."""
    config = model_cfgs[model] if model else RegNetCfg(**numbers)
    network = RegNet(config, num_classes=1).eval()
    fill(in_order(network), weights)
    return [network(images)]


def in_order(model: nn.Module) -> Iterator[nn.Module]:
    """The layers, a block's shortcut before its convolutions."""
    for name, layer in model.named_children():
        if name == "downsample":
            continue
        if isinstance(shortcut := getattr(layer, "downsample", None), nn.Module):
            yield from in_order(shortcut)
        # A batch normalization of timm has its activation as a child.
        is_whole = isinstance(layer, nn.BatchNorm2d) or not list(layer.children())
        yield from (layer,) if is_whole else in_order(layer)
