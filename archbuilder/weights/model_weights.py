"""List the weights of a model with the paths and positions that a file format has for them."""

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
    """Return the weights of a model with their paths and positions in a file of this format."""
    if file_format is FileFormat.KERAS_3:
        return tuple(_list_as_keras_saves(model))
    return tuple(_list_by_layer(model, file_format))


def _list_by_layer(model: keras.Model, file_format: FileFormat) -> Iterator[ModelWeight]:
    """Yield the weights layer by layer, for Keras 2 and safetensors."""
    weight_number = 0
    for layer in model.layers:
        # Keras 2 listed the non-trainable weights of a layer last, also those of layers nested in
        # it; `legacy_h5_format._legacy_weights` of Keras 3 does the same.
        weights = (
            layer.trainable_weights + layer.non_trainable_weights
            if file_format is FileFormat.KERAS_2
            else layer.weights
        )
        for index, variable in enumerate(weights):
            name = _display_name(layer, variable)
            # Other libraries name tensors with dots (`conv1.weight`); the reader maps these to
            # slashes as well.
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
    """Yield the weights under the paths at which Keras 3 saves them."""
    recorder = _Recorder()
    # Where Keras puts a variable of a nested layer depends on the attributes of that layer, in
    # rules that are private to Keras: let it save the model into a recorder.
    saving_lib._save_state(model, recorder, None, "", set())  # noqa: SLF001
    # Keras also saves seeds and other state that are not weights.
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
    """Return a name such as `conv1/kernel`."""
    # The path of a variable may have the names of enclosing scopes in front of that of the layer.
    _, separator, variable_path = f"/{variable.path}".partition(f"/{layer.name}/")
    return f"{layer.name}/{variable_path}" if separator else f"{layer.name}/{variable.name}"


class _Recorder(saving_lib.H5IOStore):
    """A weight store that records variables and their paths instead of writing them."""

    def __init__(self) -> None:
        # Keras accepts only instances of its own store classes, which open an HDF5 file.
        super().__init__(io.BytesIO(), mode="w")
        self.variables: list[tuple[str, keras.Variable]] = []
        self.layers: list[tuple[str, str]] = []
        self._entry_path = ""

    def __bool__(self) -> bool:
        # Keras skips a store that is false. The base class asks its HDF5 file, which is not used.
        return True

    def make(self, path: str, metadata: dict[str, str] | None = None) -> _Recorder:
        """Set the path for the variables that are saved next."""
        self._entry_path = path
        # A path with one slash is that of a layer of the model (`layers/conv2d_3`).
        if metadata and path.count(_SEPARATOR) == 1:
            self.layers.append((path, metadata["name"]))
        return self

    def __setitem__(self, key: str, value: keras.Variable) -> None:
        self.variables.append((f"{self._entry_path}/vars/{key}", value))
