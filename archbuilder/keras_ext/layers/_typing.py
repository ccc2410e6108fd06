"""The types that the layers share. Keras has no annotations of its own."""

from __future__ import annotations

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of the backend, or a symbolic one."""

Shape: TypeAlias = tuple[int | None, ...]
"""A shape with the batch axis, as Keras hands shapes to layers."""

Config: TypeAlias = dict[str, Any]
"""What `get_config` gives: data that JSON can hold."""
