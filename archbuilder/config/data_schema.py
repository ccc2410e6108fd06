"""What the columns, classes and images mean that a network was trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from archbuilder.files.json import JsonError, JsonObject
from archbuilder.plain_data import PlainData

_MAX_VALUES: Final = 2**28
"""Of an image: more than any that was decoded for training."""


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """The names of the columns of a table that was trained on, by what they were for."""

    inputs: tuple[str, ...]
    """Those that became one input side by side; none where the recipe names inputs itself."""
    targets: Mapping[str, str]
    weights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageSpec:
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
class Scale:
    """How the numbers of an input were scaled."""

    divisor: float
    max_value: int = 255
    """The largest number that it makes sense for."""


@dataclass(frozen=True, slots=True)
class DatasetSchema:
    """What is known of examples when they are gone."""

    column_names: ColumnNames | None = None
    """The columns that they were in a table, where those have names."""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By target, the names of classes in the order of their numbers."""
    images: Mapping[str, ImageSpec] = field(default_factory=dict)
    """By input, the form that images were brought to when they were decoded."""
    scales: Mapping[str, Scale] = field(default_factory=dict)
    """By input, what images and other bytes were divided by."""

    def scale_for(self, name: str) -> Scale | None:
        """Return the scale of an input; a single one needs no name."""
        only = next(iter(self.scales.values())) if len(self.scales) == 1 else None
        return self.scales.get(name, only)


def schema_to_dict(schema: DatasetSchema) -> PlainData:
    """A legend as plain data: what `decode_legend` takes."""
    column_names = schema.column_names
    columns: PlainData = None
    if column_names is not None:
        columns = {
            "inputs": [*column_names.inputs],
            "targets": {**column_names.targets},
            "weights": [*column_names.weights],
        }
    return {
        "columns": columns,
        "classes": {target: [*names] for target, names in schema.classes.items() if names},
        "images": {
            name: [spec.height, spec.width, spec.channels, spec.bits]
            for name, spec in schema.images.items()
        },
        "scales": {name: [each.divisor, each.max_value] for name, each in schema.scales.items()},
    }


def schema_from_dict(value: PlainData) -> DatasetSchema:
    """A legend from plain data; an empty one from None.

    Raises:
        JsonError: if the data is not that of a legend.
    """
    if value is None:
        return DatasetSchema()
    fields = JsonObject.from_value(value, "legend")
    column_names = None
    if fields.get("columns") is not None:
        columns = fields.object("columns")
        targets = columns.object("targets")
        column_names = ColumnNames(
            columns.texts("inputs"),
            {target: targets.text(target) for target in targets.values},
            columns.texts("weights"),
        )
    classes = fields.object("classes")
    class_names = {target: classes.texts(target) for target in classes.values}
    # Runs of earlier versions have neither of these.
    images = _optional(fields, "images")
    scales = _optional(fields, "scales")
    return DatasetSchema(
        column_names,
        class_names,
        {name: _parse_image_spec(images, name) for name in images.values},
        {name: _parse_scale(scales, name) for name in scales.values},
    )


def _optional(fields: JsonObject, name: str) -> JsonObject:
    return JsonObject({}, name) if fields.get(name) is None else fields.object(name)


def _parse_image_spec(images: JsonObject, name: str) -> ImageSpec:
    values = [each for each in images.items(name) if type(each) is int and each > 0]
    is_valid = len(images.items(name)) == len(values) == 4 and values[3] in (8, 16)
    if not is_valid or math.prod(values[:3]) > _MAX_VALUES:
        raise JsonError(f"the field '{images.name}.{name}' is not the form of images")
    return ImageSpec(*values)


def _parse_scale(scales: JsonObject, name: str) -> Scale:
    match scales.items(name):
        case (int() | float() as divisor, int() as largest) if 0 < divisor < math.inf:
            return Scale(divisor, largest)
    raise JsonError(f"the field '{scales.name}.{name}' is not a scale")
