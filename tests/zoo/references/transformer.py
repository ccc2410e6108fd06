"""The Transformer, of layers that come with PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch_weights import Weights, named
from transformer_encoder import encoder_layer, positions


def outputs(
    weights: Weights,
    inputs: Mapping[str, Tensor],
    *,
    depth: int,
    heads: int,
    tensor2tensor: bool = False,
) -> list[Tensor]:
    """`torch.nn.TransformerEncoderLayer` and `TransformerDecoderLayer`, and logits."""
    bias = not tensor2tensor
    placed = _timing_signal if tensor2tensor else positions
    table = weights.take()
    width = table.shape[1]
    padding = inputs["mask"] == 0

    def embedded(tokens: Tensor) -> Tensor:
        return table[tokens.long()] * math.sqrt(width) + placed(tokens.shape[1], width)

    memory = embedded(inputs["source"])
    for _ in range(depth):
        layer = encoder_layer(weights, width, heads, bias=bias)
        memory = layer(memory, src_key_padding_mask=padding)
    x = embedded(inputs["target"])
    later = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
    for _ in range(depth):
        decode = _decoder_layer(weights, width, heads, bias=bias)
        x = decode(x, memory, tgt_mask=later, memory_key_padding_mask=padding)
    return [x @ table.T]


def _timing_signal(length: int, width: int) -> Tensor:
    """`get_timing_signal_1d` of tensor2tensor, for an even width."""
    count = width // 2
    increment = math.log(10000) / (count - 1)
    scales = torch.exp(torch.arange(count) * -increment)
    times = torch.arange(length)[:, None] * scales[None, :]
    return torch.cat([times.sin(), times.cos()], dim=1)


def _decoder_layer(weights: Weights, width: int, heads: int, *, bias: bool) -> nn.Module:
    values = {
        **weights.torch_attention("self_attn", bias=bias),
        **weights.norm("norm1"),
        **weights.torch_attention("multihead_attn", bias=bias),
        **weights.norm("norm2"),
        **named("linear1", weights.dense()),
        **named("linear2", weights.dense()),
        **weights.norm("norm3"),
    }
    hidden = len(values["linear1.bias"])
    layer = nn.TransformerDecoderLayer(
        width, heads, hidden, layer_norm_eps=1e-6, batch_first=True, norm_first=False
    )
    layer.load_state_dict(values)
    return layer.eval()
