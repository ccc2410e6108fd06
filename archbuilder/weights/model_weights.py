"""Lists what a model holds, in the terms of a kind of file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

import keras
from keras.src.saving import saving_lib

from archbuilder.weights.entries import (
    FileFormat,
    ModelWeight,
    WeightPosition,
    keras3_position,
    unordered_position,
)

_SEPARATOR: Final = "/"


def list_model_weights(model: keras.Model, file_format: FileFormat) -> tuple[ModelWeight, ...]:
    """The weights of a model, with the paths and places that a file of this kind has for them."""
    if file_format is FileFormat.KERAS_3:
        return tuple(_list_as_keras_saves(model))
    return tuple(_list_by_layer(model, file_format))


def _list_by_layer(model: keras.Model, file_format: FileFormat) -> Iterator[ModelWeight]:
    weight_number = 0
    for layer in model.layers:
        for index, variable in enumerate(layer.weights):
            name = _display_name(layer, variable)
            safetensors_path = name.replace(".", _SEPARATOR)
            path = (
                f"{layer.name}/{index}" if file_format is FileFormat.KERAS_2 else safetensors_path
            )
            position = (
                WeightPosition("", weight_number)
                if file_format.has_order
                else unordered_position(path)
            )
            yield ModelWeight(path, position, name, variable)
            weight_number += 1


def _list_as_keras_saves(model: keras.Model) -> Iterator[ModelWeight]:
    recorder = _Recorder()
    saving_lib._save_state(model, recorder, None, "", set())  # noqa: SLF001 - as it saves itself
    weights = {id(weight) for weight in model.weights}
    layers = dict(recorder.layers)
    for path, variable in recorder.variables:
        if id(variable) not in weights:
            continue
        _, numbered_name, inner = path.split(_SEPARATOR, 2)
        layer = layers[f"layers/{numbered_name}"]
        name = _display_name(model.get_layer(layer), variable)
        yield ModelWeight(f"{layer}/{inner}", keras3_position(numbered_name, inner), name, variable)


def _display_name(layer: keras.layers.Layer, variable: keras.Variable) -> str:
    """`conv1/kernel`, whatever the variable's path says about the model around the layer."""
    _, separator, variable_path = f"/{variable.path}".partition(f"/{layer.name}/")
    return f"{layer.name}/{variable_path}" if separator else f"{layer.name}/{variable.name}"


class _Recorder(saving_lib.H5IOStore):
    """Keras saves a model into this, and it keeps the variables with their places.

    Where Keras puts a variable of a nested layer follows from the attributes of the layer, which is
    not to be written a second time here.
    """

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), mode="w")
        self.variables: list[tuple[str, keras.Variable]] = []
        self.layers: list[tuple[str, str]] = []
        self._entry_path = ""

    def __bool__(self) -> bool:
        return True

    def make(self, path: str, metadata: dict[str, str] | None = None) -> _Recorder:
        """The place of what follows."""
        self._entry_path = path
        if metadata and path.count(_SEPARATOR) == 1:
            self.layers.append((path, metadata["name"]))
        return self

    def __setitem__(self, key: str, value: keras.Variable) -> None:
        self.variables.append((f"{self._entry_path}/vars/{key}", value))
