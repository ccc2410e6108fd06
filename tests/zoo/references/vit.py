"""The Vision Transformer of torchvision."""

from __future__ import annotations

from torch import Tensor, nn
from torch_weights import Weights, named
from vision import models


def outputs(
    weights: Weights, images: Tensor, *, depth: int, heads: int, tanh_gelu: bool = False
) -> list[Tensor]:
    """Its parts have the order of the blueprint's, and the size that the weights have."""
    kernel, bias = weights.convolution()
    token, positions = weights.take(), weights.take()
    values = {
        **named("conv_proj", (kernel, bias)),
        "class_token": token,
        "encoder.pos_embedding": positions[None],
    }
    hidden = 0
    for block in range(depth):
        name = f"encoder.layers.encoder_layer_{block}"
        values |= {
            **weights.norm(f"{name}.ln_1"),
            **weights.torch_attention(f"{name}.self_attention"),
            **weights.norm(f"{name}.ln_2"),
            **named(f"{name}.mlp.0", weights.dense()),
            **named(f"{name}.mlp.3", weights.dense()),
        }
        hidden = len(values[f"{name}.mlp.0.bias"])
    head = weights.norm("encoder.ln"), weights.dense()
    model = models.VisionTransformer(
        image_size=images.shape[-1],
        patch_size=kernel.shape[-1],
        num_layers=depth,
        num_heads=heads,
        hidden_dim=len(bias),
        mlp_dim=hidden,
        num_classes=len(head[1][1]),
    ).eval()
    model.load_state_dict({**values, **head[0], **named("heads.head", head[1])})
    for module in model.modules():
        if isinstance(module, nn.GELU) and tanh_gelu:
            module.approximate = "tanh"
    return [model(images)]
