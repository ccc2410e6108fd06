"""The Transformer's encoder against the layers that come with PyTorch."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_MODULE: Final = "transformer_encoder"
_SMALL: Final = {"vocabulary": 11, "depth": 2, "width": 16, "hidden": 24, "heads": 4}

FAMILY: Final = Family(
    form=_SMALL,
    reference="`torch.nn.TransformerEncoderLayer`",
    small={
        "encoder": Reference(
            "transformer_encoder", _SMALL, module=_MODULE, options={"depth": 2, "heads": 4}
        ),
    },
    full={
        "base": Reference(
            "transformer_encoder:base", module=_MODULE, options={"depth": 6, "heads": 8}
        ),
        "big": Reference(
            "transformer_encoder:big", module=_MODULE, options={"depth": 6, "heads": 16}
        ),
    },
    follows="It has biases in its attention; tensor2tensor has none.",
)
