"""GPT against Hugging Face's transformers."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {"vocabulary": 11, "context": 9, "depth": 2, "width": 12, "heads": 3}
_FULL: Final = {"depth": 12, "heads": 12}

FAMILY: Final = Family(
    form=_SMALL,
    reference="`transformers.OpenAIGPTLMHeadModel`",
    small={
        "two blocks": Reference("gpt1", _SMALL, module="gpt1", options={"depth": 2, "heads": 3}),
    },
    full={
        "default": Reference("gpt1", module="gpt1", options=_FULL),
        "fine-tuning": Reference("gpt1:fine-tuning", module="gpt1", options=_FULL),
    },
)
