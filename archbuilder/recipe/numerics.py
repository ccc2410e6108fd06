"""Reads what `training` says of the numbers of a step: clipped gradients, averaged weights."""

from __future__ import annotations

from typing import Final, cast

from archbuilder.recipe.objectives import ObjectiveReader
from archbuilder.recipe.spec import Clip, MovingAverage
from archbuilder.tree import Plain, Tree

_LIMIT: Final[dict[str, Plain]] = {"type": "number", "exclusiveMinimum": 0}
_CLIP: Final[dict[str, dict[str, Plain]]] = {
    "norm": _LIMIT,
    "global_norm": _LIMIT,
    "value": _LIMIT,
}
_AVERAGE: Final[dict[str, dict[str, Plain]]] = {
    "momentum": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    "every": {"type": "integer", "minimum": 1, "maximum": 1_000_000_000},
}


def read_clip(reader: ObjectiveReader, tree: Tree | None) -> Clip | None:
    """How gradients are clipped: one of the three ways."""
    if tree is None:
        return None
    mapping = reader.form.mapping(tree, "'clip'", of="a mapping such as {global_norm: 1}")
    if mapping is None:
        return None
    given = reader.options("clip", _CLIP, mapping)
    if len(mapping.entries) != 1:
        reader.form.diagnostics.error(
            "wrong-form",
            f"'clip' names one of {', '.join(_CLIP)}, and this names {len(mapping.entries)}",
            mapping.span,
        )
    return Clip(**cast(dict[str, float], given))


def read_average(reader: ObjectiveReader, tree: Tree | None) -> MovingAverage | None:
    """How weights are averaged over the steps."""
    if tree is None:
        return None
    mapping = reader.form.mapping(tree, "'ema'", of="a mapping such as {momentum: 0.999}")
    if mapping is None:
        return None
    given = reader.options("ema", _AVERAGE, mapping)
    defaults = MovingAverage()
    momentum = cast(float, given.get("momentum", defaults.momentum))
    return MovingAverage(momentum, cast("int | None", given.get("every")))
