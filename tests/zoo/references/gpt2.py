"""The GPT-2 of Hugging Face's transformers."""

from __future__ import annotations

import torch
import vision  # noqa: F401 - transformers is imported behind it
from torch import Tensor
from torch_weights import Weights, named
from transformers import GPT2Config, GPT2LMHeadModel


def outputs(weights: Weights, tokens: Tensor, *, depth: int, heads: int) -> list[Tensor]:
    """Logits of the next token. Its kernels are (in, out), as those of Keras."""
    table, positions = weights.take(), weights.take()
    values = {"wte.weight": table, "wpe.weight": positions}
    for index in range(depth):
        layer = block(weights, norms_first=True)
        values |= {f"h.{index}.{name}": value for name, value in layer.items()}
    values |= weights.norm("ln_f")
    config = GPT2Config(
        vocab_size=table.shape[0],
        n_positions=positions.shape[0],
        n_embd=table.shape[1],
        n_layer=depth,
        n_head=heads,
    )
    model = GPT2LMHeadModel(config).eval()
    model.transformer.load_state_dict(values)
    model.tie_weights()
    return [model(tokens.long()).logits]


def block(weights: Weights, *, norms_first: bool) -> dict[str, Tensor]:
    """A block under the names that it has in GPT and in GPT-2."""
    values: dict[str, Tensor] = {}
    if norms_first:
        values |= weights.norm("ln_1")
    projections = weights.attention()
    query, key, value = (projections[name] for name in ("q", "k", "v"))
    values |= {
        "attn.c_attn.weight": torch.cat([query[0], key[0], value[0]], dim=1),
        "attn.c_attn.bias": torch.cat([query[1], key[1], value[1]]),
        **named("attn.c_proj", projections["out"]),
        **weights.norm("ln_2" if norms_first else "ln_1"),
        **named("mlp.c_fc", (weights.take(), weights.take())),
        **named("mlp.c_proj", (weights.take(), weights.take())),
    }
    return values if norms_first else values | weights.norm("ln_2")
