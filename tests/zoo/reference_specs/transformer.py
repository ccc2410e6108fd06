"""The Transformer against the layers that come with PyTorch."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {"vocabulary": 11, "depth": 2, "width": 16, "hidden": 24, "heads": 4}
_TWO: Final = {"depth": 2, "heads": 4}
_BASE: Final = {"depth": 6, "heads": 8}
_BIG: Final = {"depth": 6, "heads": 16}

FAMILY: Final = Family(
    form=_SMALL,
    reference="`torch.nn.TransformerEncoderLayer`, `TransformerDecoderLayer`",
    small={
        "two layers": Reference("transformer", _SMALL, module="transformer", options=_TWO),
        "tensor2tensor": Reference(
            "transformer:tensor2tensor-base",
            _SMALL,
            module="transformer",
            options={**_TWO, "tensor2tensor": True},
        ),
    },
    full={
        "base": Reference("transformer:base", module="transformer", options=_BASE),
        "big": Reference("transformer:big", module="transformer", options=_BIG),
        "tensor2tensor-base": Reference(
            "transformer:tensor2tensor-base",
            module="transformer",
            options={**_BASE, "tensor2tensor": True},
        ),
        "tensor2tensor-big": Reference(
            "transformer:tensor2tensor-big",
            module="transformer",
            options={**_BIG, "tensor2tensor": True},
        ),
    },
    follows="Its norms stand behind the additions with none at the end, as in the paper. Its"
    " attention has biases and each sine its cosine beside it, but for the variants named after"
    " tensor2tensor.",
)
