"""A blueprint for plain text: a small network that predicts the next character."""

from __future__ import annotations

from archbuilder.config.sources import Text
from archbuilder.plain_data import PlainData
from archbuilder.scaffold.layout import BlueprintText


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
