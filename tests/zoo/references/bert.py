"""The BERT of Hugging Face's transformers."""

from __future__ import annotations

from collections.abc import Mapping

import vision  # noqa: F401 - transformers is imported behind it
from torch import Tensor
from torch_weights import Weights, named
from transformers import BertConfig, BertForPreTraining, BertModel


def outputs(
    weights: Weights,
    inputs: Mapping[str, Tensor],
    *,
    depth: int,
    heads: int,
    gelu: str = "gelu",
    pretraining: bool = True,
) -> list[Tensor]:
    """Logits of the masked tokens and of the next sentence, or what the encoder gives."""
    table, kinds, positions = weights.take(), weights.take(), weights.take()
    values = {
        "embeddings.word_embeddings.weight": table,
        "embeddings.token_type_embeddings.weight": kinds,
        "embeddings.position_embeddings.weight": positions,
        **weights.norm("embeddings.LayerNorm"),
    }
    hidden = 0
    for layer in range(depth):
        result = _layer(weights, f"encoder.layer.{layer}")
        hidden = len(result[f"encoder.layer.{layer}.intermediate.dense.bias"])
        values |= result
    values |= named("pooler.dense", weights.dense())
    config = BertConfig(
        vocab_size=table.shape[0],
        type_vocab_size=kinds.shape[0],
        max_position_embeddings=positions.shape[0],
        hidden_size=table.shape[1],
        num_hidden_layers=depth,
        num_attention_heads=heads,
        intermediate_size=hidden,
        hidden_act=gelu,
    )
    precision = values["pooler.dense.weight"].dtype
    asked = {
        "input_ids": inputs["tokens"].long(),
        "token_type_ids": inputs["segments"].long(),
        "attention_mask": inputs["mask"].long(),
    }
    if not pretraining:
        encoder = BertModel(config).to(precision).eval()
        encoder.load_state_dict(values)
        encoded = encoder(**asked)
        return [encoded.last_hidden_state, encoded.pooler_output]
    model = BertForPreTraining(config).to(precision).eval()
    model.bert.load_state_dict(values)
    sentence = weights.dense()
    heads_of = {
        **named("seq_relationship", sentence),
        **named("predictions.transform.dense", weights.dense()),
        **weights.norm("predictions.transform.LayerNorm"),
        **named("predictions.decoder", (table, weights.take())),
    }
    heads_of["predictions.bias"] = heads_of["predictions.decoder.bias"]
    model.cls.load_state_dict(heads_of)
    result = model(**asked)
    return [result.prediction_logits, result.seq_relationship_logits]


def _layer(weights: Weights, name: str) -> dict[str, Tensor]:
    projections = weights.attention()
    names = {
        "q": "attention.self.query",
        "k": "attention.self.key",
        "v": "attention.self.value",
        "out": "attention.output.dense",
    }
    attention = {
        key: value
        for projection, (kernel, bias) in projections.items()
        for key, value in named(f"{name}.{names[projection]}", (kernel.T, bias)).items()
    }
    return {
        **attention,
        **weights.norm(f"{name}.attention.output.LayerNorm"),
        **named(f"{name}.intermediate.dense", weights.dense()),
        **named(f"{name}.output.dense", weights.dense()),
        **weights.norm(f"{name}.output.LayerNorm"),
    }
