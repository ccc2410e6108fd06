"""Types of plain data: what JSON can represent."""

from __future__ import annotations

from typing import TypeAlias, Union

ScalarValue: TypeAlias = Union[bool, int, float, str, None]


PlainData: TypeAlias = Union[ScalarValue, "list[PlainData]", "dict[str, PlainData]"]
"""The data of a YAML tree without its locations, restricted to the types of JSON."""
