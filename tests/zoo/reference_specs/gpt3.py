"""GPT-3 against the GPT-2 of Hugging Face's transformers."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {"vocabulary": 11, "context": 9, "depth": 2, "width": 12, "heads": 3}
_HEADS: Final = {"large": 16, "xl": 16, "2.7B": 32}
"""The sizes of which one block is compared; those beyond have too many weights."""

FAMILY: Final = Family(
    form=_SMALL,
    reference="`transformers.GPT2LMHeadModel` (small, medium; one block of large, xl and 2.7B)",
    small={
        "two blocks": Reference("gpt3", _SMALL, module="gpt2", options={"depth": 2, "heads": 3}),
    },
    full={
        "small": Reference("gpt3:small", module="gpt2", options={"depth": 12, "heads": 12}),
        "medium": Reference("gpt3:medium", module="gpt2", options={"depth": 24, "heads": 16}),
        **{
            f"{size}, one block": Reference(
                f"gpt3:{size}", {"depth": 1}, module="gpt2", options={"depth": 1, "heads": heads}
            )
            for size, heads in _HEADS.items()
        },
    },
    follows="All its attention is dense: how wide the bands of the paper's sparse layers are is not"
    " published. 13B has 40 heads and d = 5120, and XL 16 heads, as the paper's counts ask for.",
)
