"""GPT-2 against Hugging Face's transformers."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {"vocabulary": 11, "context": 9, "depth": 2, "width": 12, "heads": 3}

FAMILY: Final = Family(
    form=_SMALL,
    reference="`transformers.GPT2LMHeadModel` (124M, 355M)",
    small={
        "two blocks": Reference("gpt2", _SMALL, module="gpt2", options={"depth": 2, "heads": 3}),
    },
    full={
        "124M": Reference("gpt2:124M", module="gpt2", options={"depth": 12, "heads": 12}),
        "355M": Reference("gpt2:355M", module="gpt2", options={"depth": 24, "heads": 16}),
        "774M, two blocks": Reference(
            "gpt2:774M", {"depth": 2}, module="gpt2", options={"depth": 2, "heads": 20}
        ),
        "1558M, two blocks": Reference(
            "gpt2:1558M", {"depth": 2}, module="gpt2", options={"depth": 2, "heads": 25}
        ),
    },
    follows="All kernels start alike, as in the published code; in the paper those before"
    " additions are smaller.",
)
