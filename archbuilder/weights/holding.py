"""Lists what a model holds, in the terms of a kind of file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

import keras
from keras.src.saving import saving_lib

from archbuilder.weights.stored import Held, Kind, Place, keras_3_place, place_without_order

_SEPARATOR: Final = "/"


def held(model: keras.Model, kind: Kind) -> tuple[Held, ...]:
    """The weights of a model, with the paths and places that a file of this kind has for them."""
    if kind is Kind.KERAS_3:
        return tuple(_as_keras_3_saves(model))
    return tuple(_in_order(model, kind))


def _in_order(model: keras.Model, kind: Kind) -> Iterator[Held]:
    before = 0
    for layer in model.layers:
        for index, variable in enumerate(layer.weights):
            name = _name(layer, variable)
            safetensors_path = name.replace(".", _SEPARATOR)
            path = f"{layer.name}/{index}" if kind is Kind.KERAS_2 else safetensors_path
            place = Place("", before) if kind.has_order else place_without_order(path)
            yield Held(path, place, name, variable)
            before += 1


def _as_keras_3_saves(model: keras.Model) -> Iterator[Held]:
    recorder = _Recorder()
    saving_lib._save_state(model, recorder, None, "", set())  # noqa: SLF001 - as it saves itself
    weights = {id(weight) for weight in model.weights}
    layers = dict(recorder.layers)
    for place, variable in recorder.variables:
        if id(variable) not in weights:
            continue
        _, counted, inner = place.split(_SEPARATOR, 2)
        layer = layers[f"layers/{counted}"]
        name = _name(model.get_layer(layer), variable)
        yield Held(f"{layer}/{inner}", keras_3_place(counted, inner), name, variable)


def _name(layer: keras.layers.Layer, variable: keras.Variable) -> str:
    """`conv1/kernel`, whatever the variable's path says about the model around the layer."""
    _, found, behind = f"/{variable.path}".partition(f"/{layer.name}/")
    return f"{layer.name}/{behind}" if found else f"{layer.name}/{variable.name}"


class _Recorder(saving_lib.H5IOStore):
    """Keras saves a model into this, and it keeps the variables with their places.

    Where Keras puts a variable of a nested layer follows from the attributes of the layer, which is
    not to be written a second time here.
    """

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), mode="w")
        self.variables: list[tuple[str, keras.Variable]] = []
        self.layers: list[tuple[str, str]] = []
        self._place = ""

    def __bool__(self) -> bool:
        return True

    def make(self, path: str, metadata: dict[str, str] | None = None) -> _Recorder:
        """The place of what follows."""
        self._place = path
        if metadata and path.count(_SEPARATOR) == 1:
            self.layers.append((path, metadata["name"]))
        return self

    def __setitem__(self, key: str, value: keras.Variable) -> None:
        self.variables.append((f"{self._place}/vars/{key}", value))
