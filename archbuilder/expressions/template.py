"""Parsed strings with `$` in them, and the functions of a file, whose values are such strings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from archbuilder.diagnostics.span import Span
from archbuilder.expressions.nodes import Expression, TensorName

Piece: TypeAlias = str | Expression
Reference: TypeAlias = tuple[str, int, int]
"""A name with the start and length of the reference in the text."""


@dataclass(frozen=True, slots=True)
class FunctionSignature:
    """The declaration of a function of a file, without its value."""

    name: str
    arguments: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class FileFunctions:
    """The functions of one file.

    They can call each other in any order, so all signatures are read before the first value.
    A function with an error in its value has no entry in `values`.
    """

    signatures: Mapping[str, FunctionSignature] = field(default_factory=dict)
    values: dict[str, Template] = field(default_factory=dict)


NO_FUNCTIONS: Final = FileFunctions()


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed string with `$` in it.

    `is_single_expression` is true if it is one name or expression without text around it; then the
    value keeps its type.
    """

    pieces: tuple[Piece, ...]
    is_single_expression: bool
    references: tuple[Reference, ...]
    """Every parameter that it reads."""
    calls: tuple[Reference, ...]
    """Every call of a function of the file."""
    tensors: tuple[TensorName, ...]
    """Every step and input whose shape it reads."""
    functions: FileFunctions = field(repr=False, compare=False)
    """The functions of the file that the string stands in."""
    span: Span
    offset: int | None
    """Offset of the text within the span: 1 if the string is quoted, otherwise 0.

    None if escapes or line breaks moved the characters, so that only the whole string has a
    location.
    """

    def subspan(self, start: int, length: int) -> Span:
        """Return the span of a part of the text, or that of the whole if it is not known."""
        if self.offset is None:
            return self.span
        return self.span.subspan(self.offset + start, length)
