"""The Swin Transformer of torchvision."""

from __future__ import annotations

from torch import Tensor, nn
from torch_weights import Weights, fill
from vision import models

swin = models.swin_transformer


def outputs(
    weights: Weights,
    images: Tensor,
    *,
    depths: list[int],
    width: int,
    heads: list[int],
    window: int,
    classes: int,
) -> list[Tensor]:
    """Of the sizes that the blueprint has."""
    model = swin.SwinTransformer(
        patch_size=[4, 4],
        embed_dim=width,
        depths=depths,
        num_heads=heads,
        window_size=[window, window],
        num_classes=classes,
    ).eval()
    fill_in_order(model, weights)
    return [model(images)]


def fill_in_order(model: nn.Module, weights: Weights) -> None:
    """Give weights to its parts, in the order in which they are used."""
    for module in model.children():
        if isinstance(module, swin.ShiftedWindowAttention):
            module.relative_position_bias_table = nn.Parameter(weights.take())
        if isinstance(module, swin.PatchMerging):
            fill([module.norm, module.reduction], weights)
        elif list(module.children()):
            fill_in_order(module, weights)
        else:
            fill([module], weights)
