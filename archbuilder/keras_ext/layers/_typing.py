"""Type aliases of the layers. Keras itself has no type annotations."""

from __future__ import annotations

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of the backend, or a `keras.KerasTensor`."""

Shape: TypeAlias = tuple[int | None, ...]
"""A shape including the batch axis, as Keras passes it to layers."""

Config: TypeAlias = dict[str, Any]
"""The result of `get_config`: data that can be serialized as JSON."""
