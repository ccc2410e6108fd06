"""Blueprints for text: the next character of plain text, or the class of a text file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from archbuilder.config.sources import Text, TextFiles
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.plain_data import PlainData
from archbuilder.scaffold.arrays import target_output
from archbuilder.scaffold.layout import BlueprintText

MAX_TOKENS: Final = 500
"""Number of words of a text file; longer ones are truncated."""
_MIN_TOKENS: Final = 16
_SAMPLE_SIZE: Final = 1000
_VOCABULARY_SIZE: Final = 20_000


def text_blueprint(vocabulary_size: int, name: str, file: str) -> str:
    """Return a blueprint for a text of characters.

    Args:
        vocabulary_size: Number of tokens, with those that are not characters.
        name: The name of the blueprint.
        file: The path of the text in the blueprint.
    """
    options: dict[str, PlainData] = {"file": file, "tokenizer": "characters", "sequence_length": 64}
    return BlueprintText(
        name,
        f"The next character of {file}"[:100],
        [],
        {"vocabulary": vocabulary_size, "units": 128, "dropout": 0.2},
        {"characters": {"shape": [None], "dtype": "int32"}},
        [
            "Embedding: {input_dim: $vocabulary, output_dim: $units}",
            "LSTM: {units: $units, return_sequences: true}",
            "Dropout: $dropout",
            "Dense: {units: $vocabulary, activation: softmax}",
        ],
        Text.key,
        options,
        {
            "objective": "causal_lm",
            "optimizer": {"Adam": 2e-3},
            "epochs": 20,
            "batch_size": 32,
            "validation_split": 0.1,
        },
    ).render()


def text_files_blueprint(
    dataset: SourceDataset,
    name: str,
    files: Mapping[str, PlainData],
    other_sets: Mapping[str, PlainData],
) -> str:
    """Return a blueprint for the classes of text files.

    Args:
        dataset: The texts as ids of `MAX_TOKENS` words.
        name: The name of the blueprint.
        files: The options of the source that name its files.
        other_sets: The sources of the validation and the test set.
    """
    output = target_output(dataset)
    # The number of words that nine of ten texts do not exceed.
    rows = np.linspace(0, dataset.count - 1, min(dataset.count, _SAMPLE_SIZE)).astype(np.int64)
    ids = dataset.inputs[UNNAMED].column.numpy(rows)
    length = max(int(np.quantile(np.count_nonzero(ids, axis=1), 0.9)), _MIN_TOKENS)
    return BlueprintText(
        name,
        f"The class of texts in {dataset.source_name.strip(chr(39))}"[:100],
        [],
        {"units": 64, "dropout": 0.5},
        {"text": {"shape": [length], "dtype": "int32"}},
        [
            f"Embedding: {{input_dim: {_VOCABULARY_SIZE}, output_dim: $units, mask_zero: true}}",
            "GlobalAveragePooling1D",
            "Dropout: $dropout",
            *output.layers,
        ],
        TextFiles.key,
        {
            **files,
            "tokenizer": "words",
            "lowercase": True,
            "strip_punctuation": True,
            "vocabulary_size": _VOCABULARY_SIZE,
            "sequence_length": length,
        },
        output.training(epochs=10),
        other_sets=other_sets,
    ).render()
