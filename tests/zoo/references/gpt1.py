"""The GPT of Hugging Face's transformers."""

from __future__ import annotations

import vision  # noqa: F401 - transformers is imported behind it
from gpt2 import block
from torch import Tensor
from torch_weights import Weights
from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel


def outputs(weights: Weights, tokens: Tensor, *, depth: int, heads: int) -> list[Tensor]:
    """Logits of the next token. A block has the parts of GPT-2's, with its norms behind them."""
    table, positions = weights.take(), weights.take()
    values = {"tokens_embed.weight": table, "positions_embed.weight": positions}
    for index in range(depth):
        layer = block(weights, norms_first=False)
        values |= {f"h.{index}.{name}": value for name, value in layer.items()}
    config = OpenAIGPTConfig(
        vocab_size=table.shape[0],
        n_positions=positions.shape[0],
        n_embd=table.shape[1],
        n_layer=depth,
        n_head=heads,
    )
    model = OpenAIGPTLMHeadModel(config).eval()
    model.transformer.load_state_dict(values)
    model.tie_weights()
    return [model(tokens.long()).logits]
