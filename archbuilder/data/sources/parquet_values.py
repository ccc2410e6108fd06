"""The values of columns of Parquet tables: numbers, strings, categories and dates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archbuilder.data.columns import Array
from archbuilder.data.dtypes import unrepresentable
from archbuilder.data.sources.dates import DATE_DTYPE, Dates, not_a_date_error, parse_date
from archbuilder.data.sources.label_encoder import Strings
from archbuilder.data.sources.parquet_file import translate_arrow_errors
from archbuilder.data.sources.parquet_lists import is_list
from archbuilder.diagnostics.errors import RunError, quote


@dataclass(frozen=True, slots=True, eq=False)
class ParquetColumn:
    """Some rows of a column."""

    name: str
    file_name: str
    """Name of the file for messages."""
    array: pa.Array

    @property
    def title(self) -> str:
        """Name of the column for messages."""
        return f"column {quote(self.name)} of {self.file_name}"

    def to_array_or_strings(self) -> Array | Strings:
        """Return the values, of which none is missing, as strings or as an array.

        Raises:
            RunError: if they are neither strings nor numbers.
        """
        array = self.array
        # pandas writes categorical columns as dictionaries.
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
            words: Strings = array.to_pylist()
            return words
        shape: list[int] = []
        count = len(array)
        while is_list(array.type):
            inner = array.flatten()
            shape.append(len(inner) // max(len(array), 1))
            array = inner
        is_number = (
            pa.types.is_integer(array.type)
            or pa.types.is_floating(array.type)
            or pa.types.is_boolean(array.type)
        )
        if not is_number:
            hint = ""
            if pa.types.is_temporal(array.type):
                hint = ": write dates and times as numbers, such as the days since the first"
            elif pa.types.is_decimal(array.type):
                hint = ": write decimals as float64"
            raise RunError(f"{self.title} contains {array.type}, not numbers{hint}")
        # pyarrow refuses to copy by default, as booleans (one bit each) need it.
        values: Array = array.to_numpy(zero_copy_only=False).reshape(count, *shape)
        return values

    def to_optional_numbers(self) -> Array | Strings:
        """Return the values with NaN for missing ones.

        Raises:
            RunError: if they are not numbers, or are integers that float64 would round.
        """
        present = ParquetColumn(
            self.name, self.file_name, self.array.drop_null()
        ).to_array_or_strings()
        if not isinstance(present, np.ndarray) or not self.array.null_count:
            return present
        values = np.full(len(self.array), np.nan)
        if present.ndim > 1 or unrepresentable(present, values.dtype).any():
            raise RunError(
                f"{self.title} has missing values among lists or among integers that float64 would"
                " round"
            )
        values[np.asarray(pc.is_valid(self.array), bool)] = present
        return values

    def to_words(self) -> list[str | None]:
        """Return the categories or the names of files; None for missing ones.

        Raises:
            RunError: if they are neither strings nor integers.
        """
        values = self.array.to_pylist()
        # pandas stores integers with a missing value as float64.
        numbers = [each for each in values if isinstance(each, float)]
        is_integral = all(each.is_integer() or math.isnan(each) for each in numbers)
        for index, value in enumerate(values):
            if isinstance(value, float) and is_integral:
                values[index] = None if math.isnan(value) else str(int(value))
            elif isinstance(value, str | int) and not isinstance(value, bool):
                values[index] = str(value).strip() or None
            elif value is not None:
                raise RunError(
                    f"{self.title} contains {self.array.type}, but categories and names of files"
                    " are strings or integers"
                )
        return values

    def to_dates(self) -> Dates:
        """Return the dates, in UTC; NaT for missing ones.

        Raises:
            RunError: if they are not dates.
        """
        if pa.types.is_date(self.array.type) or pa.types.is_timestamp(self.array.type):
            with translate_arrow_errors(self.file_name):
                # To microseconds, without the fraction of one, and without the time zone.
                naive = self.array.cast(pa.timestamp("us"), safe=False)
            return np.asarray(naive).astype(DATE_DTYPE)
        strings = self.array.to_pylist()
        try:
            return np.array(
                [np.datetime64("NaT") if each is None else parse_date(each) for each in strings],
                DATE_DTYPE,
            )
        except (TypeError, ValueError, AttributeError):
            raise not_a_date_error(f"{self.title} has a value that is") from None
