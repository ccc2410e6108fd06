"""What the columns, classes and images mean that a network was trained on."""

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
class ImageForm:
    """The size and depth of decoded images."""

    height: int
    width: int
    channels: int
    bits: int = 8
    """Of a channel: 8 (0 to 255) or 16 (0 to 65535)."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of an example."""
        return self.height, self.width, self.channels

    def __str__(self) -> str:
        depth = "" if self.bits == 8 else f" with {self.bits} bits a channel"
        return f"{self.height}x{self.width}x{self.channels}{depth}"


@dataclass(frozen=True, slots=True)
class Legend:
    """What is known of examples when they are gone."""

    heading: Heading | None = None
    """The columns that they were in a table, where those have names."""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By target, the names of classes in the order of their numbers."""
    images: Mapping[str, ImageForm] = field(default_factory=dict)
    """By input, the form that images were brought to when they were decoded."""


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
        "images": {
            name: [form.height, form.width, form.channels, form.bits]
            for name, form in legend.images.items()
        },
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
    images = {name: _form(each) for name, each in _mapping(fields.get("images", {})).items()}
    return Legend(heading, classes, images)


def _mapping(value: Plain) -> _Fields:
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} in place of a mapping")
    return value


def _form(value: Plain) -> ImageForm:
    if not isinstance(value, list) or len(value) != 4:
        raise TypeError("something else in place of the form of images")
    numbers = [each for each in value if type(each) is int and each > 0]
    if len(numbers) < len(value) or numbers[3] not in (8, 16):
        raise TypeError("something else in place of the form of images")
    return ImageForm(*numbers)


def _texts(value: Plain) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{type(value).__name__} in place of a list")
    return tuple(map(_text, value))


def _text(value: Plain) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} in place of a text")
    return value
