"""The setting `lora`: layers that are trained by matrices of low rank."""

from __future__ import annotations

from dataclasses import dataclass

from archbuilder.config.layer_patterns import layer_patterns
from archbuilder.config.settings import mapping_type, setting
from archbuilder.config.value_types import ValueType, integer, number


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """Layers whose kernels are frozen, and trained by two matrices of low rank next to them."""

    rank: int = setting(
        integer(1, 1024), "Rank of the matrices.", example="'lora: {rank: 8, layers: [backbone.*]}'"
    )
    layers: tuple[str, ...] = setting(
        layer_patterns(or_inner=True),
        "The layers: `Dense`, `EinsumDense`, `Embedding` and convolutions, also within others, such"
        " as `attention.query`.",
        example="'layers: [backbone.*]'",
    )
    alpha: float | None = setting(
        number(above=0, maximum=1e6),
        "The product of the matrices counts `alpha / rank` times; by default once.",
        default=None,
    )


def lora() -> ValueType[LoraConfig]:
    """Return the type of mappings with `rank`, `layers` and `alpha`."""
    return mapping_type(LoraConfig, "mapping as in [`training: lora`](#training-lora)")
