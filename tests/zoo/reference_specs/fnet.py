"""FNet against Hugging Face's transformers."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {"vocabulary": 11, "length": 6, "depth": 2, "width": 16}

FAMILY: Final = Family(
    form=_SMALL,
    reference="`transformers.FNetForPreTraining`",
    small={"two layers": Reference("fnet", _SMALL, module="fnet", options={"depth": 2})},
    full={
        "base": Reference("fnet:base", module="fnet", options={"depth": 12}),
        "large, two layers": Reference(
            "fnet:large", {"depth": 2}, module="fnet", options={"depth": 2}
        ),
    },
    follows="Its embeddings have a projection, as in the authors' code.",
)
