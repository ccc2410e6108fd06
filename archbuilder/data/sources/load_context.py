"""What the reader of a data source receives besides the source."""

from __future__ import annotations

from dataclasses import dataclass

from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import FittedPreprocessing
from archbuilder.data.sources.disk_columns import ColumnStore


@dataclass(frozen=True, slots=True, eq=False)
class LoadContext:
    """How files are opened, where large columns are kept, and how values are preprocessed."""

    opener: DataFileOpener
    store: ColumnStore
    fitted: FittedPreprocessing | None = None
    """The preprocessing of the training set, for other data; None to fit it."""
    inputs_only: bool = False
    """Whether to read only inputs, to predict on: the target columns may be missing."""
    num_values: int | None = None
    """Number of values of an input: a table to predict on with as many columns has no target."""
    key_columns: tuple[str, ...] = ()
    """Columns to read that are neither inputs nor targets: they say how the data is split."""
