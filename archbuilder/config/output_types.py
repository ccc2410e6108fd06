"""Types of settings that are given by output: losses, metrics, weights, and wiring of inputs.

For a network with one output, its name may be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias, TypeVar

from archbuilder import registry
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.value_types import (
    LocatedText,
    SectionContext,
    ValueType,
    keras_object,
    number,
)
from archbuilder.diagnostics.errors import closest_match, quote, quote_list
from archbuilder.diagnostics.span import Span
from archbuilder.formatting import any_of
from archbuilder.registry.signatures import ObjectKind
from archbuilder.yaml.nodes import MappingEntry, MappingNode, ScalarNode, SequenceNode, Tree

_T = TypeVar("_T")
_WEIGHT: Final = number(minimum=0)
BALANCED: Final = "balanced"
SAMPLING_WORDS: Final = (BALANCED, "oversample", "undersample")
_MAX_FACTOR: Final = 1000
_VAL_PREFIX: Final = "val_"
"""Prefix that Keras gives to the names of validation metrics."""


def losses() -> ValueType[Mapping[str, KerasObject]]:
    """Return the type of `loss`: one loss, or losses by output."""
    loss = keras_object("loss")

    def parse(tree: Tree, title: str, context: SectionContext) -> dict[str, KerasObject]:
        if isinstance(tree, MappingNode) and not tree.entries:
            context.diagnostics.error(
                "missing-argument",
                f"{title} does not name an output",
                tree.span,
                notes=(f"the network's outputs are: {', '.join(context.outputs)}",),
            )
            return {}
        trees = _trees_by_output(tree, title, "loss", context)
        return {output: loss.parse(each, title, context) for output, each in trees.items()}

    return _by_name(loss, parse, "by output")


def metrics() -> ValueType[Mapping[str, tuple[KerasObject, ...]]]:
    """Return the type of `metrics`: a metric or a list of them, or a mapping of these by output."""
    metric = keras_object("metric")

    def parse(
        tree: Tree, title: str, context: SectionContext
    ) -> dict[str, tuple[KerasObject, ...]]:
        by_output = {}
        for output, value in _trees_by_output(tree, title, "metric", context).items():
            items = value.items if isinstance(value, SequenceNode) else (value,)
            by_output[output] = tuple(metric.parse(each, title, context) for each in items)
        return by_output

    schema = {"anyOf": [metric.schema, {"type": "array", "items": metric.schema}]}
    item = ValueType(schema, metric.parse, "metric of Keras, or a list of them")
    return _by_name(item, parse, "by output")


def loss_weights() -> ValueType[Mapping[str, float]]:
    """Return the type of `loss_weights`: weights by output."""

    def parse(tree: Tree, title: str, context: SectionContext) -> dict[str, float]:
        mapping = context.fields.expect_mapping(
            tree, title, expected="a mapping of outputs to weights"
        )
        weights = {}
        for entry in mapping or ():
            # Both checks always run, so that an entry with two errors reports both.
            is_valid_name = _check_output_name(entry, context)
            weight = _WEIGHT.parse(entry.value, f"the weight of '{entry.key}'", context)
            if is_valid_name:
                weights[entry.key] = weight
        return weights

    return ValueType(_mapping_schema(_WEIGHT), parse, "mapping of outputs to numbers")


ClassNumbers: TypeAlias = str | Mapping[str, float]
"""Numbers by class, or a word for those that follow from the numbers of examples."""


def class_weights() -> ValueType[Mapping[str, ClassNumbers]]:
    """Return the type of `class_weight`: `balanced` or weights by class, or these by output."""
    return _class_numbers((BALANCED,), _WEIGHT)


def class_sampling() -> ValueType[Mapping[str, ClassNumbers]]:
    """Return the type of `sampling`: a word, or factors by class, or these by one output."""
    numbers = _class_numbers(SAMPLING_WORDS, number(minimum=0, maximum=_MAX_FACTOR))

    def parse(tree: Tree, title: str, context: SectionContext) -> Mapping[str, ClassNumbers]:
        by_output = numbers.parse(tree, title, context)
        if len(by_output) > 1:
            context.diagnostics.error(
                "invalid-structure",
                f"{title} draws examples by the classes of one output, not of"
                f" {quote_list(by_output)}",
                tree.span,
            )
        return by_output

    return replace(numbers, parse=parse)


def _class_numbers(
    words: tuple[str, ...], number_type: ValueType[float]
) -> ValueType[Mapping[str, ClassNumbers]]:
    """Return the type of one of several words, or numbers by class, or these by output."""
    expected = f"{any_of(quote(each) for each in words)} or a mapping of classes to weights"

    def is_word(tree: Tree) -> bool:
        return isinstance(tree, ScalarNode) and tree.value in words

    def parse_classes(tree: Tree, title: str, context: SectionContext) -> ClassNumbers:
        if isinstance(tree, ScalarNode) and isinstance(tree.value, str) and is_word(tree):
            return LocatedText(tree.value, tree.span)
        mapping = context.fields.expect_mapping(tree, title, expected=expected)
        return {
            LocatedText(entry.key, entry.key_span): number_type.parse(
                entry.value, f"the weight of class {quote(entry.key)}", context
            )
            for entry in mapping or ()
        }

    def parse(tree: Tree, title: str, context: SectionContext) -> dict[str, ClassNumbers]:
        entries: Sequence[MappingEntry] = ()
        if not is_word(tree):
            mapping = context.fields.expect_mapping(tree, title, expected=expected)
            if mapping is None or not mapping.entries:
                return {}
            entries = mapping.entries
        trees: dict[str, Tree]
        # A mapping of numbers is for the only output, a mapping of mappings is by output.
        if any(isinstance(each.value, MappingNode) or is_word(each.value) for each in entries):
            trees = {each.key: each.value for each in entries if _check_output_name(each, context)}
        else:
            trees = dict.fromkeys(context.outputs[:1], tree)
            if len(context.outputs) > 1:
                _report_missing_output_name(title, tree.span, context)
        return {output: parse_classes(each, title, context) for output, each in trees.items()}

    any_word = {"enum": [*words]}
    by_class = _mapping_schema(number_type)
    by_output = {
        "type": "object",
        "additionalProperties": {"anyOf": [number_type.schema, by_class, any_word]},
    }
    return ValueType(
        {"anyOf": [any_word, by_output]},
        parse,
        f"{any_of(f'`{each}`' for each in words)} or a mapping of classes to numbers, or a mapping"
        " of these by output",
    )


def names_by_name(key_kind: str, value_kind: str) -> ValueType[Mapping[str, str]]:
    """Return the type of mappings between the inputs and outputs of the network.

    Args:
        key_kind: `input` or `output`.
        value_kind: `output` or `input`.
    """

    def parse(tree: Tree, title: str, context: SectionContext) -> dict[str, str]:
        expected = f"a mapping of {key_kind}s to {value_kind}s"
        mapping = context.fields.expect_mapping(tree, title, expected=expected)
        names = {}
        for entry in mapping or ():
            value = context.fields.expect_text(entry.value, f"the value of '{entry.key}'")
            is_valid_name = _check_name(key_kind, entry.key, entry.key_span, context)
            if (
                value is not None
                and _check_name(value_kind, value, entry.value.span, context)
                and is_valid_name
            ):
                names[entry.key] = value
        return names

    schema = {"type": "object", "additionalProperties": {"type": "string"}}
    return ValueType(schema, parse, f"mapping of {key_kind}s to {value_kind}s")


def _by_name(
    item: ValueType[KerasObject],
    parse: Callable[[Tree, str, SectionContext], _T],
    names: str,
) -> ValueType[_T]:
    """Return the type of one item, or of a mapping of them."""
    # Draft 7 of JSON Schema cannot tell an output from a class: any key may be an output.
    schema = {"anyOf": [item.schema, _mapping_schema(item)]}
    return ValueType(schema, parse, f"{item.text}, or a mapping {names}")


def _mapping_schema(item: ValueType[_T]) -> dict[str, object]:
    return {"type": "object", "additionalProperties": item.schema}


def _trees_by_output(
    tree: Tree, title: str, kind: ObjectKind, context: SectionContext
) -> dict[str, Tree]:
    """Return the values of a setting by output.

    A value that does not name outputs is for the only output of the network.
    """
    if isinstance(tree, MappingNode) and _is_by_output(tree, kind, context.outputs):
        entries = [entry for entry in tree if _check_output_name(entry, context)]
        for entry in entries:
            # With several outputs Keras names losses `OUTPUT_loss`, and those of the validation set
            # `val_OUTPUT_loss`. The training loss of an output `val` would be `val_loss`, which is
            # also the name of the total validation loss.
            if len(context.outputs) > 1 and f"{entry.key}_".startswith(_VAL_PREFIX):
                context.diagnostics.error(
                    "invalid-choice",
                    f"the metrics of the output '{entry.key}' would have the prefix"
                    f" '{_VAL_PREFIX}' of the validation set",
                    entry.key_span,
                    label="rename the output",
                )
        return {entry.key: entry.value for entry in entries}
    if len(context.outputs) > 1:
        _report_missing_output_name(title, tree.span, context)
    return dict.fromkeys(context.outputs[:1], tree)


def _is_by_output(mapping: MappingNode, kind: ObjectKind, outputs: Collection[str]) -> bool:
    """Return whether the keys of a mapping are outputs rather than the name of an object.

    `{Huber: {delta: 2}}` and `{logits: Huber}` have the same form. Classes of Keras begin with a
    capital letter; an output may too, but it is then one of `outputs`.
    """
    if any(entry.key in outputs for entry in mapping) or len(mapping.entries) != 1:
        return True
    name = mapping.entries[0].key
    return registry.load().canonical_name(kind, name) is None and not name[:1].isupper()


def _report_missing_output_name(title: str, span: Span, context: SectionContext) -> None:
    key = title.strip("'")
    example = ", ".join(f"{output}: ..." for output in context.outputs)
    context.diagnostics.error(
        "missing-argument",
        f"the network has {len(context.outputs)} outputs: {title} must name them",
        span,
        notes=(f"write '{key}: {{{example}}}'; outputs that are missing do not count",),
    )


def _check_output_name(entry: MappingEntry, context: SectionContext) -> bool:
    return _check_name("output", entry.key, entry.key_span, context)


def _check_name(kind: str, name: str, span: Span, context: SectionContext) -> bool:
    """Return whether the network has an input or output of that name; report it if not."""
    names = context.outputs if kind == "output" else context.inputs
    if name in names:
        return True
    suggestion = closest_match(name, names)
    context.diagnostics.error(
        "unknown-output" if kind == "output" else "unknown-name",
        f"the network has no {kind} {quote(name)}",
        span,
        suggestion=suggestion,
        notes=() if suggestion else (f"its {kind}s are: {', '.join(names)}",),
    )
    return False
