"""The Transformer's encoder, of layers that come with PyTorch."""

from __future__ import annotations

import math

import torch
from ported import Weights, named
from torch import Tensor, nn


def outputs(weights: Weights, tokens: Tensor, *, depth: int, heads: int) -> list[Tensor]:
    """`torch.nn.TransformerEncoderLayer` with its norms behind the additions."""
    table = weights.take()
    width = table.shape[1]
    x = table[tokens.long()] * math.sqrt(width) + _positions(tokens.shape[1], width)
    for _ in range(depth):
        x = _encoder_layer(weights, width, heads)(x)
    return [x]


def _positions(length: int, width: int) -> Tensor:
    """Section 3.5 of the paper, number by number."""
    table = torch.zeros(length, width)
    for position in range(length):
        for index in range(width):
            angle = position / 10000 ** (2 * (index // 2) / width)
            table[position, index] = math.cos(angle) if index % 2 else math.sin(angle)
    return table


def _encoder_layer(weights: Weights, width: int, heads: int) -> nn.Module:
    projections = [
        (weights.take().reshape(width, width).T, weights.take().reshape(width))
        for _ in ("query", "key", "value")
    ]
    out = weights.take().reshape(width, width).T, weights.take()
    first_norm = weights.take(), weights.take()
    hidden, back = weights.dense(), weights.dense()
    second_norm = weights.take(), weights.take()
    layer = nn.TransformerEncoderLayer(
        width, heads, len(hidden[1]), layer_norm_eps=1e-6, batch_first=True, norm_first=False
    )
    values = {
        "self_attn.in_proj_weight": torch.cat([kernel for kernel, _ in projections]),
        "self_attn.in_proj_bias": torch.cat([bias for _, bias in projections]),
        **named("self_attn.out_proj", out),
        **named("norm1", first_norm),
        **named("linear1", hidden),
        **named("linear2", back),
        **named("norm2", second_norm),
    }
    layer.load_state_dict(values)
    return layer.eval()
