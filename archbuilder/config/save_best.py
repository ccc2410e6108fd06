"""The setting `save_best`: the metric whose best epoch a run saves next to its last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from archbuilder.config.settings import (
    mapping_schema,
    parse_settings,
    setting,
    setting_trees,
    settings_of,
)
from archbuilder.config.value_types import SectionContext, ValueType, choice, text
from archbuilder.diagnostics.span import Span
from archbuilder.yaml.nodes import MappingNode, Tree

WeightsChoice: TypeAlias = Literal["last", "best"]
"""The weights of a run: those that it ended with, or those of the best epoch of `save_best`."""


@dataclass(frozen=True, slots=True)
class SaveBest:
    """A metric, and whether smaller or larger values of it are better."""

    monitor_span: Span
    """Where the recipe names the metric."""
    monitor: str = setting(
        text(), "Metric whose best epoch is saved.", example="'save_best: val_loss'"
    )
    mode: Literal["auto", "min", "max"] = setting(
        choice("auto", "min", "max"),
        "Whether a smaller (`min`) or a larger (`max`) value is better; `auto` knows it for most"
        " metrics.",
        default="auto",
    )


def save_best() -> ValueType[SaveBest | None]:
    """Return the type of a metric, or of a mapping with `monitor` and `mode`."""
    settings = settings_of(SaveBest)

    def parse(tree: Tree, title: str, context: SectionContext) -> SaveBest | None:
        # As with objects of Keras, a value without a name is the first argument.
        trees: dict[str, Tree] = {"monitor": tree}
        if isinstance(tree, MappingNode):
            trees = setting_trees(settings, tree, title, context)
        values: dict[str, Any] = parse_settings(settings, trees, title, tree.span, context)
        return SaveBest(trees["monitor"].span, **values) if "monitor" in values else None

    schema = {"anyOf": [text().schema, mapping_schema(settings)]}
    return ValueType(schema, parse, "metric, or a mapping with `monitor` and `mode`")
