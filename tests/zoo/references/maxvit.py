"""The MaxViT of timm, whose `tf` models are those of the authors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import vision  # noqa: F401 - timm imports torchvision
from timm.layers import RelPosBiasTf
from timm.models.maxxvit import MaxxVit, model_cfgs
from torch import Tensor, nn
from torch_weights import Weights, fill


def outputs(
    weights: Weights,
    images: Tensor,
    *,
    size: str = "tiny",
    classes: int = 1000,
    head_width: int = 32,
    **sizes: object,
) -> list[Tensor]:
    """Of a published size under its name in timm, with other sizes in their place."""
    published = model_cfgs[f"maxvit_{size}_tf"]
    attention = replace(published.transformer_cfg, dim_head=head_width)
    config = replace(published, transformer_cfg=attention, **sizes)
    model = MaxxVit(config, img_size=images.shape[-1], num_classes=classes).eval()
    for layer in parts(model):
        if isinstance(layer, RelPosBiasTf):
            layer.relative_position_bias_table = nn.Parameter(weights.take())
        else:
            fill([layer], weights)
    return [model(images)]


def parts(module: nn.Module) -> Iterator[nn.Module]:
    """Its layers in the order in which they are used."""
    # A batch normalization of timm has its activation as a child.
    if isinstance(module, nn.BatchNorm2d) or not list(module.children()):
        yield module
    else:
        for child in module.children():
            yield from parts(child)
