"""Types of plain data: what JSON can represent."""

from __future__ import annotations

from typing import Final, TypeAlias, Union


class UnknownValue:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN: Final = UnknownValue()
"""A value that depends on a shape, in a check without Keras. No graph has it."""

ScalarValue: TypeAlias = Union[bool, int, float, str, UnknownValue, None]

PlainData: TypeAlias = Union[ScalarValue, "list[PlainData]", "dict[str, PlainData]"]
"""The data of a YAML tree without its locations, restricted to the types of JSON."""
