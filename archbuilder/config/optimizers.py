"""The setting `optimizer`: an optimizer of Keras, or one for each part of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, cast

from archbuilder import registry
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.compiler.relative_steps import check_boundaries
from archbuilder.config.layer_patterns import (
    MAX_PATTERNS,
    check_layer_pattern,
    layer_patterns,
    selects,
)
from archbuilder.config.settings import mapping_type, setting
from archbuilder.config.value_types import (
    JsonSchema,
    SectionContext,
    ValueType,
    keras_object,
    number,
)
from archbuilder.diagnostics.errors import quote
from archbuilder.diagnostics.span import Span
from archbuilder.yaml.nodes import MappingEntry, MappingNode, ScalarNode, Tree, to_plain

OptimizerConfig: TypeAlias = KerasObject | Mapping[str, KerasObject]
"""An optimizer of all layers, or several by patterns of layers, the first of which decides."""
DEFAULT_OPTIMIZER: Final = KerasObject.from_name("optimizer", "Adam")
WEIGHT_DECAY_EXCLUSIONS: Final = "exclude_from_weight_decay"
"""An argument that archbuilder adds to those of Keras's optimizers."""
_CLIP_ARGUMENTS: Final = ("clipnorm", "global_clipnorm", "clipvalue")
_LAYER_DECAY: Final = "layer_decay"
_LEARNING_RATE: Final = "learning_rate"
_SCALED: Final = "Scaled"
_OTHERS: Final = "*"
_EMA: Final = ("use_ema", "use_ema: true")
_REQUIREMENTS: Final = {
    "ema_momentum": _EMA,
    "ema_overwrite_frequency": _EMA,
    WEIGHT_DECAY_EXCLUSIONS: ("weight_decay", "weight_decay: 0.01"),
}
"""Arguments that have no effect without another one, and how to write that."""


def optimizer() -> ValueType[OptimizerConfig]:
    """Return the type of an optimizer, or of optimizers by patterns of layers."""
    single, decay = single_optimizer(), mapping_type(LayerDecayConfig, "layer-wise decay")

    def parse(tree: Tree, title: str, context: SectionContext) -> OptimizerConfig:
        if isinstance(tree, MappingNode) and (entry := tree.get(_LAYER_DECAY)):
            if len(tree.entries) > 1:
                context.diagnostics.error(
                    "invalid-structure",
                    f"'{_LAYER_DECAY}' stands alone: it has the optimizer of all layers",
                    entry.key_span,
                )
            parsed: LayerDecayConfig | None = decay.parse(entry.value, f"'{_LAYER_DECAY}'", context)
            if parsed is None:
                return {}
            _check_order([(each, entry.value.span) for each in parsed.layers], context)
            return parsed.optimizers_by_layer()
        if not isinstance(tree, MappingNode) or not names_optimizers(tree, context.layers):
            return single.parse(tree, title, context)
        if len(tree.entries) > MAX_PATTERNS:
            expected = f"a mapping of at most {MAX_PATTERNS} optimizers"
            context.fields.report_unexpected(tree, title, expected)
            return {}
        matching = [each for each in tree if check_layer_pattern(each.key, each.key_span, context)]
        _check_order([(each.key, each.key_span) for each in matching], context)
        return {each.key: single.parse(each.value, title, context) for each in tree}

    by_layer: JsonSchema = {"type": "object", "additionalProperties": single.schema}
    decayed: JsonSchema = {
        "type": "object",
        "properties": {_LAYER_DECAY: decay.schema},
        "required": [_LAYER_DECAY],
        "additionalProperties": False,
    }
    schema: JsonSchema = {"anyOf": [single.schema, by_layer, decayed]}
    return ValueType(schema, parse, f"{single.text}, or a mapping by layers")


def _check_order(patterns: Sequence[tuple[str, Span]], context: SectionContext) -> None:
    """Report patterns that decide nothing, as earlier ones match all of their layers."""
    remaining = context.layers
    for pattern, span in patterns:
        others = tuple(each for each in remaining if not selects((pattern,), each))
        if len(others) == len(remaining):
            context.diagnostics.error(
                "invalid-structure",
                f"earlier patterns match all layers that {quote(pattern)} matches",
                span,
                label="the first match decides; move this pattern up, or remove it",
            )
        remaining = others


