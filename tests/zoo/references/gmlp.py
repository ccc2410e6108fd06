"""The gMLP of timm."""

from __future__ import annotations

import vision  # noqa: F401 - timm imports torchvision
from timm.layers import GatedMlp
from timm.models.mlp_mixer import MlpMixer, SpatialGatingBlock
from torch import Tensor
from torch_weights import Weights, named


def outputs(weights: Weights, images: Tensor, *, depth: int) -> list[Tensor]:
    """Its parts have the order of the blueprint's, and the size that the weights have."""
    values = named("stem.proj", weights.convolution())
    width, hidden = len(values["stem.proj.bias"]), 0
    for index in range(depth):
        block = f"blocks.{index}"
        values |= {
            **weights.norm(f"{block}.norm"),
            **named(f"{block}.mlp_channels.fc1", weights.dense()),
            **weights.norm(f"{block}.mlp_channels.gate.norm"),
            f"{block}.mlp_channels.gate.proj.weight": weights.take().T,
            f"{block}.mlp_channels.gate.proj.bias": weights.take().flatten(),
            **named(f"{block}.mlp_channels.fc2", weights.dense()),
        }
        hidden = len(values[f"{block}.mlp_channels.fc1.bias"])
    values |= {**weights.norm("norm"), **named("head", weights.dense())}
    model = MlpMixer(
        num_classes=len(values["head.bias"]),
        img_size=images.shape[-1],
        patch_size=values["stem.proj.weight"].shape[-1],
        num_blocks=depth,
        embed_dim=width,
        mlp_ratio=hidden // width,
        block_layer=SpatialGatingBlock,
        mlp_layer=GatedMlp,
    ).eval()
    model.load_state_dict(values)
    return [model(images)]
