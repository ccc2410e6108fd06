"""Parsers of the `clip` and `ema` keys of `training`: gradient clipping and weight averaging."""

from __future__ import annotations

from typing import Final, cast

from archbuilder.config.objectives import ObjectiveReader
from archbuilder.config.training import EMAConfig, GradientClipping
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import Tree

_LIMIT: Final[dict[str, PlainData]] = {"type": "number", "exclusiveMinimum": 0}
_CLIP: Final[dict[str, dict[str, PlainData]]] = {
    "norm": _LIMIT,
    "global_norm": _LIMIT,
    "value": _LIMIT,
}
_AVERAGE: Final[dict[str, dict[str, PlainData]]] = {
    # With a momentum of 1 the average would stay at the weights that it started from.
    "momentum": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    "every": {"type": "integer", "minimum": 1, "maximum": 1_000_000_000},
}


def parse_clip(reader: ObjectiveReader, tree: Tree | None) -> GradientClipping | None:
    """Parse `clip`, which names exactly one of three methods; None if the key is absent."""
    if tree is None:
        return None
    mapping = reader.fields.expect_mapping(
        tree, "'clip'", expected="a mapping such as {global_norm: 1}"
    )
    if mapping is None:
        return None
    options = reader.options("clip", _CLIP, mapping)
    if len(mapping.entries) != 1:
        reader.fields.diagnostics.error(
            "invalid-structure",
            f"'clip' names one of {', '.join(_CLIP)}, and this names {len(mapping.entries)}",
            mapping.span,
        )
    return GradientClipping(**cast(dict[str, float], options))


def parse_ema(reader: ObjectiveReader, tree: Tree | None) -> EMAConfig | None:
    """Parse `ema`; None if the key is absent."""
    if tree is None:
        return None
    mapping = reader.fields.expect_mapping(
        tree, "'ema'", expected="a mapping such as {momentum: 0.999}"
    )
    if mapping is None:
        return None
    options = reader.options("ema", _AVERAGE, mapping)
    defaults = EMAConfig()
    momentum = cast(float, options.get("momentum", defaults.momentum))
    return EMAConfig(momentum, cast("int | None", options.get("every")))
