"""Recordings in directories, one directory per class or none, decoded on demand."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from archbuilder.config.data_schema import DatasetSchema
from archbuilder.config.sources import Audio
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.columns import Column
from archbuilder.data.source_dataset import UNNAMED, Feature, FittedPreprocessing, SourceDataset
from archbuilder.data.sources.audio_files import audio_column, read_audio
from archbuilder.data.sources.class_directories import (
    RECORDING,
    list_files,
    list_unclassified_files,
    with_classes,
)
from archbuilder.data.sources.example_files import ExampleFile, ExampleFiles
from archbuilder.data.sources.file_labels import label_of, label_patterns, make_label_column
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.diagnostics.errors import RunError
from archbuilder.formatting import plural


def load_audio(source: Audio, context: LoadContext) -> SourceDataset:
    """Load recordings of one length, and their classes or the labels in their names.

    Raises:
        BlueprintError: if a blueprint names a directory that it may not read.
        RunError: if there are no recordings, one cannot be read, or a class is unknown or has no
            recording.
        UsageError: if a library is not installed.
    """
    patterns, opener = label_patterns(source.label), context.opener
    listing = (
        list_unclassified_files(source.directory, opener, RECORDING)
        if patterns
        else list_files(source.directory, opener, RECORDING, source.classes)
    )
    # Other data may lack a class.
    if context.fitted is None:
        listing.check_classes()
    bad_records = BadRecords(source.on_error, "recordings")
    listed = ExampleFiles(ExampleFile(directory, parts) for directory, parts in listing.files)
    files, labels = _readable_files(source, listed, context, bad_records)
    skip_notes = bad_records.summary(len(files), listing.name)
    recording = source.recording
    column = audio_column(listing.name, files, recording, opener)
    targets: dict[str, Column] = {}
    classes: dict[str, tuple[str, ...]] = {}
    notes = [f"{listing.name}: {plural(len(files), 'recording')} of {recording}"]
    for output, texts in labels.items():
        targets[output], names, label_notes = make_label_column(
            output, texts, listing.name, context
        )
        notes += label_notes
        if names is not None:
            classes[output] = names
    dataset = SourceDataset(
        listing.name,
        {UNNAMED: Feature(column)},
        targets,
        (*notes, *listing.notes, *skip_notes),
        preprocessing=FittedPreprocessing(DatasetSchema(classes=classes)),
    )
    if patterns:
        return dataset
    return with_classes(dataset, listing, (each.parts for each in files), context.fitted)


def _readable_files(
    source: Audio, files: ExampleFiles, context: LoadContext, bad_records: BadRecords
) -> tuple[ExampleFiles, dict[str, list[str]]]:
    """Return the files with their labels by output; others are added to `bad_records`.

    To skip damaged recordings, all have to be decoded once: the number of examples is needed now.
    """
    patterns = label_patterns(source.label)

    def labels_of(file: ExampleFile) -> dict[str, str] | RunError:
        try:
            if source.on_error == "skip":
                read_audio(file, context.opener, source.recording)
            return {output: label_of(file, each) for output, each in patterns.items()}
        except RunError as error:
            return error

    # Threads suffice: the libraries release the GIL.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(labels_of, files))
    readable: list[int] = []
    labels: dict[str, list[str]] = {output: [] for output in patterns}
    for row, result in enumerate(results):
        if isinstance(result, RunError):
            bad_records.add(result)
            continue
        readable.append(row)
        for output, label in result.items():
            labels[output].append(label)
    return ExampleFiles(files[row] for row in readable), labels
