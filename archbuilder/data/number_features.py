"""Features of numbers: what they learn from the training set, and the inputs that they become.

Numbers are first completed, then transformed, clipped and normalized, as in a pipeline of
scikit-learn: the mean and the standard deviation are those of the completed numbers. With
`missing: indicator` nothing is completed; the statistics leave out what is missing, which becomes 0
after all else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.config.data_schema import FittedFeature
from archbuilder.config.sources.features import FeatureConfig
from archbuilder.data.columns import Array, RowIndices, iter_chunks, map_column
from archbuilder.data.dtypes import is_integer
from archbuilder.data.file_access import check_fits_in_memory
from archbuilder.data.raw_feature import RawFeature
from archbuilder.data.source_dataset import Feature
from archbuilder.diagnostics.errors import RunError, quote, quote_list

_Floats = NDArray[np.float64]
_TRANSFORMS: Final[Mapping[str, Callable[[_Floats], _Floats]]] = {
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
}
_INVERSES: Final[Mapping[str, Callable[[_Floats], _Floats]]] = {
    "log": np.exp,
    "log1p": np.expm1,
    # No number has a negative square root. The nearest one is 0.
    "sqrt": lambda roots: np.square(np.maximum(roots, 0)),
}
_ROUNDING: Final = 10 * np.finfo(np.float64).eps


def check_domain(raw: RawFeature) -> None:
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


@dataclass(frozen=True, slots=True, eq=False)
class _NumberPipeline:
    """The steps from the numbers of a file to those of an input."""

    config: FeatureConfig
    fitted: FittedFeature
    has_axis: bool = True
    """Whether an example is an array of numbers rather than a single one."""

    @property
    def is_arithmetic(self) -> bool:
        """Whether numbers are computed from those of the file."""
        config = self.config
        return bool(config.normalize) or config.transform is not None or config.clip is not None

    def prepare(self, values: Array) -> Array:
        """Return numbers `(examples, columns)` before they are normalized.

        Integers of which nothing is computed stay integers: float64 would round large ones.
        """
        # Not -1: a file may have no value at all, such as lists that are all empty.
        numbers = values.reshape(len(values), math.prod(values.shape[1:]))
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
        elif not self.has_axis:
            return numbers[:, 0]
        return numbers


def convert_numbers(raw: RawFeature, fitted: FittedFeature) -> Feature:
    """Return the input that a feature of numbers becomes."""
    pipeline = _NumberPipeline(raw.config, fitted, bool(raw.column.shape))
    example = pipeline(np.ones((1, *raw.column.shape), raw.column.dtype))
    column = map_column(raw.column, pipeline, example.shape[1:], example.dtype)
    # A computed number is a quantity, and may be rounded. Flags may be too.
    keeps_integers = not pipeline.is_arithmetic and example.shape[1:] == raw.column.shape
    return Feature(
        column,
        origin=raw.origin,
        integer_mask=raw.integer_mask if keeps_integers else None,
    )


def restore_numbers(values: Array, config: FeatureConfig, fitted: FittedFeature) -> _Floats:
    """Return numbers of a feature, or predictions of them, in the units of its columns.

    This is the inverse of the normalization and of the transform; `clip` has none. With several
    columns, the last axis has a number for each.
    """
    numbers = values.astype(np.float64)
    if fitted.mean:
        numbers = numbers * np.array(fitted.std) + np.array(fitted.mean)
    # Predictions may be too large for the exponential: they become infinite.
    with np.errstate(over="ignore"):
        return numbers if config.transform is None else _INVERSES[config.transform](numbers)


def fit_numbers(raw: RawFeature, rows: RowIndices) -> tuple[FittedFeature, str]:
    """Learn replacements, means and standard deviations, in float64."""
    config, names = raw.config, value_names(raw)
    num_columns = len(names)
    counts, means = _mean(lambda: _number_chunks(raw, rows), num_columns)
    fitted = FittedFeature(raw.names)
    if isinstance(config.missing, int | float):
        fitted = replace(fitted, fill=(float(config.missing),) * num_columns)
    elif config.missing in ("mean", "median"):
        if not counts.all():
            empty = raw.title if config.date else f"the column {quote(names[counts.argmin()])}"
            raise RunError(
                f"{empty} has no value in the training set, and 'missing:"
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
    return fitted, f"{raw.title}: {', '.join(facts)}" if facts else ""


def value_names(raw: RawFeature) -> tuple[str, ...]:
    """Return the names of the numbers of an example: columns, or parts of a date.

    Those of a list are its values, which are numbers, or lists of them.
    """
    if raw.config.is_ragged and raw.column.shape:
        return tuple(f"{raw.names[0]}[{number}]" for number in range(raw.column.shape[0]))
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
    check_fits_in_memory(len(rows) * np.dtype(np.float64).itemsize, raw.title)
    return np.array(
        [
            np.nanmedian(np.concatenate([each[:, column] for each in _number_chunks(raw, rows)]))
            for column in range(len(value_names(raw)))
        ]
    )
