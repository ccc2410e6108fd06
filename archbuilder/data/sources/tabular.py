"""The path of all tables and records into a dataset: their readers only supply typed batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Protocol

from archbuilder.config.data_schema import DatasetSchema
from archbuilder.config.sources import Jsonl, TableSource, Tfrecord
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.provenance import RecordLocations
from archbuilder.data.source_dataset import FittedPreprocessing, SourceDataset
from archbuilder.data.sources.batch_reader import RawBatch, collect_columns
from archbuilder.data.sources.column_roles import ColumnRoles
from archbuilder.data.sources.coordinates import add_coordinates
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.table_files import add_files
from archbuilder.diagnostics.errors import quote


class TableFile(Protocol):
    """One file of a table."""

    @property
    def name(self) -> str:
        """Name of the file for messages."""

    def column_names(self) -> list[str]:
        """Return the names of all columns.

        Raises:
            RunError: if the file is damaged, or has no names.
        """

    def batches(self, roles: ColumnRoles, locations: RecordLocations) -> Iterator[RawBatch]:
        """Yield the valid examples, and add where they are to `locations`.

        Raises:
            RunError: if the file is damaged or lacks a column, or an example is invalid.
        """


class Locations(Protocol):
    """Where the examples that were read stand in their files."""

    @property
    def count(self) -> int:
        """Number of examples."""

    def describe_row(self, row: int) -> str:
        """Return the location of an example by its index."""


def load_table(
    source: TableSource,
    files: Sequence[TableFile],
    bad_records: BadRecords,
    locations: RecordLocations,
    context: LoadContext,
) -> SourceDataset:
    """Load the columns of tables as inputs, targets and sample weights.

    A target of strings becomes class indices: in alphabetical order, or in the order of the classes
    in `context.fitted`. With these, input columns are found by their names, in any order.

    Raises:
        RunError: if a file is damaged, or a value is invalid, or differs in shape or type from the
            others.
    """
    roles = ColumnRoles.from_table(source, files[0].column_names(), files[0].name, context)
    batches = chain.from_iterable(each.batches(roles, locations) for each in files)
    return make_dataset(source, batches, roles, locations, bad_records, context)


def make_dataset(
    source: TableSource | Jsonl | Tfrecord,
    batches: Iterable[RawBatch],
    roles: ColumnRoles,
    locations: Locations,
    bad_records: BadRecords,
    context: LoadContext,
) -> SourceDataset:
    """Read all batches into a dataset. `locations` and `bad_records` grow while these are read.

    Raises:
        RunError: if there are no examples, or they differ in shape.
    """
    name = quote(source.file.path, 200)
    columns = collect_columns(batches, roles, locations.describe_row, context)
    dataset = SourceDataset(
        name,
        {
            key: replace(feature, divide_by=source.divide_by)
            for key, feature in columns.inputs.items()
        },
        columns.targets,
        (*columns.notes, *bad_records.summary(locations.count, name)),
        sample_weights=columns.sample_weights,
        preprocessing=FittedPreprocessing(DatasetSchema(roles.column_names, columns.classes)),
        source_keys=roles.source_keys,
        raw_features=columns.raw_features,
        key_columns=columns.key_columns,
    )
    describe_row = locations.describe_row
    dataset = add_files(dataset, columns.files, roles, describe_row, context)
    return add_coordinates(dataset, columns.files, roles, describe_row, context.opener)
