"""The Transformer's encoder, of layers that come with PyTorch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch_weights import Weights, named


def outputs(weights: Weights, tokens: Tensor, *, depth: int, heads: int) -> list[Tensor]:
    """`torch.nn.TransformerEncoderLayer` with its norms behind the additions."""
    table = weights.take()
    width = table.shape[1]
    x = table[tokens.long()] * math.sqrt(width) + positions(tokens.shape[1], width)
    for _ in range(depth):
        x = encoder_layer(weights, width, heads)(x)
    return [x]


def positions(length: int, width: int) -> Tensor:
    """Section 3.5 of the paper, number by number."""
    table = torch.zeros(length, width)
    for position in range(length):
        for index in range(width):
            angle = position / 10000 ** (2 * (index // 2) / width)
            table[position, index] = math.cos(angle) if index % 2 else math.sin(angle)
    return table


def encoder_layer(weights: Weights, width: int, heads: int, *, bias: bool = True) -> nn.Module:
    """A layer of the encoder; `bias` is that of its attention."""
    values = {
        **weights.torch_attention("self_attn", bias=bias),
        **weights.norm("norm1"),
        **named("linear1", weights.dense()),
        **named("linear2", weights.dense()),
        **weights.norm("norm2"),
    }
    layer = nn.TransformerEncoderLayer(
        width,
        heads,
        len(values["linear1.bias"]),
        layer_norm_eps=1e-6,
        batch_first=True,
        norm_first=False,
    )
    layer.load_state_dict(values)
    return layer.eval()
