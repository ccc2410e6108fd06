"""JSON lines: one object per line, whose fields are numbers or nested lists of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from archbuilder.config.sources import DataPath, Jsonl
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.columns import Array
from archbuilder.data.dtypes import MAX_EXACT_INT, Mask
from archbuilder.data.provenance import RecordLocations
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.data.sources.batch_reader import RawBatch, Row, stack_rows
from archbuilder.data.sources.column_roles import ColumnRoles
from archbuilder.data.sources.dates import not_a_date_error, parse_date
from archbuilder.data.sources.json_numbers import flatten, parse_numbers
from archbuilder.data.sources.list_parser import ListParser
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.table_files import TableFiles
from archbuilder.data.sources.tabular import make_dataset
from archbuilder.data.sources.text_writer import parse_text
from archbuilder.data.text.line_reader import iter_json_objects
from archbuilder.diagnostics.errors import RunError, did_you_mean, quote, quote_list


def load_jsonl(source: Jsonl, context: LoadContext) -> SourceDataset:
    """Load the fields that the source names. String targets become class indices.

    Raises:
        RunError: if a line is not an object, lacks a field, or differs in shape from the first, or
            no line has a field that may be missing.
    """
    bad_records = BadRecords(source.on_error, "lines")
    roles = ColumnRoles.from_fields(source, "the field", context.key_columns)
    parser = _FieldParser(roles, ListParser(roles))
    locations = RecordLocations("line")

    def rows(file: DataPath, files: TableFiles) -> Iterator[Row]:
        unseen, names = {*roles.columns}, list[str]()

        def parse(line: Mapping[str, object], location: str) -> Row:
            unseen.difference_update(line)
            names.extend([] if names else line)
            row = parser(line, location)
            files.check(row.words, location)
            return row

        for number, row in iter_json_objects(file, context.opener, bad_records, parse):
            locations.add(quote(file.path, 200), [number])
            yield row
        if unseen and names:
            # A name that is mistyped would otherwise be a value that is missing on each line.
            raise _missing_field_error(min(unseen), names, quote(file.path, 200))

    def batches_of(file: DataPath) -> Iterator[RawBatch]:
        files = TableFiles(file, roles, bad_records, context)
        return stack_rows(rows(file, files), roles, files.directory)

    batches = chain.from_iterable(map(batches_of, context.opener.match_files(source.file)))
    dataset = make_dataset(source, batches, roles, locations, bad_records, context)
    inputs = {
        key: replace(feature, integer_mask=parser.integer_masks[roles.inputs[key][0]])
        for key, feature in dataset.inputs.items()
        if key not in roles.features
    }
    return replace(dataset, inputs={**dataset.inputs, **inputs})


@dataclass(frozen=True, slots=True, eq=False)
class _FieldParser:
    """Parser of the fields of a line, which must have the shapes of the first line."""

    roles: ColumnRoles
    parse_lists: ListParser
    shapes: dict[str, tuple[int, ...] | None] = field(default_factory=dict)
    """Shapes in the first line; None for a string."""
    integer_masks: dict[str, Mask] = field(default_factory=dict)
    """Positions at which all values of a field were integers."""

    def __post_init__(self) -> None:
        """Set the shapes of features, which have one value per line unless they are coordinates."""
        for key in self.roles.features:
            if key not in self.roles.coordinates and key not in self.roles.lists:
                self.shapes.update((field, ()) for field in self.roles.inputs[key])

    def __call__(self, line: Mapping[str, object], location: str) -> Row:
        """Return the row of a line. An invalid line leaves the shapes and masks as they are."""
        arrays: dict[str, Array] = {}
        strings: dict[str, str] = {}
        integer_masks: dict[str, Mask] = {}
        numeric = self.roles.numeric_columns
        for key in self.roles.optional_columns:
            if line.get(key) is None:
                arrays[key] = np.array(np.nan)
                integer_masks[key] = np.array(False)  # noqa: FBT003 - a value, not a flag
        present = [key for key in self.roles.optional_columns if key not in arrays]
        for key in (*numeric, *present, *self.roles.targets.values()):
            if key not in line:
                raise RunError(f"{location} has no field {quote(key)}; it has {quote_list(line)}")
            value = line[key]
            is_target = key not in numeric and key not in present
            if isinstance(value, str) and is_target and self.shapes.get(key) is None:
                strings[key] = value
                continue
            description = f"{self.roles.title(key)} of {location}"
            arrays[key] = array = self._parse_array(key, value, description)
            integer_masks[key] = self._integer_mask(key, value, array, description)
        texts = {
            field: parse_text(line.get(field), f"{self.roles.title(field)} of {location}")
            for field in self.roles.text_columns
        }
        self.roles.check_labels(texts, location)
        lists = self.parse_lists(line, location)
        self.shapes.update((key, each.shape) for key, each in arrays.items())
        self.shapes.update(dict.fromkeys(strings))
        self.integer_masks.update(integer_masks)
        values: dict[str, Array | str] = {**arrays, **strings}
        return Row(
            location,
            {
                key: [arrays[field] for field in fields]
                for key, fields in self.roles.number_inputs.items()
            },
            {key: values[field] for key, field in self.roles.targets.items()},
            {key: arrays[field] for key, field in self.roles.sample_weights.items()},
            {
                key: _word(line.get(field), f"{self.roles.title(field)} of {location}")
                for key, field in self.roles.words.items()
            },
            {
                key: self._date(key, line.get(field), f"{self.roles.title(field)} of {location}")
                for key, field in self.roles.dates.items()
            },
            texts,
            lists,
        )

    def _parse_array(self, key: str, value: object, description: str) -> Array:
        """Return a field as an array of finite numbers with the shape of the first line.

        Raises:
            RunError: if it is something else.
        """
        # A string in the first line.
        if self.shapes.get(key, ()) is None:
            raise RunError(
                f"{description} has values of a type other than numbers, or than in previous lines"
            )
        array = parse_numbers(value, description)
        expected_shape = self.shapes.get(key, array.shape)
        if array.shape != expected_shape:
            raise RunError(
                f"{description} has the shape {list(array.shape)}, but the first one has"
                f" {list(expected_shape or ())}"
            )
        return array

    def _date(self, key: str, value: object, description: str) -> np.datetime64:
        """Return a date, or NaT if it is missing and the feature takes that.

        Raises:
            RunError: if it is something else.
        """
        if value is None and self.roles.features[key].takes_missing:
            return np.datetime64("NaT")
        try:
            # A number may be a date without separators, and as well a number of seconds.
            return parse_date(value if isinstance(value, str) else "")
        except ValueError:
            raise not_a_date_error(f"{description} is {quote(value)}") from None

    def _integer_mask(self, key: str, value: object, array: Array, description: str) -> Mask:
        """Return the positions at which all values up to this line were integers.

        A list like `[7, 0.5]` becomes float64. An integer in it may be an id, and must not be
        rounded later: the mask tells the conversion to the network's dtype.

        Raises:
            RunError: if float64 does not represent an integer of the list.
        """
        mask = self.integer_masks.get(key)
        if mask is None:
            mask = np.ones(array.shape, bool)
        # Skip the slow loop over Python numbers if it can change nothing.
        if array.dtype.kind != "f" or (
            not np.count_nonzero(mask) and np.abs(array).max(initial=0) < MAX_EXACT_INT
        ):
            return mask
        numbers = list(flatten(value))
        for number, rounded in zip(numbers, array.reshape(-1).tolist(), strict=True):
            if isinstance(number, int) and int(rounded) != number:
                raise RunError(
                    f"{description} has {number} among numbers that are not 64-bit integers like"
                    " it: no dtype represents both"
                )
        is_integer = np.array([isinstance(each, int) for each in numbers], bool)
        return mask & is_integer.reshape(array.shape)


def _missing_field_error(field: str, names: Sequence[str], file_name: str) -> RunError:
    """Return the error for a field that no line has; `names` are the fields of the first line."""
    hint = did_you_mean(field, names, f"it has {quote_list(names)}")
    return RunError(
        f"no line of {file_name} has the field {quote(field)}, in which null stands for a missing"
        f" value; {hint}"
    )


def _word(value: object, description: str) -> str | None:
    """Return a value as a word; None if it is missing.

    Raises:
        RunError: if it is neither a string nor an integer.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value).strip()
    raise RunError(f"{description} is neither a string nor an integer")
