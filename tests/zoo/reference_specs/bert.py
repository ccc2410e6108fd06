"""BERT against Hugging Face's transformers."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {"vocabulary": 11, "context": 9, "depth": 2, "width": 12, "heads": 3, "hidden": 20}
_TWO: Final = {"depth": 2, "heads": 3}
_BASE: Final = {"depth": 12, "heads": 12}
_LARGE: Final = {"depth": 24, "heads": 16}

FAMILY: Final = Family(
    form=_SMALL,
    reference="`transformers.BertForPreTraining`",
    small={
        "pretraining": Reference("bert", _SMALL, module="bert", options=_TWO),
        "tanh": Reference(
            "bert",
            {**_SMALL, "tanh_gelu": True},
            module="bert",
            options={**_TWO, "gelu": "gelu_pytorch_tanh"},
        ),
        "encoder": Reference(
            "bert:base-encoder", _SMALL, module="bert", options={**_TWO, "pretraining": False}
        ),
    },
    full={
        "base": Reference("bert:base", module="bert", options=_BASE),
        "base-cased": Reference("bert:base-cased", module="bert", options=_BASE),
        "base-encoder": Reference(
            "bert:base-encoder", module="bert", options={**_BASE, "pretraining": False}
        ),
        "large": Reference("bert:large", module="bert", options=_LARGE, dtype="float64"),
        "large-cased": Reference(
            "bert:large-cased", module="bert", options=_LARGE, dtype="float64"
        ),
        "large-encoder": Reference(
            "bert:large-encoder",
            module="bert",
            options={**_LARGE, "pretraining": False},
            dtype="float64",
        ),
    },
    follows="Its GELU is exact, as in the paper and in Hugging Face's; the published code has an"
    " approximation since 2019: `tanh_gelu: true`.",
)
