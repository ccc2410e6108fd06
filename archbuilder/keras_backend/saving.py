"""Save models as `.keras` files and as JSON."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

import keras
from keras.src.saving import saving_lib

from archbuilder.files.atomic_write import atomic_write
from archbuilder.keras_backend.lora import merged_lora


def save_model(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Write a model with its weights as a `.keras` file.

    Keras alone can load the file, unless the model has layers of archbuilder: a program that loads
    those needs `import archbuilder`. The file is replaced atomically: if writing fails, an existing
    file stays as it was.

    Raises:
        RunError: if the file cannot be written.
    """
    with atomic_write(Path(path)) as file:
        write_model(model, file)


def write_model(model: keras.Model, file: IO[bytes]) -> None:
    """Write a model with its weights to an open file, in the `.keras` format."""
    with merged_lora(model):
        # `Model.save` accepts paths only.
        saving_lib.save_model(model, file)


def save_architecture(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Write a model without its weights, as JSON for `keras.models.model_from_json`.

    Raises:
        RunError: if the file cannot be written.
    """
    with atomic_write(Path(path)) as file:
        file.write(f"{model.to_json(indent=2)}\n".encode())
