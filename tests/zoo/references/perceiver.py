"""The Perceiver IO of Hugging Face's transformers."""

from __future__ import annotations

import vision  # noqa: F401 - transformers is imported behind it
from torch import Tensor
from torch_weights import Weights, named
from transformers import PerceiverConfig, PerceiverModel
from transformers.models.perceiver.modeling_perceiver import (
    PerceiverClassificationDecoder,
    PerceiverImagePreprocessor,
)


def outputs(
    weights: Weights,
    images: Tensor,
    *,
    depth: int,
    blocks: int,
    heads: int,
    bands: int = 64,
    learned: bool = False,
) -> list[Tensor]:
    """Logits of the classes, from Fourier features or from learned positions."""
    size = images.shape[-1]
    values = {}
    if learned:
        values |= {
            **named("input_preprocessor.convnet_1x1", weights.convolution()),
            "input_preprocessor.position_embeddings.position_embeddings": weights.take(),
            **named("input_preprocessor.positions_projection", weights.dense()),
        }
    latents = weights.take()
    values |= {
        "embeddings.latents": latents,
        **_cross_attention(weights, "encoder.cross_attention"),
    }
    for index in range(depth):
        name = f"encoder.self_attends.{index}"
        values |= {
            **weights.norm(f"{name}.attention.self.layernorm1"),
            **_attention(weights, name),
        }
    values |= {
        "decoder.decoder.output_position_encodings.position_embeddings": weights.take(),
        **_cross_attention(weights, "decoder.decoder.decoding_cross_attention"),
        **named("decoder.decoder.final_layer", weights.dense()),
    }
    width = latents.shape[1]
    config = PerceiverConfig(
        num_latents=len(latents),
        d_latents=width,
        d_model=len(values["encoder.cross_attention.attention.self.layernorm2.bias"]),
        num_blocks=blocks,
        num_self_attends_per_block=depth,
        num_self_attention_heads=heads,
        num_cross_attention_heads=1,
        num_labels=len(values["decoder.decoder.final_layer.bias"]),
    )
    if learned:
        channels = len(values["input_preprocessor.convnet_1x1.bias"])
        preprocessor = PerceiverImagePreprocessor(
            config,
            prep_type="conv1x1",
            spatial_downsample=1,
            out_channels=channels,
            position_encoding_type="trainable",
            concat_or_add_pos="concat",
            project_pos_dim=channels,
            trainable_position_encoding_kwargs={"num_channels": channels, "index_dims": size**2},
        )
    else:
        preprocessor = PerceiverImagePreprocessor(
            config,
            prep_type="pixels",
            spatial_downsample=1,
            fourier_position_encoding_kwargs={
                "concat_pos": True,
                "max_resolution": (size, size),
                "num_bands": bands,
                "sine_only": False,
            },
        )
    decoder = PerceiverClassificationDecoder(
        config,
        num_channels=width,
        trainable_position_encoding_kwargs={"num_channels": width, "index_dims": 1},
        use_query_residual=True,
    )
    model = PerceiverModel(config, decoder=decoder, input_preprocessor=preprocessor)
    model.load_state_dict(values)
    return [model.to(latents.dtype).eval()(inputs=images).logits]


def _cross_attention(weights: Weights, name: str) -> dict[str, Tensor]:
    return {
        **weights.norm(f"{name}.attention.self.layernorm2"),
        **weights.norm(f"{name}.attention.self.layernorm1"),
        **_attention(weights, name),
    }


def _attention(weights: Weights, name: str) -> dict[str, Tensor]:
    projections = weights.attention()
    names = {"q": "self.query", "k": "self.key", "v": "self.value", "out": "output.dense"}
    return {
        **{
            key: value
            for projection, (kernel, bias) in projections.items()
            for key, value in named(
                f"{name}.attention.{names[projection]}", (kernel.T, bias)
            ).items()
        },
        **weights.norm(f"{name}.layernorm"),
        **named(f"{name}.mlp.dense1", weights.dense()),
        **named(f"{name}.mlp.dense2", weights.dense()),
    }
