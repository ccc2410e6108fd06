"""The setting `optimizer`: an optimizer of Keras, or one for each part of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from archbuilder import registry
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.layer_patterns import MAX_PATTERNS, check_layer_pattern, selects
from archbuilder.config.relative_steps import check_boundaries
from archbuilder.config.value_types import JsonSchema, SectionContext, ValueType, keras_object
from archbuilder.diagnostics.errors import quote
from archbuilder.yaml.nodes import MappingNode, ScalarNode, Tree, to_plain

OptimizerConfig: TypeAlias = KerasObject | Mapping[str, KerasObject]
"""An optimizer of all layers, or several by patterns of layers, the first of which decides."""
DEFAULT_OPTIMIZER: Final = KerasObject.from_name("optimizer", "Adam")
WEIGHT_DECAY_EXCLUSIONS: Final = "exclude_from_weight_decay"
"""An argument that archbuilder adds to those of Keras's optimizers."""
_CLIP_ARGUMENTS: Final = ("clipnorm", "global_clipnorm", "clipvalue")
_EMA: Final = ("use_ema", "use_ema: true")
_REQUIREMENTS: Final = {
    "ema_momentum": _EMA,
    "ema_overwrite_frequency": _EMA,
    WEIGHT_DECAY_EXCLUSIONS: ("weight_decay", "weight_decay: 0.01"),
}
"""Arguments that have no effect without another one, and how to write that."""


def optimizer() -> ValueType[OptimizerConfig]:
    """Return the type of an optimizer, or of optimizers by patterns of layers."""
    single = single_optimizer()

    def parse(tree: Tree, title: str, context: SectionContext) -> OptimizerConfig:
        if not isinstance(tree, MappingNode) or not _is_by_layer(tree, context):
            return single.parse(tree, title, context)
        if len(tree.entries) > MAX_PATTERNS:
            expected = f"a mapping of at most {MAX_PATTERNS} optimizers"
            context.fields.report_unexpected(tree, title, expected)
            return {}
        remaining = context.layers
        for entry in tree:
            others = tuple(each for each in remaining if not selects((entry.key,), each))
            is_match = check_layer_pattern(entry.key, entry.key_span, context)
            if is_match and len(others) == len(remaining):
                context.diagnostics.error(
                    "invalid-structure",
                    f"earlier patterns match all layers that {quote(entry.key)} matches",
                    entry.key_span,
                    label="the first match decides; move this pattern up, or remove it",
                )
            remaining = others
        return {each.key: single.parse(each.value, title, context) for each in tree}

    by_layer: JsonSchema = {"type": "object", "additionalProperties": single.schema}
    schema: JsonSchema = {"anyOf": [single.schema, by_layer]}
    return ValueType(schema, parse, f"{single.text}, or a mapping by layers")


def optimizer_by_network(networks: tuple[str, ...]) -> ValueType[Mapping[str, OptimizerConfig]]:
    """Return the type of one optimizer for all networks, or of a mapping by network."""
    single, any_optimizer = single_optimizer(), optimizer()

    def parse(tree: Tree, title: str, context: SectionContext) -> dict[str, OptimizerConfig]:
        if not isinstance(tree, MappingNode) or not any(tree.get(each) for each in networks):
            return dict.fromkeys(networks, single.parse(tree, title, context))
        # A network that the mapping does not name gets the default optimizer, not the other's.
        optimizers: dict[str, OptimizerConfig] = dict.fromkeys(networks, DEFAULT_OPTIMIZER)
        for entry in context.fields.known_entries(tree, networks, title):
            prefix = f"{entry.key}."
            paths = (each for each in context.layers if each.startswith(prefix))
            layers = tuple(each.removeprefix(prefix) for each in paths)
            network_context = replace(context, layers=layers)
            optimizers[entry.key] = any_optimizer.parse(entry.value, title, network_context)
        return optimizers

    by_network = {
        "type": "object",
        "properties": dict.fromkeys(networks, any_optimizer.schema),
        "additionalProperties": False,
    }
    schema = {"anyOf": [single.schema, by_network]}
    return ValueType(schema, parse, f"{single.text}, or a mapping by network")


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


def _is_by_layer(tree: MappingNode, context: SectionContext) -> bool:
    """Return whether a mapping is one of patterns rather than an optimizer with arguments."""
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
        or (each.key not in names and any(selects((each.key,), layer) for layer in context.layers))
        for each in tree
    )
