"""Weights of files and of models, described in the same terms so that they can be matched.

Two weights match by name (the same path) or by order (the same position). The format of the file
determines what path and position are:

| format                  | path           | position                                   |
|-------------------------|----------------|--------------------------------------------|
| `.weights.h5`, `.keras` | `conv1/vars/0` | within class `conv2d`: layer 3, `vars/0`   |
| `.h5` of Keras 2        | `conv1/0`      | number of weights before it                |
| `.safetensors`          | `conv1/kernel` | none: tensors are sorted by dtype and name |

Keras 3 numbers the layers of each class separately. Its files record the order of layers only
within a class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from archbuilder.yaml.scalars import is_ascii_digits

if TYPE_CHECKING:
    import keras

Sizes: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True, order=True)
class WeightPosition:
    """The position of a weight in a sequence: ordered by `number`, then by `inner` in a layer."""

    sequence: str
    number: int
    inner: str = ""


class FileFormat(Enum):
    """The layout of weights in a file."""

    KERAS_3 = "Keras 3"
    KERAS_2 = "Keras 2"
    SAFETENSORS = "safetensors"

    @property
    def has_order(self) -> bool:
        """Whether the order of weights in a file is that of the network."""
        # The safetensors library sorts tensors by dtype and name when it writes a file.
        return self is not FileFormat.SAFETENSORS


def unordered_position(path: str) -> WeightPosition:
    """Return the position of a weight in a file without an order: a sequence of its own."""
    return WeightPosition(path, 0)


def keras3_position(layer: str, inner: str) -> WeightPosition:
    """Return the position of a weight that a Keras 3 file has under a layer such as `conv2d_3`."""
    # Keras names the layers of a class `conv2d`, `conv2d_1`, `conv2d_2`, ...: the first has no
    # number, which stands for 0.
    name, _, number = layer.rpartition("_")
    if name and is_ascii_digits(number):
        return WeightPosition(name, int(number), inner)
    return WeightPosition(layer, 0, inner)


@dataclass(frozen=True, slots=True)
class FileWeight:
    """A weight in a file. `read` loads its values into memory."""

    path: str
    position: WeightPosition
    shape: Sizes
    dtype: str
    """A dtype (`float32`), or a description of the content if it is not numeric."""
    read: Callable[[], np.ndarray]


@dataclass(frozen=True, slots=True)
class ModelWeight:
    """A weight of a model. `name` identifies it in messages (`conv1/kernel`)."""

    path: str
    position: WeightPosition
    name: str
    variable: keras.Variable

    @property
    def layer(self) -> str:
        """Name of the layer of the model that has the weight."""
        # Keras refuses layers with a slash in their name.
        return self.name.partition("/")[0]

    @property
    def shape(self) -> Sizes:
        """Shape of the variable, with all sizes known."""
        return tuple(self.variable.shape)

    @property
    def dtype(self) -> str:
        """Name of the variable's dtype."""
        return str(self.variable.dtype)
