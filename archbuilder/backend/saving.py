"""Writes models to files."""

from __future__ import annotations

import os
from pathlib import Path

import keras

from archbuilder.writing import replacing


def save_model(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Write a model with its weights as a `.keras` file.

    Plain Keras opens the file, except where the model has a layer of ours: then the program that
    opens it needs `import archbuilder`. When writing fails, or the machine does, what stood there
    before is still there.

    Raises:
        RunError: when the file cannot be written.
    """
    with replacing(Path(path)) as beside:
        model.save(beside)


def save_architecture(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Write a model without its weights, as the JSON that `keras.models.model_from_json` reads.

    Raises:
        RunError: when the file cannot be written.
    """
    with replacing(Path(path)) as beside:
        beside.write_text(model.to_json(indent=2) + "\n", encoding="utf-8")
