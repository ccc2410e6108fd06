"""Features of tables: what they learn from the training set, and the inputs that they become."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.config.data_schema import FittedFeature
from archbuilder.config.sources.features import MAX_CATEGORIES, FeatureConfig
from archbuilder.data.box_labels import collect_classes, encode_classes
from archbuilder.data.columns import Array, Column, RowIndices, iter_chunks, map_column
from archbuilder.data.list_features import (
    fitted_lists,
    has_number_lists,
    list_note,
    pad_lists,
    present_values,
    with_value_shape,
)
from archbuilder.data.number_features import check_domain, convert_numbers, fit_numbers, value_names
from archbuilder.data.raw_feature import RawFeature
from archbuilder.data.source_dataset import Feature, SourceDataset
from archbuilder.data.text_features import (
    collect_labels,
    encode_labels,
    encode_text,
    fit_text,
    is_fitted_text,
)
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.formatting import format_bytes, plural

_MAX_RECORD_BYTES: Final = 2**25
"""Largest size of all vocabularies in `run.json`, which may have 64 MiB."""
_LINE_BYTES: Final = 16
"""Size of the indentation and the end of a line there."""


def fit_features(
    dataset: SourceDataset,
    fitted: Mapping[str, FittedFeature] | None = None,
    rows: RowIndices | None = None,
) -> SourceDataset:
    """Return a dataset whose features are inputs and targets.

    Args:
        dataset: The columns as they are in the file.
        fitted: What the features have learned before; then they learn nothing.
        rows: The rows of the training set, from which the features learn; None for all.

    Raises:
        RunError: if a number is outside of the domain of its transform, there is nothing to learn
            from, or `fitted` does not suit the features.
    """
    if not dataset.raw_features or not dataset.count:
        return dataset
    inputs, targets, notes = {**dataset.inputs}, {**dataset.targets}, [*dataset.notes]
    learned: dict[str, FittedFeature] = {}
    training_rows = np.arange(dataset.count, dtype=np.int64) if rows is None else rows
    raw_features = {**dataset.raw_features}
    for name, raw in dataset.raw_features.items():
        check_domain(raw)
        if fitted is None:
            learned[name], note = _fit(raw, training_rows)
            notes.append(note)
        else:
            raw_features[name], learned[name] = _recorded_feature(name, raw, fitted)
    for name, raw in raw_features.items():
        # The segments and the next tokens of a text are those that its tokenizer gives them, and
        # the labels of words belong to its tokens.
        text = raw.config.labels_of if raw.config.is_labels else None
        if text is None:
            feature = _apply(raw, learned[raw.config.tokens_of or name])
        else:
            feature = encode_labels(raw, learned[name], dataset.raw_features[text], learned[text])
        feature = feature if raw.lists is None else pad_lists(raw, feature, raw.lists)
        if raw.output is None:
            inputs[name] = feature
        else:
            targets[raw.output] = feature.column
    _check_record_size(learned, dataset.source_name)
    schema = dataset.preprocessing.schema
    labels = {
        raw.output or "": learned[name].vocabulary
        for name, raw in dataset.raw_features.items()
        if raw.config.labels_of is not None or raw.has_class_lists
    }
    schema = replace(schema, features=learned, classes={**schema.classes, **labels})
    return replace(
        dataset,
        inputs=inputs,
        targets=targets,
        notes=tuple(each for each in notes if each),
        preprocessing=replace(dataset.preprocessing, schema=schema),
        number_lists=frozenset(
            raw.output
            for raw in raw_features.values()
            if raw.output is not None and has_number_lists(raw)
        ),
        raw_features={},
    )


def _check_record_size(features: Mapping[str, FittedFeature], source_name: str) -> None:
    """Check that vocabularies fit in the record of a run.

    Raises:
        RunError: if they are too large.
    """
    num_bytes = sum(
        len(json.dumps(entry)) + _LINE_BYTES
        for each in features.values()
        for entry in (*each.vocabulary, *map(" ".join, each.merges))
    )
    if num_bytes > _MAX_RECORD_BYTES:
        raise RunError(
            f"the vocabularies of {source_name} take {format_bytes(num_bytes)} in the"
            f" record of the run, more than {format_bytes(_MAX_RECORD_BYTES)}; limit them with"
            " 'max_size', 'min_count' or 'vocabulary_size'"
        )


def _recorded_feature(
    name: str, raw: RawFeature, fitted: Mapping[str, FittedFeature]
) -> tuple[RawFeature, FittedFeature]:
    """Return a feature, and what a run recorded about it.

    Raises:
        RunError: if it recorded nothing, or something that does not suit the feature.
    """
    feature, config = fitted.get(name), raw.config
    if feature is None:
        raise RunError(f"the training set had no feature {quote(name)}")
    raw = with_value_shape(raw, feature)
    needs_fill = config.missing is not None and config.missing != "indicator"
    suits = (
        feature.columns == raw.names
        and len(feature.fill) in (0, len(value_names(raw)))
        and len(feature.mean) in (0, len(value_names(raw)))
        and bool(feature.fill) == needs_fill
        and bool(feature.mean) == bool(config.normalize)
        and (config.has_words or config.is_text or config.is_labels or not feature.vocabulary)
        and len(feature.vocabulary) <= MAX_CATEGORIES
        and (not config.is_text or is_fitted_text(config, feature))
    )
    if not suits:
        raise RunError(f"the feature {quote(name)} differs from that of the training set")
    return raw, feature


def _fit(raw: RawFeature, rows: RowIndices) -> tuple[FittedFeature, str]:
    if raw.lists is not None:
        # Features of lists learn from the values of the lists.
        values, _ = raw.lists.select(rows)
        fitted, note = _fit(replace(raw, lists=None), values)
        fitted = fitted_lists(raw, fitted, raw.lists, rows)
        return fitted, list_note(raw, note, raw.lists, rows)
    if raw.config.mask_of is not None:
        return FittedFeature(raw.names), ""
    if raw.config.is_text:
        return fit_text(raw, rows)
    if raw.config.is_labels:
        return collect_labels(raw)
    if raw.has_class_lists:
        return collect_classes(raw)
    return _fit_categories(raw, rows) if raw.config.is_category else fit_numbers(raw, rows)


def _apply(raw: RawFeature, fitted: FittedFeature) -> Feature:
    if raw.config.mask_of is not None:
        return present_values(raw)
    if raw.config.is_text:
        return encode_text(raw, fitted)
    if raw.has_class_lists:
        return encode_classes(raw, fitted)
    return (
        _index_categories(raw, fitted) if raw.config.is_category else convert_numbers(raw, fitted)
    )


def _fit_categories(raw: RawFeature, rows: RowIndices) -> tuple[FittedFeature, str]:
    config = raw.config
    if isinstance(config.vocabulary, tuple):
        return FittedFeature(raw.names, vocabulary=tuple(map(str, config.vocabulary))), ""
    counts = _count_codes(raw, rows)
    counts_by_category: Counter[str] = Counter()
    for categories, count in zip(_split_categories(raw), counts[1:].tolist(), strict=True):
        counts_by_category.update(dict.fromkeys(categories, count))
    frequent = [
        category
        for category, count in counts_by_category.items()
        if count >= (config.min_count or 1)
    ]
    # By falling count, and equal counts in alphabetical order.
    ordered = sorted(frequent, key=lambda category: (-counts_by_category[category], category))
    vocabulary = tuple(ordered[: config.max_size or MAX_CATEGORIES])
    num_missing = f", {counts[0]:,} missing" if counts[0] else ""
    if not vocabulary:
        times = f" that occurs {config.min_count} times" if config.min_count else ""
        raise RunError(f"{raw.title} has no category in the training set{times}")
    num_others = _num_others(config)
    num_categories = f"{len(vocabulary) + num_others:,} categories (1 out-of-vocabulary)"
    if config.is_ragged:
        num_categories = num_categories.replace("(1", "(1 padding, 1")
    if config.is_multi_hot:
        num_categories = plural(len(vocabulary), "category", "categories")
    unknown = _unknown_note(raw, vocabulary, rows)
    note = f"{raw.title}: {num_categories}{num_missing}{unknown}"
    return FittedFeature(raw.names, vocabulary=vocabulary), note


def _count_codes(raw: RawFeature, rows: RowIndices) -> NDArray[np.int64]:
    """Return how often each string occurs; missing ones, whose index is -1, come first."""
    counts = np.zeros(len(raw.categories) + 1, np.int64)
    for codes, _ in iter_chunks(raw.column, rows):
        counts += np.bincount(codes.astype(np.int64) + 1, minlength=len(counts))
    return counts


def _unknown_note(raw: RawFeature, vocabulary: Sequence[str], rows: RowIndices) -> str:
    """Return how many values outside of the training set the vocabulary lacks, as a note."""
    held_out = np.setdiff1d(np.arange(raw.column.count), rows, assume_unique=True)
    counts, words = _count_codes(raw, held_out)[1:].tolist(), {*vocabulary}
    num_unknown = sum(
        count
        for categories, count in zip(_split_categories(raw), counts, strict=True)
        if not words.issuperset(categories)
    )
    if not num_unknown:
        return ""
    return f", {num_unknown:,} of {len(held_out):,} held-out values are not among them"


def _num_others(config: FeatureConfig) -> int:
    """Return the number of indices before the vocabulary: of other categories, and of padding."""
    return 2 if config.is_ragged else 1


def _index_categories(raw: RawFeature, fitted: FittedFeature) -> Feature:
    first = _num_others(raw.config)
    indices = {category: index for index, category in enumerate(fitted.vocabulary, first)}
    if raw.config.is_multi_hot:
        hint = (
            "it has a value for each category of the training set; list all categories in"
            " 'vocabulary'"
            if raw.config.vocabulary is True
            else "it has a value for each category in 'vocabulary'"
        )
        return Feature(_multi_hot_column(raw, indices), origin=raw.origin, shape_hint=hint)
    # The last entry is the one of -1, which stands for a missing category.
    table = np.array(
        [*(indices.get(category, first - 1) for category in raw.categories), first - 1], np.int64
    )
    column = map_column(raw.column, lambda codes: table[codes.astype(np.int64)], (), table.dtype)
    return Feature(column, origin=raw.origin, num_categories=len(indices) + first)


def _split_categories(raw: RawFeature) -> Iterator[list[str]]:
    """Yield the categories in each of the distinct strings, without duplicates."""
    separator = raw.config.separator if raw.config.is_multi_hot else None
    for string in raw.categories:
        categories = [string] if separator is None else map(str.strip, string.split(separator))
        yield [*dict.fromkeys(each for each in categories if each)]


def _multi_hot_column(raw: RawFeature, indices: Mapping[str, int]) -> Column:
    """Return a column of a 0 or 1 for each category of the vocabulary."""
    # The positions of string number i begin at starts[i]; the last string, which is that of -1, has
    # none.
    positions_by_string = [
        [indices[category] - 1 for category in categories if category in indices]
        for categories in _split_categories(raw)
    ]
    positions = np.array([each for row in positions_by_string for each in row], np.int64)
    counts = np.array([*map(len, positions_by_string), 0], np.int64)
    starts = np.cumsum(counts) - counts
    dtype = np.dtype(np.float32)

    def multi_hot(codes: Array) -> Array:
        strings = codes.astype(np.int64)
        flags = np.zeros((len(strings), len(indices)), dtype)
        num_categories = counts[strings]
        rows = np.repeat(np.arange(len(strings)), num_categories)
        # The number of each category within its string.
        numbers = np.arange(len(rows)) - np.repeat(
            np.cumsum(num_categories) - num_categories, num_categories
        )
        flags[rows, positions[starts[strings[rows]] + numbers]] = 1
        return flags

    return map_column(raw.column, multi_hot, (len(indices),), dtype)
