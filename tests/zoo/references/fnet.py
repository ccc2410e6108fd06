"""The FNet of Hugging Face's transformers."""

from __future__ import annotations

from collections.abc import Mapping

import vision  # noqa: F401 - transformers is imported behind it
from torch import Tensor
from torch_weights import Weights, named
from transformers import FNetConfig, FNetForPreTraining


def outputs(weights: Weights, inputs: Mapping[str, Tensor], *, depth: int) -> list[Tensor]:
    """Logits of the masked tokens and of the next sentence."""
    table, kinds, positions = weights.take(), weights.take(), weights.take()
    values = {
        "fnet.embeddings.word_embeddings.weight": table,
        "fnet.embeddings.token_type_embeddings.weight": kinds,
        "fnet.embeddings.position_embeddings.weight": positions,
        **weights.norm("fnet.embeddings.LayerNorm"),
        **named("fnet.embeddings.projection", weights.dense()),
    }
    hidden = 0
    for index in range(depth):
        layer = f"fnet.encoder.layer.{index}"
        values |= {
            **weights.norm(f"{layer}.fourier.output.LayerNorm"),
            **named(f"{layer}.intermediate.dense", weights.dense()),
            **named(f"{layer}.output.dense", weights.dense()),
            **weights.norm(f"{layer}.output.LayerNorm"),
        }
        hidden = len(values[f"{layer}.intermediate.dense.bias"])
    values |= {
        **named("fnet.pooler.dense", weights.dense()),
        **named("cls.seq_relationship", weights.dense()),
        **named("cls.predictions.transform.dense", weights.dense()),
        **weights.norm("cls.predictions.transform.LayerNorm"),
        **named("cls.predictions.decoder", (table, weights.take())),
    }
    values["cls.predictions.bias"] = values["cls.predictions.decoder.bias"]
    config = FNetConfig(
        vocab_size=table.shape[0],
        hidden_size=table.shape[1],
        num_hidden_layers=depth,
        intermediate_size=hidden,
        max_position_embeddings=positions.shape[0],
        type_vocab_size=kinds.shape[0],
    )
    model = FNetForPreTraining(config).to(table.dtype).eval()
    model.load_state_dict(values)
    result = model(input_ids=inputs["tokens"].long(), token_type_ids=inputs["segments"].long())
    return [result.prediction_logits, result.seq_relationship_logits]
