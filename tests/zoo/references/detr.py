"""The DETR of Hugging Face's transformers, with a ResNet of torchvision."""

from __future__ import annotations

import resnet
import torch
from torch import Tensor, nn
from torch_weights import Weights, named
from transformers import DetrConfig, DetrForObjectDetection


class _Backbone(nn.Module):
    """A backbone as DETR calls it: a map, and where the image is in it."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, pixels: Tensor, _: Tensor) -> list[tuple[Tensor, Tensor]]:
        features = self.body(pixels)
        return [(features, torch.ones_like(features[:, 0], dtype=torch.bool))]


def outputs(
    weights: Weights, images: Tensor, *, depths: list[int], depth: int, heads: int
) -> list[Tensor]:
    """Logits of the classes, and boxes."""
    body = resnet.body(weights, depths)
    values = named("model.input_projection", weights.convolution())
    for index in range(depth):
        values |= _layer(weights, f"model.encoder.layers.{index}", ["self_attn"])
    queries = weights.take()
    values["model.query_position_embeddings.weight"] = queries
    for index in range(depth):
        values |= _layer(weights, f"model.decoder.layers.{index}", ["self_attn", "encoder_attn"])
    values |= {
        **weights.norm("model.decoder.layernorm"),
        **named("class_labels_classifier", weights.dense()),
    }
    for index in range(3):
        values |= named(f"bbox_predictor.layers.{index}", weights.dense())
    hidden = len(values["model.encoder.layers.0.mlp.fc1.bias"])
    config = DetrConfig(
        num_queries=len(queries),
        d_model=queries.shape[1],
        encoder_layers=depth,
        decoder_layers=depth,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=hidden,
        decoder_ffn_dim=hidden,
        num_labels=len(values["class_labels_classifier.bias"]) - 1,
    )
    model = DetrForObjectDetection(config).eval()
    model.model.backbone = nn.Identity()
    model.load_state_dict(values)
    model.model.backbone = _Backbone(body)
    result = model(images)
    return [result.logits, result.pred_boxes]


def _layer(weights: Weights, name: str, attentions: list[str]) -> dict[str, Tensor]:
    values = {}
    for attention in attentions:
        for projection, (kernel, bias) in weights.attention().items():
            short = "o" if projection == "out" else projection
            values |= named(f"{name}.{attention}.{short}_proj", (kernel.T, bias))
        values |= weights.norm(f"{name}.{attention}_layer_norm")
    return {
        **values,
        **named(f"{name}.mlp.fc1", weights.dense()),
        **named(f"{name}.mlp.fc2", weights.dense()),
        **weights.norm(f"{name}.final_layer_norm"),
    }