def single_optimizer() -> ValueType[KerasObject]:
    """Return the type of one optimizer, whose arguments also fit each other."""
    optimizer_type = keras_object("optimizer")

    def parse(tree: Tree, title: str, context: SectionContext) -> KerasObject:
        parsed = optimizer_type.parse(tree, title, context)
        arguments = [each for each in parsed.argument_entries if to_plain(each.value) is not None]
        clipping = [entry for entry in arguments if entry.key in _CLIP_ARGUMENTS]
        for entry in clipping[1:]:
            context.diagnostics.error(
                "invalid-structure",
                f"an optimizer clips gradients in one way: '{clipping[0].key}' or '{entry.key}'",
                entry.key_span,
                label="remove one of them",
            )
        signature = registry.load().signatures("optimizer").get(parsed.class_name)
        specs = {} if signature is None else signature.arguments
        for entry in arguments:
            required, example = _REQUIREMENTS.get(entry.key, ("", ""))
            # Keras ignores the argument in this case.
            if required in specs and not parsed.argument(required, default=specs[required].default):
                context.diagnostics.error(
                    "missing-argument",
                    f"'{entry.key}' has no effect without '{required}'",
                    entry.key_span,
                    label=f"add '{example}'",
                )
        check_boundaries(parsed, context.diagnostics)
        return parsed

    return ValueType(optimizer_type.schema, parse, optimizer_type.text)


def names_optimizers(tree: MappingNode, layers: Sequence[str] = ()) -> bool:
    """Return whether the keys of a mapping name what its optimizers train.

    Otherwise it is an optimizer with arguments. A pattern of `layers` shows that it is not.
    """
    names = registry.load().names("optimizer")

    def is_optimizer(value: Tree) -> bool:
        if isinstance(value, ScalarNode):
            return value.value in names
        return isinstance(value, MappingNode) and any(each.key in names for each in value)

    # `{type: Adam, learning_rate: 0.1}` has an argument where an optimizer would be.
    if any(isinstance(to_plain(each.value), int | float) for each in tree):
        return False
    return any(
        is_optimizer(each.value)
        or (each.key not in names and any(selects((each.key,), layer) for layer in layers))
        for each in tree
    )


@dataclass(frozen=True, slots=True)
class LayerDecayConfig:
    """Layer-wise decay: learning rates that fall from the output of a network to its input."""

    rate: float = setting(
        number(minimum=0, maximum=1),
        "Factor from the learning rate of a pattern to that of the one before it.",
    )
    layers: tuple[str, ...] = setting(
        layer_patterns(), "Patterns of layers from the input on; all others have the full rate."
    )
    optimizer: KerasObject = setting(
        single_optimizer(), "Optimizer, with the full learning rate.", default=DEFAULT_OPTIMIZER
    )

    def optimizers_by_layer(self) -> Mapping[str, KerasObject]:
        """Return the optimizer of each pattern, and that of all other layers."""
        optimizers = {
            pattern: _scale_learning_rate(self.optimizer, self.rate**depth)
            for depth, pattern in zip(range(len(self.layers), 0, -1), self.layers, strict=True)
        }
        return {**optimizers, _OTHERS: optimizers.get(_OTHERS, self.optimizer)}


def _scale_learning_rate(optimizer: KerasObject, factor: float) -> KerasObject:
    """Return an optimizer whose learning rate, or schedule, is multiplied by a factor."""
    span = optimizer.span

    def mapping(entries: Mapping[str, Tree]) -> MappingNode:
        return MappingNode(
            tuple(MappingEntry(key, value, span) for key, value in entries.items()), span
        )

    arguments = {entry.key: entry.value for entry in optimizer.argument_entries}
    bare = optimizer.arguments
    if isinstance(bare, int | float):
        # A bare value is the first argument, the learning rate.
        arguments[_LEARNING_RATE] = ScalarNode(bare, span)
    signature = registry.load().signatures("optimizer")[optimizer.class_name]
    default = ScalarNode(cast(float, signature.arguments[_LEARNING_RATE].default), span)
    rate = arguments.get(_LEARNING_RATE, default)
    arguments[_LEARNING_RATE] = (
        ScalarNode(rate.value * factor, span)
        if isinstance(rate, ScalarNode) and isinstance(rate.value, int | float)
        else mapping({_SCALED: mapping({"schedule": rate, "factor": ScalarNode(factor, span)})})
    )
    return replace(optimizer, tree=mapping({optimizer.class_name: mapping(arguments)}))
