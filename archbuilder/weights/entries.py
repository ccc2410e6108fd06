"""What a file of weights holds, and what a model holds, in the same terms.

Two weights belong together by path (both have the same name) or by order (both stand at the same
place). What name and place are depends on the kind of file:

| kind                      | path                      | place                               |
|---------------------------|---------------------------|-------------------------------------|
| `.weights.h5`, `.keras`   | `conv1/vars/0`            | among `conv2d`: layer 3, `vars/0`   |
| `.h5` of Keras 2          | `conv1/0`                 | how many stand before               |
| `.safetensors`            | `conv1/kernel`            | none: it is sorted by type and name |

Keras 3 counts the layers of each class, so that a file tells their order only within a class.
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
    """Where a weight stands among those of a sequence: `number`, then `inner` within a layer."""

    sequence: str
    number: int
    inner: str = ""


class FileFormat(Enum):
    """How a file lays out its weights."""

    KERAS_3 = "Keras 3"
    KERAS_2 = "Keras 2"
    SAFETENSORS = "safetensors"

    @property
    def has_order(self) -> bool:
        """Whether the order in a file is that of the network.

        The safetensors library sorts tensors by dtype and name when it writes a file.
        """
        return self is not FileFormat.SAFETENSORS


def unordered_position(path: str) -> WeightPosition:
    """The place of a weight in a file that records no order: in a sequence of its own."""
    return WeightPosition(path, 0)


def keras3_position(layer: str, inner: str) -> WeightPosition:
    """The place of what Keras 3 puts under `conv2d_3`: its layers are counted from none on."""
    name, _, number = layer.rpartition("_")
    if name and is_ascii_digits(number):
        return WeightPosition(name, int(number), inner)
    return WeightPosition(layer, 0, inner)


@dataclass(frozen=True, slots=True)
class FileWeight:
    """A weight in a file; `read` brings its values into memory."""

    path: str
    position: WeightPosition
    shape: Sizes
    dtype: str
    """The name of a type of numbers (`float32`), or what the file has in place of numbers."""
    read: Callable[[], np.ndarray]


@dataclass(frozen=True, slots=True)
class ModelWeight:
    """A weight of a model. `name` is what people know it by (`conv1/kernel`)."""

    path: str
    position: WeightPosition
    name: str
    variable: keras.Variable

    @property
    def shape(self) -> Sizes:
        """Its sizes, all of them known."""
        return tuple(self.variable.shape)

    @property
    def dtype(self) -> str:
        """The type of its numbers."""
        return str(self.variable.dtype)
