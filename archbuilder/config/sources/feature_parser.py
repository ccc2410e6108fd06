"""Parser of features: mappings of settings among the inputs or targets of a source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from archbuilder.config.settings import mapping_type
from archbuilder.config.sources.features import FeatureConfig, InputColumns, image_config_of
from archbuilder.config.value_types import SectionContext, ValueType
from archbuilder.diagnostics.errors import quote, quote_list
from archbuilder.yaml.nodes import MappingNode, Tree

_T = TypeVar("_T")


def resolve_segments(inputs: Mapping[str, InputColumns]) -> Mapping[str, InputColumns]:
    """Return inputs in which the segments of a text have its columns and its tokenizer."""
    resolved = {**inputs}
    for name, config in inputs.items():
        if isinstance(config, FeatureConfig) and config.segments_of is not None:
            text = inputs[config.segments_of]
            if isinstance(text, FeatureConfig):
                resolved[name] = replace(text, segments_of=config.segments_of)
    return resolved


def resolve_labels(
    targets: Mapping[str, FeatureConfig], inputs: Mapping[str, object]
) -> Mapping[str, FeatureConfig]:
    """Return targets in which the labels of words have the length of their input."""
    resolved = {**targets}
    for name, config in targets.items():
        words = inputs.get(config.labels_of or "")
        if config.is_labels and isinstance(words, FeatureConfig):
            resolved[name] = replace(config, sequence_length=words.sequence_length)
    return resolved


def find_feature_conflict(inputs: object, targets: object) -> str:
    """Return what features of a source lack in others, as a sentence; empty if nothing."""
    return _find_coordinate_conflict(inputs, targets) or _find_label_conflict(inputs, targets)


def _find_coordinate_conflict(inputs: object, targets: object) -> str:
    """Return which coordinates have no image, as a sentence; empty if all have."""
    for columns in (inputs, targets):
        for name, config in columns.items() if isinstance(columns, Mapping) else ():
            image = config.relative_to if isinstance(config, FeatureConfig) else None
            if image is not None and image_config_of(inputs, image) is None:
                return (
                    f"{quote(name)} has coordinates relative to {quote(image)}, which is not an"
                    " input with an 'image'"
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
            words.tokenizer == "words"
            and words.column is not None
            and words.sequence_length is not None
            and not words.strip_punctuation
        )
        if not has_words:
            return (
                f"the target {quote(name)} has the labels of {quote(config.labels_of)}, which is"
                " not an input with one 'column', 'tokenizer: words' and a 'sequence_length', and"
                " without 'strip_punctuation'"
            )
    return ""


def _find_segment_conflict(inputs: Mapping[str, object]) -> str:
    """Return which segments have no texts, as a sentence; empty if all have."""
    for name, config in inputs.items():
        if isinstance(config, FeatureConfig) and config.segments_of is not None:
            text = inputs.get(config.segments_of)
            if not isinstance(text, FeatureConfig) or not text.is_text or text.columns is None:
                return (
                    f"the input {quote(name)} has the segments of {quote(config.segments_of)},"
                    " which is not an input with a 'tokenizer' and several 'columns'"
                )
    return ""


def features_by_name(
    plain: ValueType[_T],
    find_conflict: Callable[[FeatureConfig], str] = (
        lambda config: config.find_conflict() or config.find_input_conflict()
    ),
) -> ValueType[_T | Mapping[str, _T | FeatureConfig]]:
    """Return the type of columns: a plain value for one, or values or features by name."""
    feature_type = mapping_type(FeatureConfig, "[feature](#features)", find_conflict)

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
            and each.segments_of is None
        ]
        if len(rest) > 1:
            message = f"the inputs {quote_list(rest)} have no column; only one may have the rest"
            context.diagnostics.error("invalid-structure", message, tree.span)
        segment_conflict = "" if tracker.has_errors() else _find_segment_conflict(inputs)
        if segment_conflict:
            context.diagnostics.error("invalid-structure", segment_conflict, tree.span)
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
        plain, lambda config: config.find_conflict() or config.find_target_conflict()
    )
