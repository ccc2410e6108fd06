"""The setting `optimizer`: an optimizer of Keras, or one for each network of a GAN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.value_types import SectionContext, ValueType, keras_object
from archbuilder.yaml.nodes import MappingNode, Tree, to_plain

DEFAULT_OPTIMIZER: Final = KerasObject.from_name("optimizer", "Adam")
_CLIP_ARGUMENTS: Final = ("clipnorm", "global_clipnorm", "clipvalue")
_EMA_ARGUMENTS: Final = ("ema_momentum", "ema_overwrite_frequency")


def optimizer() -> ValueType[KerasObject]:
    """Return the type of optimizers, whose arguments also fit each other."""
    any_optimizer = keras_object("optimizer")

    def parse(tree: Tree, what: str, context: SectionContext) -> KerasObject:
        parsed = any_optimizer.parse(tree, what, context)
        arguments = [each for each in parsed.argument_entries if to_plain(each.value) is not None]
        clipping = [entry for entry in arguments if entry.key in _CLIP_ARGUMENTS]
        for entry in clipping[1:]:
            context.diagnostics.error(
                "invalid-structure",
                f"an optimizer clips gradients in one way: '{clipping[0].key}' or '{entry.key}'",
                entry.key_span,
                label="remove one of them",
            )
        for entry in arguments:
            # Keras ignores them in this case.
            if entry.key in _EMA_ARGUMENTS and not parsed.argument("use_ema"):
                context.diagnostics.error(
                    "missing-argument",
                    f"'{entry.key}' has no effect without 'use_ema'",
                    entry.key_span,
                    label="add 'use_ema: true'",
                )
        return parsed

    return ValueType(any_optimizer.schema, parse, any_optimizer.text)


def optimizer_by_network(networks: tuple[str, ...]) -> ValueType[Mapping[str, KerasObject]]:
    """Return the type of one optimizer for all networks, or of a mapping by network."""
    single = optimizer()

    def parse(tree: Tree, what: str, context: SectionContext) -> dict[str, KerasObject]:
        if not isinstance(tree, MappingNode) or not any(tree.get(each) for each in networks):
            return dict.fromkeys(networks, single.parse(tree, what, context))
        entries = context.fields.known_entries(tree, networks, what)
        # A network that the mapping does not name gets the default optimizer, not the other's.
        optimizers = dict.fromkeys(networks, DEFAULT_OPTIMIZER)
        return optimizers | {each.key: single.parse(each.value, what, context) for each in entries}

    by_network = {
        "type": "object",
        "properties": dict.fromkeys(networks, single.schema),
        "additionalProperties": False,
    }
    schema = {"anyOf": [single.schema, by_network]}
    return ValueType(schema, parse, f"{single.text}, or a mapping by network")
