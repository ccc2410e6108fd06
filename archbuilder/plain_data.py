"""The data types of JSON."""

from __future__ import annotations

from typing import TypeAlias, Union

ScalarValue: TypeAlias = Union[bool, int, float, str, None]


PlainData: TypeAlias = Union[ScalarValue, "list[PlainData]", "dict[str, PlainData]"]
"""What a tree is once its positions are dropped: the data types of JSON."""
