"""Labels in the names of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from archbuilder.config.sources.name_patterns import find_label
from archbuilder.data.columns import Column
from archbuilder.data.source_dataset import UNNAMED
from archbuilder.data.sources.example_files import ExampleFile
from archbuilder.data.sources.label_encoder import TargetWriter
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.diagnostics.errors import RunError, quote


def label_patterns(label: str | Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the patterns of the labels in names by output; that of the only output is unnamed."""
    return {UNNAMED: label} if isinstance(label, str) else label or {}


def label_of(file: ExampleFile, pattern: str) -> str:
    """Return the label in the name of a file.

    Raises:
        RunError: if the name does not match the pattern.
    """
    label = find_label(pattern, PurePath(file.parts[-1]).stem)
    if label is None:
        raise RunError(
            f"the name of {file.name} without its suffix does not match the pattern"
            f" {quote(pattern)}"
        )
    return label


def make_label_column(
    output: str, labels: Sequence[str], name: str, context: LoadContext
) -> tuple[Column, tuple[str, ...] | None, tuple[str, ...]]:
    """Return the column of an output whose labels are in the names of files, its classes and notes.

    `name` is what messages call the source.

    Raises:
        RunError: if a label is not a class of the training data.
    """
    schema = context.fitted.schema if context.fitted else None
    classes = schema.classes_for(output) if schema else None
    writer = TargetWriter(f"the label of {name}", classes, context.store, text_cells=True)
    writer.add(labels)
    return writer.finish()
