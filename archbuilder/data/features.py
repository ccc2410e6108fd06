"""Features of tables: what they learn from the training set, and the inputs that they become.

Numbers are first completed, then transformed, clipped and normalized, as in a pipeline of
scikit-learn: the mean and the standard deviation are those of the completed numbers. With
`missing: indicator` nothing is completed; the statistics leave out what is missing, which becomes 0
after all else.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.config.data_schema import FittedFeature
from archbuilder.config.sources.features import MAX_CATEGORIES, FeatureConfig
from archbuilder.data.columns import Array, Column, RowIndices, iter_chunks, map_column
from archbuilder.data.dtypes import is_integer
from archbuilder.data.file_access import check_fits_in_memory
from archbuilder.data.source_dataset import Feature, RawFeature, SourceDataset
from archbuilder.diagnostics.errors import RunError, quote, quote_list
from archbuilder.formatting import format_bytes, plural

_Floats = NDArray[np.float64]
_TRANSFORMS: Final[Mapping[str, Callable[[_Floats], _Floats]]] = {
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
}
_ROUNDING: Final = 10 * np.finfo(np.float64).eps
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
    for name, raw in dataset.raw_features.items():
        _check_domain(raw)
        if fitted is None:
            fit = _fit_categories if raw.config.is_category else _fit_numbers
            learned[name], note = fit(raw, training_rows)
            notes.append(note)
        else:
            learned[name] = _recorded_feature(name, raw, fitted)
        apply = _index_categories if raw.config.is_category else _convert_numbers
        feature = apply(raw, learned[name])
        if raw.output is None:
            inputs[name] = feature
        else:
            targets[raw.output] = feature.column
    _check_record_size(learned, dataset.source_name)
    schema = replace(dataset.preprocessing.schema, features=learned)
    return replace(
        dataset,
        inputs=inputs,
        targets=targets,
        notes=tuple(each for each in notes if each),
        preprocessing=replace(dataset.preprocessing, schema=schema),
        raw_features={},
    )


def _check_record_size(features: Mapping[str, FittedFeature], source_name: str) -> None:
    """Check that vocabularies fit in the record of a run.

    Raises:
        RunError: if they are too large.
    """
    num_bytes = sum(
        len(json.dumps(word)) + _LINE_BYTES
        for each in features.values()
        for word in each.vocabulary
    )
    if num_bytes > _MAX_RECORD_BYTES:
        raise RunError(
            f"the vocabularies of {source_name} take {format_bytes(num_bytes)} in the"
            f" record of the run, more than {format_bytes(_MAX_RECORD_BYTES)}; limit them with"
            " 'max_size' or 'min_count'"
        )


def _recorded_feature(
    name: str, raw: RawFeature, fitted: Mapping[str, FittedFeature]
) -> FittedFeature:
    """Return what a run recorded about a feature.

    Raises:
        RunError: if it recorded nothing, or something that does not suit the feature.
    """
    feature, config = fitted.get(name), raw.config
    if feature is None:
        raise RunError(f"the training set had no feature {quote(name)}")
    needs_fill = config.missing is not None and config.missing != "indicator"
    suits = (
        feature.columns == raw.names
        and len(feature.fill) in (0, len(_value_names(raw)))
        and len(feature.mean) in (0, len(_value_names(raw)))
        and bool(feature.fill) == needs_fill
        and bool(feature.mean) == bool(config.normalize)
        and (config.is_category or not feature.vocabulary)
        and len(feature.vocabulary) <= MAX_CATEGORIES
    )
    if not suits:
        raise RunError(f"the feature {quote(name)} differs from that of the training set")
    return feature


def _check_domain(raw: RawFeature) -> None:
    """Check that the transform of a feature takes all of its numbers.

    Raises:
        RunError: if it does not take one.
    """
    domain = raw.config.domain
    if domain is None:
        return

    def check(values: Array, rows: RowIndices) -> None:
        numbers = values.astype(np.float64).reshape(len(values), -1)
        invalid = numbers <= domain.bound if domain.is_open else numbers < domain.bound
        if invalid.any():
            example, position = np.argwhere(invalid)[0].tolist()
            number = values.reshape(len(values), -1)[example, position]
            text = raw.origin.describe_value(int(rows[example]), position, number)
            raise RunError(f"{text}, and {domain}")

    raw.column.with_check(check)


def _fit_categories(raw: RawFeature, rows: RowIndices) -> tuple[FittedFeature, str]:
    config = raw.config
    if isinstance(config.vocabulary, tuple):
        return FittedFeature(raw.names, vocabulary=tuple(map(str, config.vocabulary))), ""
    counts = np.zeros(len(raw.words) + 1, np.int64)
    for codes, _ in iter_chunks(raw.column, rows):
        # Missing ones, whose index is -1, come first.
        counts += np.bincount(codes.astype(np.int64) + 1, minlength=len(counts))
    by_word: Counter[str] = Counter()
    for words, count in zip(_categories(raw), counts[1:].tolist(), strict=True):
        by_word.update(dict.fromkeys(words, count))
    frequent = [word for word, count in by_word.items() if count >= (config.min_count or 1)]
    # By falling count, and equal counts in alphabetical order.
    ordered = sorted(frequent, key=lambda word: (-by_word[word], word))
    vocabulary = tuple(ordered[: config.max_size or MAX_CATEGORIES])
    num_missing = f", {counts[0]:,} missing" if counts[0] else ""
    num_categories = f"{len(vocabulary) + 1:,} categories (1 out-of-vocabulary)"
    if config.separator is not None:
        if not vocabulary:
            raise RunError(f"{_title(raw)} has no category in the training set")
        num_categories = plural(len(vocabulary), "category", "categories")
    note = f"{_title(raw)}: {num_categories}{num_missing}"
    return FittedFeature(raw.names, vocabulary=vocabulary), note


def _index_categories(raw: RawFeature, fitted: FittedFeature) -> Feature:
    indices = {word: number for number, word in enumerate(fitted.vocabulary, 1)}
    if raw.config.separator is not None:
        return Feature(_multi_hot_column(raw, indices), origin=raw.origin)
    # The last entry is the one of -1, which stands for a missing category.
    table = np.array([*(indices.get(word, 0) for word in raw.words), 0], np.int64)
    column = map_column(raw.column, lambda codes: table[codes.astype(np.int64)], (), table.dtype)
    return Feature(column, origin=raw.origin, num_categories=len(indices) + 1)


def _categories(raw: RawFeature) -> Iterator[list[str]]:
    """Yield the categories in each of the distinct texts, without duplicates."""
    separator = raw.config.separator
    for word in raw.words:
        words = [word] if separator is None else map(str.strip, word.split(separator))
        yield [*dict.fromkeys(each for each in words if each)]


def _multi_hot_column(raw: RawFeature, indices: Mapping[str, int]) -> Column:
    """Return a column of a 0 or 1 for each category of the vocabulary."""
    # The positions of text number i are those from ends[i - 1] to ends[i]; the last text, which is
    # that of -1, has none.
    by_text = [
        [indices[word] - 1 for word in words if word in indices] for words in _categories(raw)
    ]
    positions = np.array([each for text in by_text for each in text], np.int64)
    counts = np.array([*map(len, by_text), 0], np.int64)
    starts = np.cumsum(counts) - counts
    dtype = np.dtype(np.float32)

    def multi_hot(codes: Array) -> Array:
        texts = codes.astype(np.int64)
        flags = np.zeros((len(texts), len(indices)), dtype)
        num_words = counts[texts]
        rows = np.repeat(np.arange(len(texts)), num_words)
        # The number of each word within its text.
        numbers = np.arange(len(rows)) - np.repeat(np.cumsum(num_words) - num_words, num_words)
        flags[rows, positions[starts[texts[rows]] + numbers]] = 1
        return flags

    return map_column(raw.column, multi_hot, (len(indices),), dtype)


@dataclass(frozen=True, slots=True, eq=False)
class _NumberPipeline:
    """The steps from the numbers of a file to those of an input."""

    config: FeatureConfig
    fitted: FittedFeature

    @property
    def is_arithmetic(self) -> bool:
        """Whether numbers are computed from those of the file."""
        config = self.config
        return bool(config.normalize) or config.transform is not None or config.clip is not None

    def prepare(self, values: Array) -> Array:
        """Return numbers `(examples, columns)` before they are normalized.

        Integers of which nothing is computed stay integers: float64 would round large ones.
        """
        numbers = values.reshape(len(values), -1)
        if is_integer(numbers.dtype) and not self.is_arithmetic:
            return numbers
        floats = numbers.astype(np.float64)
        if self.fitted.fill:
            floats = np.where(np.isnan(floats), np.array(self.fitted.fill), floats)
        if self.config.transform is not None:
            floats = _TRANSFORMS[self.config.transform](floats)
        return floats if self.config.clip is None else np.clip(floats, *self.config.clip)

    def __call__(self, values: Array) -> Array:
        """Return the values of the input."""
        numbers = self.prepare(values)
        if self.fitted.mean:
            floats = numbers.astype(np.float64)
            numbers = (floats - np.array(self.fitted.mean)) / np.array(self.fitted.std)
        if self.config.missing == "indicator":
            is_missing = np.zeros(numbers.shape, bool)
            if numbers.dtype.kind == "f":
                is_missing = np.isnan(numbers)
                numbers = np.where(is_missing, 0, numbers)
            # All parts of a date are missing together.
            flags = is_missing[:, :1] if self.config.date else is_missing
            numbers = np.concatenate([numbers, flags.astype(numbers.dtype)], axis=1)
        elif not self.config.is_list:
            return numbers[:, 0]
        return numbers


def _convert_numbers(raw: RawFeature, fitted: FittedFeature) -> Feature:
    pipeline = _NumberPipeline(raw.config, fitted)
    example = pipeline(np.ones((1, *raw.column.shape), raw.column.dtype))
    column = map_column(raw.column, pipeline, example.shape[1:], example.dtype)
    # A computed number is a quantity, and may be rounded. Flags may be too.
    keeps_integers = not pipeline.is_arithmetic and example.shape[1:] == raw.column.shape
    return Feature(
        column,
        origin=raw.origin,
        integer_mask=raw.integer_mask if keeps_integers else None,
    )


def _fit_numbers(raw: RawFeature, rows: RowIndices) -> tuple[FittedFeature, str]:
    """Learn replacements, means and standard deviations, in float64."""
    config, names = raw.config, _value_names(raw)
    num_columns = len(names)
    counts, means = _mean(lambda: _number_chunks(raw, rows), num_columns)
    fitted = FittedFeature(raw.names)
    if isinstance(config.missing, int | float):
        fitted = replace(fitted, fill=(float(config.missing),) * num_columns)
    elif config.missing in ("mean", "median"):
        if not counts.all():
            empty = names[int(np.argmin(counts))]
            raise RunError(
                f"the column {quote(empty)} has no value in the training set, and 'missing:"
                f" {config.missing}' needs one; write a number"
            )
        fill = means if config.missing == "mean" else _medians(raw, rows)
        fitted = replace(fitted, fill=tuple(fill.tolist()))
    missing = int(len(rows) * num_columns - counts.sum())
    facts: list[str] = []
    if config.normalize:
        pipeline = _NumberPipeline(config, fitted)

        def prepared() -> Iterator[_Floats]:
            for values, _ in iter_chunks(raw.column, rows):
                yield pipeline.prepare(values).astype(np.float64)

        _, means = _mean(prepared, num_columns)
        _, variances = _mean(lambda: ((each - means) ** 2 for each in prepared()), num_columns)
        deviations = np.sqrt(variances)
        # The mean of equal numbers may be rounded, and their deviation is then tiny but not 0.
        is_constant = deviations <= _ROUNDING * abs(means)
        deviations[is_constant] = 1
        fitted = replace(fitted, mean=tuple(means.tolist()), std=tuple(deviations.tolist()))
        facts += [f"mean {means[0]:.4g}", f"standard deviation {deviations[0]:.4g}"]
        if num_columns > 1:
            facts = [f"{num_columns:,} values normalized"]
        constants = [name for name, flag in zip(names, is_constant, strict=True) if flag]
        if constants:
            facts.append(f"not scaled as constant: {quote_list(constants, 3)}")
    facts += [f"{missing:,} missing"] if missing else []
    return fitted, f"{_title(raw)}: {', '.join(facts)}" if facts else ""


def _value_names(raw: RawFeature) -> tuple[str, ...]:
    """Return the names of the numbers of an example: columns, or parts of a date."""
    return raw.config.date or raw.names


def _number_chunks(raw: RawFeature, rows: RowIndices) -> Iterator[_Floats]:
    for values, _ in iter_chunks(raw.column, rows):
        yield values.astype(np.float64).reshape(len(values), -1)


def _mean(
    chunks: Callable[[], Iterator[_Floats]], num_columns: int
) -> tuple[NDArray[np.int64], _Floats]:
    """Return the number of values that are not missing, and their mean; 0 if there is none.

    A second pass adds the mean of the differences from the first: without it, large numbers would
    lose digits.
    """
    counts = np.zeros(num_columns, np.int64)
    means = np.zeros(num_columns)
    for _ in range(2):
        counts[:] = 0
        sums = np.zeros(num_columns)
        for chunk in chunks():
            counts += np.count_nonzero(~np.isnan(chunk), axis=0)
            sums += np.nansum(chunk - means, axis=0)
        means = means + sums / np.maximum(counts, 1)
    return counts, means


def _medians(raw: RawFeature, rows: RowIndices) -> _Floats:
    """Return the median of each column without its missing values.

    Raises:
        RunError: if a column does not fit in memory.
    """
    check_fits_in_memory(len(rows) * np.dtype(np.float64).itemsize, _title(raw))
    return np.array(
        [
            np.nanmedian(np.concatenate([each[:, column] for each in _number_chunks(raw, rows)]))
            for column in range(len(_value_names(raw)))
        ]
    )


def _title(raw: RawFeature) -> str:
    """Return the name of a feature in messages: its column, or the first of several."""
    others = f" and {len(raw.names) - 1:,} more" if raw.names[1:] else ""
    return f"{raw.origin.fields[0]}{others}"
