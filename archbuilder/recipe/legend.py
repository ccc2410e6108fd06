"""What the columns of a table, and the numbers of classes, mean that a network was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from archbuilder.tree import Plain

_Fields: TypeAlias = dict[str, Plain]


@dataclass(frozen=True, slots=True)
class Heading:
    """The names of the columns of a table that was trained on, by what they were for."""

    inputs: tuple[str, ...]
    """Those that became one input side by side; none where the recipe names inputs itself."""
    targets: Mapping[str, str]
    weights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Legend:
    """What is known of examples when they are gone."""

    heading: Heading | None = None
    """The columns that they were in a table, where those have names."""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By target, the names of classes in the order of their numbers."""


def encode_legend(legend: Legend) -> Plain:
    """A legend as plain data: what `decode_legend` takes."""
    heading = legend.heading
    columns: Plain = None
    if heading is not None:
        columns = {
            "inputs": [*heading.inputs],
            "targets": {**heading.targets},
            "weights": [*heading.weights],
        }
    return {
        "columns": columns,
        "classes": {target: [*names] for target, names in legend.classes.items() if names},
    }


def decode_legend(value: Plain) -> Legend:
    """A legend from plain data; an empty one from None.

    Raises:
        TypeError: if the data is none of a legend.
    """
    if value is None:
        return Legend()
    fields = _mapping(value)
    columns = fields.get("columns")
    heading = None
    if columns is not None:
        told = _mapping(columns)
        heading = Heading(
            _texts(told.get("inputs")),
            {target: _text(each) for target, each in _mapping(told.get("targets")).items()},
            _texts(told.get("weights")),
        )
    classes = {target: _texts(each) for target, each in _mapping(fields.get("classes")).items()}
    return Legend(heading, classes)


def _mapping(value: Plain) -> _Fields:
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} in place of a mapping")
    return value


def _texts(value: Plain) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{type(value).__name__} in place of a list")
    return tuple(map(_text, value))


def _text(value: Plain) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} in place of a text")
    return value
