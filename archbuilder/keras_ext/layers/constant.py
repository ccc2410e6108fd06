"""A tensor of given numbers without a batch axis, as a layer."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from archbuilder.keras_ext.layers._typing import Config, Shape, Tensor

_Array: TypeAlias = np.ndarray[Any, Any]


@keras.saving.register_keras_serializable(package="archbuilder")
class Constant(keras.layers.Layer):
    """A tensor of given numbers without a batch axis: the same for all examples.

    Such tensors are masks, indices of relative positions and adjacency matrices. The numbers are no
    weights: they are part of the configuration of the layer, so that a copy of a model has them,
    and counts of parameters leave them out. Every layer of a functional Keras model needs an input,
    so this one is called on a tensor of which it reads nothing.

    Args:
        value: Numbers or booleans in nested lists, or an array; also as `get_config` returns it.
        dtype: The dtype of the tensor. By default, integers are `int32`, booleans `bool`, and other
            numbers have the dtype of the model.
        **kwargs: Keyword arguments of every layer, such as `name`.

    Input shape:
        Any.

    Output shape:
        That of `value`, without a batch axis.
    """

    def __init__(self, value: object, dtype: object = None, **kwargs: object) -> None:
        array = _decode(value) if isinstance(value, Mapping) else np.asarray(value)
        if array.dtype.kind not in "buif":
            raise ValueError(f"value must consist of numbers or booleans, not {array.dtype}")
        if dtype is None and array.dtype.kind != "f":
            dtype = "bool" if array.dtype.kind == "b" else "int32"
        # The dtype of the input means nothing to the layer, so Keras does not cast it.
        super().__init__(dtype=dtype, autocast=False, **kwargs)
        # NumPy has no bfloat16.
        stored_dtype = "float32" if self.variable_dtype == "bfloat16" else self.variable_dtype
        self.array: _Array = array.astype(stored_dtype)
        # No weights: Keras marks such a layer as built with this private method.
        self._build_at_init()

    def call(self, unused: Tensor) -> Tensor:
        """Return the tensor in the dtype of computations."""
        del unused
        return ops.convert_to_tensor(self.array, dtype=self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the tensor."""
        del input_shape
        return self.array.shape

    def compute_output_spec(self, unused: Tensor) -> keras.KerasTensor:
        """Return the symbolic tensor."""
        del unused
        # Keras 3.15.1 takes the empty shape of a number for a structure without shapes.
        return keras.KerasTensor(self.array.shape, dtype=self.compute_dtype)

    def get_config(self) -> Config:
        """Return the arguments of the constructor, with the numbers as text."""
        return {**super().get_config(), "value": _encode(self.array)}


def _encode(array: _Array) -> dict[str, Any]:
    # A list of numbers would take three times as much text.
    little_endian = array.astype(array.dtype.newbyteorder("<"))
    text = base64.b64encode(little_endian.tobytes()).decode("ascii")
    return {"dtype": array.dtype.name, "shape": list(array.shape), "base64": text}


def _decode(value: Mapping[str, Any]) -> _Array:
    dtype = np.dtype(value["dtype"]).newbyteorder("<")
    array = np.frombuffer(base64.b64decode(value["base64"]), dtype)
    return array.reshape(value["shape"])
