"""Parser of features: mappings of settings among the inputs or targets of a source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from archbuilder.config.settings import mapping_type
from archbuilder.config.sources.feature_conflicts import (
    find_conflict,
    find_input_conflict,
    find_target_conflict,
)
from archbuilder.config.sources.features import FeatureConfig, InputColumns, file_config_of
from archbuilder.config.sources.pixels import ImageConfig
from archbuilder.config.value_types import SectionContext, ValueType
from archbuilder.diagnostics.errors import quote, quote_list
from archbuilder.yaml.nodes import MappingNode, Tree

_T = TypeVar("_T")


def resolve_references(inputs: Mapping[str, InputColumns]) -> Mapping[str, InputColumns]:
    """Return inputs that have the settings of those they refer to.

    Segments have those of their texts, lists of the same length that length, and masks have those
    of their lists.
    """
    resolved = {**inputs}
    for name, config in inputs.items():
        if isinstance(config, FeatureConfig) and config.same_length_as is not None:
            feature = inputs.get(config.same_length_as)
            if isinstance(feature, FeatureConfig):
                resolved[name] = replace(
                    config,
                    length=feature.length,
                    padding=feature.padding,
                    truncating=feature.truncating,
                )
    for name, config in inputs.items():
        feature = resolved.get(_reference(config) or "")
        if not isinstance(config, FeatureConfig) or not isinstance(feature, FeatureConfig):
            continue
        if config.segments_of is not None:
            resolved[name] = replace(feature, segments_of=config.segments_of)
        else:
            resolved[name] = FeatureConfig(
                feature.column,
                length=feature.length,
                padding=feature.padding,
                truncating=feature.truncating,
                mask_of=config.mask_of,
            )
    return resolved


def _reference(config: object) -> str | None:
    """Return the input that segments or a mask describe; None for other inputs."""
    return config.segments_of or config.mask_of if isinstance(config, FeatureConfig) else None


def resolve_targets(
    targets: Mapping[str, _T | FeatureConfig], inputs: Mapping[str, object]
) -> Mapping[str, _T | FeatureConfig]:
    """Return targets that know their text: labels its length, and next tokens all about it."""
    resolved = {**targets}
    for name, config in targets.items():
        if not isinstance(config, FeatureConfig):
            continue
        reference = config.labels_of or config.tokens_of or ""
        text = inputs.get(reference, targets.get(reference))
        if isinstance(text, FeatureConfig) and config.is_labels:
            resolved[name] = replace(
                config, sequence_length=text.sequence_length, length=text.length
            )
        elif isinstance(text, FeatureConfig):
            resolved[name] = replace(text, next_tokens_of=config.next_tokens_of)
    return resolved


def find_feature_conflict(inputs: object, targets: object) -> str:
    """Return what features of a source lack in others, as a sentence; empty if nothing."""
    return (
        _find_coordinate_conflict(inputs, targets)
        or _find_position_conflict(inputs, targets)
        or _find_label_conflict(inputs, targets)
        or _find_token_conflict(inputs, targets)
    )


def _find_coordinate_conflict(inputs: object, targets: object) -> str:
    """Return which coordinates have no image, as a sentence; empty if all have."""
    for columns in (inputs, targets):
        for name, config in columns.items() if isinstance(columns, Mapping) else ():
            image = config.relative_to if isinstance(config, FeatureConfig) else None
            if image is not None and not isinstance(file_config_of(inputs, image), ImageConfig):
                return (
                    f"{quote(name)} has coordinates relative to {quote(image)}, which is not an"
                    " input with an 'image'"
                )
    return ""


def _find_position_conflict(inputs: object, targets: object) -> str:
    """Return which positions have no lists that begin at 0, as a sentence; empty if all have."""
    lists = resolve_references(inputs) if isinstance(inputs, Mapping) else {}
    for columns in (inputs, targets):
        for name, config in columns.items() if isinstance(columns, Mapping) else ():
            of = config.positions_of if isinstance(config, FeatureConfig) else None
            feature = lists.get(of) if isinstance(of, str) else None
            if isinstance(of, str) and not (
                isinstance(feature, FeatureConfig) and feature.is_ragged and not feature.mask_of
            ):
                return (
                    f"{quote(name)} has positions of {quote(of)}, which is not an input with lists"
                    " and their 'length'; of a fixed number of values, write how many there are"
                )
            if isinstance(feature, FeatureConfig) and "pre" in (
                feature.padding,
                feature.truncating,
            ):
                return (
                    f"{quote(name)} has positions of {quote(of)}, whose 'padding: pre' or"
                    " 'truncating: pre' shifts its values: pad and truncate it at its end"
                )
    return ""


def _find_label_conflict(inputs: object, targets: object) -> str:
    """Return which labels have no words, as a sentence; empty if all have."""
    if not isinstance(targets, Mapping):
        return ""
    for name, config in targets.items():
        if not isinstance(config, FeatureConfig) or config.labels_of is None:
            continue
        words = inputs.get(config.labels_of) if isinstance(inputs, Mapping) else None
        has_words = isinstance(words, FeatureConfig) and (
            words.is_text
            and (words.column is not None or len(words.columns or ()) == 1)
            and words.sequence_length is not None
            and not words.strip_punctuation
        )
        boxes = words or targets.get(config.labels_of)
        has_boxes = isinstance(boxes, FeatureConfig) and boxes.is_ragged and boxes.coordinates
        if not has_words and not has_boxes:
            return (
                f"the target {quote(name)} has the labels of {quote(config.labels_of)}, which is"
                " not an input with one 'column', a 'tokenizer' and a 'sequence_length', and"
                " without 'strip_punctuation', nor 'coordinates' with a 'length'"
            )
    return ""


def _find_token_conflict(inputs: object, targets: object) -> str:
    """Return which next tokens have no text, as a sentence; empty if all have."""
    for name, config in targets.items() if isinstance(targets, Mapping) else ():
        if not isinstance(config, FeatureConfig) or config.next_tokens_of is None:
            continue
        text = inputs.get(config.next_tokens_of) if isinstance(inputs, Mapping) else None
        if not isinstance(text, FeatureConfig) or text.sequence_length is None:
            return (
                f"the target {quote(name)} has the next tokens of {quote(config.next_tokens_of)},"
                " which is not an input with a 'tokenizer' and a 'sequence_length'"
            )
    return ""


def _find_reference_conflict(inputs: Mapping[str, object]) -> str:
    """Return which input refers to what is no text or list, as a sentence; empty if none does."""
    for name, config in inputs.items():
        if not isinstance(config, FeatureConfig):
            continue
        columns = inputs.get(_reference(config) or "")
        feature = columns if isinstance(columns, FeatureConfig) else FeatureConfig()
        if config.segments_of is not None and (not feature.is_text or feature.columns is None):
            return (
                f"the input {quote(name)} has the segments of {quote(config.segments_of)},"
                " which is not an input with a 'tokenizer' and several 'columns'"
            )
        lists = inputs.get(config.same_length_as or "")
        if config.same_length_as is not None and (
            not isinstance(lists, FeatureConfig) or lists.length is None
        ):
            return (
                f"the input {quote(name)} has the length of {quote(config.same_length_as)}, which"
                " is not an input with lists and their 'length'"
            )
        if config.mask_of is not None and not feature.is_ragged:
            return (
                f"the input {quote(name)} is the mask of {quote(config.mask_of)}, which is not an"
                " input with lists and their 'length'"
            )
        if config.mask_of is not None and feature.coordinates is not None:
            return (
                f"the input {quote(name)} is the mask of {quote(config.mask_of)}, whose padding"
                " says so itself: all of its numbers are -1"
            )
    return ""


def features_by_name(
    plain: ValueType[_T],
    find_error: Callable[[FeatureConfig], str] = (
        lambda config: find_conflict(config) or find_input_conflict(config)
    ),
) -> ValueType[_T | Mapping[str, _T | FeatureConfig]]:
    """Return the type of columns: a plain value for one, or values or features by name."""
    feature_type = mapping_type(FeatureConfig, "[feature](#features)", find_error)

    def parse(
        tree: Tree, title: str, context: SectionContext
    ) -> _T | Mapping[str, _T | FeatureConfig]:
        if not isinstance(tree, MappingNode):
            return plain.parse(tree, title, context)
        tracker = context.diagnostics.track_errors()
        inputs: dict[str, _T | FeatureConfig] = {}
        for entry in tree:
            is_feature = isinstance(entry.value, MappingNode)
            parse_value = feature_type.parse if is_feature else plain.parse
            inputs[entry.key] = parse_value(entry.value, f"{title} of '{entry.key}'", context)
        rest = [
            name
            for name, each in inputs.items()
            if isinstance(each, FeatureConfig)
            and each.column is None
            and each.columns is None
            and _reference(each) is None
            and each.next_tokens_of is None
        ]
        if len(rest) > 1:
            message = f"the inputs {quote_list(rest)} have no column; only one may have the rest"
            context.diagnostics.error("invalid-structure", message, tree.span)
        conflict = "" if tracker.has_errors() else _find_reference_conflict(inputs)
        if conflict:
            context.diagnostics.error("invalid-structure", conflict, tree.span)
        return inputs

    by_name = {
        "type": "object",
        "additionalProperties": {"anyOf": [plain.schema, feature_type.schema]},
    }
    return ValueType(
        {"anyOf": [plain.schema, by_name]},
        parse,
        f"{plain.text}, or a mapping by name of them or of [features](#features)",
    )


def targets_by_name(plain: ValueType[_T]) -> ValueType[_T | Mapping[str, _T | FeatureConfig]]:
    """Return the type of targets: a plain value for one, or values or features by name."""
    return features_by_name(
        plain, lambda config: find_conflict(config) or find_target_conflict(config)
    )
