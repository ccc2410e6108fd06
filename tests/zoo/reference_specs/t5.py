"""T5 against Hugging Face's transformers."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {
    "vocabulary": 11, "depth": 2, "width": 16, "hidden": 24, "heads": 2, "head_width": 4,
    "buckets": 8, "farthest": 12,
}  # fmt: skip
_OPTIONS: Final = {"depth": 2, "heads": 2, "buckets": 8, "farthest": 12}
_SIZES: Final = {"small": (6, 8), "base": (12, 12), "v1.1-small": (8, 6), "v1.1-base": (12, 12)}
"""Depths and heads of the sizes that fit."""
_HEADS: Final = {"large": 16, "3b": 32, "v1.1-large": 16, "v1.1-xl": 32}
"""Heads of those of which two layers do."""


def _full(variant: str, depth: int, heads: int, params: dict[str, int] | None = None) -> Reference:
    return Reference(
        f"t5:{variant}",
        params or {},
        module="t5",
        options={"depth": depth, "heads": heads, "v1_1": variant.startswith("v1.1")},
        length=200,
    )


FAMILY: Final = Family(
    form=_SMALL,
    reference="`transformers.T5ForConditionalGeneration`",
    small={
        "two layers": Reference("t5", _SMALL, module="t5", options=_OPTIONS, length=15),
        "1.1": Reference(
            "t5:v1.1-base", _SMALL, module="t5", options={**_OPTIONS, "v1_1": True}, length=15
        ),
    },
    full={
        **{variant: _full(variant, *sizes) for variant, sizes in _SIZES.items()},
        **{
            f"{variant}, two layers": _full(variant, 2, heads, {"depth": 2})
            for variant, heads in _HEADS.items()
        },
    },
    follows="The initial queries have the scale that attention lacks, as in Mesh TensorFlow. T5 1.1"
    " has 0.1 of dropout as when it is fine-tuned; it was pre-trained with none.",
)
