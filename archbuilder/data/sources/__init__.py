"""The readers of the data sources, and the function that loads any source."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archbuilder.config.data_schema import Scale
from archbuilder.config.sources import DataConfig, DataSource
from archbuilder.config.split import SplitPlan
from archbuilder.config.training import TrainingConfig
from archbuilder.data.errors import locate_data_errors, source_span
from archbuilder.data.features import fit_features
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import (
    FittedPreprocessing,
    SourceDataset,
    SourceDatasets,
    Split,
)
from archbuilder.data.sources.disk_columns import MEMORY_LIMIT, ColumnStore
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.vocabulary_files import with_vocabularies
from archbuilder.data.split import split_rows
from archbuilder.data.windows import make_windows
from archbuilder.diagnostics.errors import RunError, quote

__all__ = ["load_datasets", "load_source"]


def load_datasets(
    data: DataConfig,
    training: TrainingConfig | None,
    opener: DataFileOpener,
    fitted: FittedPreprocessing | None = None,
) -> SourceDatasets:
    """Load the datasets of a run, and split off what has no source.

    Raises:
        BlueprintError: if a blueprint names a file that it may not read.
        RunError: if the data is missing, damaged, or not as the source describes it.
    """
    plan = SplitPlan()
    if training is not None:
        plan = training.split_plan(
            has_validation=data.validation is not None, has_test=data.test is not None
        )
    train = load_source(data.train, opener, fitted, plan)
    others = (
        None if source is None else load_source(source, opener, train.preprocessing)
        for source in (data.validation, data.test)
    )
    return SourceDatasets(train, *others)


def load_source(
    source: DataSource,
    opener: DataFileOpener,
    fitted: FittedPreprocessing | None = None,
    plan: SplitPlan | None = None,
) -> SourceDataset:
    """Load the dataset of a source.

    `fitted` is the preprocessing of the training data, if this is other data: its classes, scales,
    features and tokenizer apply here too. Without it, the features of a table learn from the
    training rows of the `plan` alone. Large columns are read on demand, and never held in memory as
    a whole unless the source says `cache: true`.

    Raises:
        BlueprintError: if a blueprint names a file that it may not read.
        RunError: if the data is missing, damaged, or not as the source describes it.
    """
    # `cache: false` keeps no column in memory, `cache: true` every one of them.
    store = ColumnStore(opener.spill_dir, 0 if source.cache is False else MEMORY_LIMIT)
    # Errors of a source name its line in the blueprint, which the readers do not know.
    span = source_span(source)
    with locate_data_errors(span):
        raw_dataset, split = _load_rows(source, LoadContext(opener, store, fitted), plan)
        if fitted is None:
            raw_dataset = with_vocabularies(raw_dataset, opener)
        fitted_features = None if fitted is None else fitted.schema.features
        dataset = fit_features(
            raw_dataset, fitted_features, None if split is None else split.train
        ).with_value_checks()
        if source.cache:
            dataset = dataset.in_memory()
        # A run records the schema, so that validation and prediction divide by the same numbers.
        # Images of 16 bits are left out: their divisor follows from the recipe and the recorded bit
        # depth.
        scales = {
            name: Scale(feature.divide_by, feature.max_value)
            for name, feature in dataset.inputs.items()
            if feature.divide_by is not None
            and (feature.column.dtype == np.uint8 or not feature.image)
        }
        schema = replace(dataset.preprocessing.schema, scales=scales)
        preprocessing = replace(dataset.preprocessing, schema=schema)
        dataset = replace(dataset, preprocessing=preprocessing, span=span, split=split)
        return dataset if source.window is None else make_windows(dataset, source.window)


def _load_rows(
    source: DataSource, context: LoadContext, plan: SplitPlan | None
) -> tuple[SourceDataset, Split | None]:
    """Load the rows of a source and split them.

    Raises:
        RunError: if the source has no columns that the split could follow.
    """
    # Windows need rows that follow each other: a random fraction would leave none.
    if plan is not None and source.window is not None:
        plan = replace(plan, shuffle=False)
        if plan.is_stratified:
            raise RunError(
                "'stratify' chooses single rows, of which a 'window' cannot consist; write 'last',"
                " or 'by' with the column of the series"
            )
    columns = () if plan is None else plan.key_columns
    all_columns = tuple(dict.fromkeys((*source.key_columns, *columns)))
    context = replace(context, key_columns=all_columns)
    dataset = source.load(context)
    missing = next((each for each in columns if each not in dataset.key_columns), None)
    if missing is not None:
        raise RunError(
            f"{dataset.source_name} has no column {quote(missing)} to split by; the sources csv,"
            " parquet, jsonl and npz have columns"
        )
    return dataset, None if plan is None else split_rows(dataset, plan)
