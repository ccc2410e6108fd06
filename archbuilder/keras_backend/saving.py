"""Writes models to files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

import keras
from keras.src.saving import saving_lib

from archbuilder.files.atomic_write import atomic_write


def save_model(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Write a model with its weights as a `.keras` file.

    Plain Keras opens the file, except where the model has a layer of ours: then the program that
    opens it needs `import archbuilder`. When writing fails, or the machine does, what stood there
    before is still there.

    Raises:
        RunError: when the file cannot be written.
    """
    with atomic_write(Path(path)) as file:
        write_model(model, file)


def write_model(model: keras.Model, file: IO[bytes]) -> None:
    """Write the same to an open file. `Model.save` takes paths alone."""
    saving_lib.save_model(model, file)


def save_architecture(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Write a model without its weights, as the JSON that `keras.models.model_from_json` reads.

    Raises:
        RunError: when the file cannot be written.
    """
    with atomic_write(Path(path)) as file:
        file.write(f"{model.to_json(indent=2)}\n".encode())
