"""MaxViT against timm."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {
    "image_size": 64, "depths": [1, 2], "widths": [4, 8], "stem": 4, "head_width": 2, "classes": 5,
}  # fmt: skip

FAMILY: Final = Family(
    form=_SMALL,
    reference="timm",
    small={
        # The first stage keeps the number of channels, the second doubles it.
        "two stages": Reference(
            "maxvit",
            _SMALL,
            module="maxvit",
            options={
                "depths": [1, 2],
                "embed_dim": [4, 8],
                "block_type": ["M", "M"],
                "stem_width": 4,
                "head_hidden_size": 8,
                "head_width": 2,
                "classes": 5,
            },
        ),
    },
    full={
        size: Reference(f"maxvit:{size}", module="maxvit", options={"size": size})
        for size in ("tiny", "small", "base", "large")
    },
    follows="It is the authors' network: GELU is the approximation with tanh, the classifier has"
    " a dense layer with tanh before it, and the rate of skipping reaches `drop_path` one block"
    " after the last. torchvision's `maxvit_t` differs from it: its GELU is exact, and attention"
    " divides by the root of all channels. Its multiply-adds are those of convolutions and dense"
    " layers, so the products of attention are not among them: 0.2 of the paper's 5.6 billion for"
    " MaxViT-T.",
)
