"""The T5 of Hugging Face's transformers."""

from __future__ import annotations

from collections.abc import Mapping

import vision  # noqa: F401 - transformers is imported behind it
from torch import Tensor, nn
from torch_weights import Weights
from transformers import T5Config, T5ForConditionalGeneration


def outputs(
    weights: Weights,
    inputs: Mapping[str, Tensor],
    *,
    depth: int,
    heads: int,
    buckets: int = 32,
    farthest: int = 128,
    v1_1: bool = False,
) -> list[Tensor]:
    """Logits of the next token of the target."""
    table = weights.take()
    logits = weights.take().T if v1_1 else table
    values = {"shared.weight": table}
    for stack in ("encoder", "decoder"):
        layer = f"{stack}.block.0.layer.0.SelfAttention"
        values |= {
            f"{stack}.embed_tokens.weight": table,
            f"{layer}.relative_attention_bias.weight": weights.take(),
        }
        for index in range(depth):
            values |= _layer(weights, f"{stack}.block.{index}.layer", stack == "decoder", v1_1)
        values[f"{stack}.final_layer_norm.weight"] = weights.take()
    queries = values["encoder.block.0.layer.0.SelfAttention.q.weight"]
    hidden = values["encoder.block.0.layer.1.DenseReluDense.wo.weight"]
    config = T5Config(
        vocab_size=table.shape[0],
        d_model=table.shape[1],
        d_kv=len(queries) // heads,
        d_ff=hidden.shape[1],
        num_layers=depth,
        num_heads=heads,
        relative_attention_num_buckets=buckets,
        relative_attention_max_distance=farthest,
        feed_forward_proj="gated-gelu" if v1_1 else "relu",
        tie_word_embeddings=not v1_1,
    )
    model = T5ForConditionalGeneration(config).eval()
    model.load_state_dict(values | {"lm_head.weight": table})
    # transformers keeps them equal, whatever the configuration says.
    model.lm_head.weight = nn.Parameter(logits)
    result = model(
        input_ids=inputs["source"].long(),
        attention_mask=inputs["mask"].long(),
        decoder_input_ids=inputs["target"].long(),
    )
    return [result.logits]


def _layer(weights: Weights, name: str, decoder: bool, gated: bool) -> dict[str, Tensor]:
    values = {}
    attentions = ["SelfAttention", "EncDecAttention"] if decoder else ["SelfAttention"]
    for index, attention in enumerate(attentions):
        values[f"{name}.{index}.layer_norm.weight"] = weights.take()
        for projection in "qkvo":
            values[f"{name}.{index}.{attention}.{projection}.weight"] = weights.take().T
    name = f"{name}.{len(attentions)}"
    values[f"{name}.layer_norm.weight"] = weights.take()
    for kernel in ("wi_0", "wi_1", "wo") if gated else ("wi", "wo"):
        values[f"{name}.DenseReluDense.{kernel}.weight"] = weights.take().T
    return values
