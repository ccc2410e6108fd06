"""Schema of a training set: columns, class names, image format and scale.

A run stores it in `run.json`, so that `evaluate` and `predict` prepare their examples in the same
way without reading the training data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from archbuilder.files.json import JsonError, JsonObject
from archbuilder.plain_data import PlainData

# `image_decoding.py` refuses more than 2**26 pixels, and an image has at most three channels. A
# record of a run may come from another person: without a bound it could claim any size.
_MAX_VALUES: Final = 2**28
"""Largest number of values (height times width times channels) of one image."""


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """Column names of a training table, by role."""

    inputs: tuple[str, ...]
    """Columns that were concatenated into the one input; empty if the recipe maps inputs itself."""
    targets: Mapping[str, str]
    weights: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    """Columns that the split of the data follows."""


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """Size and depth of decoded images."""

    height: int
    width: int
    channels: int
    bits: int = 8
    """Bits per channel: 8 (values 0 to 255) or 16 (values 0 to 65535)."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one example: height, width, channels."""
        return self.height, self.width, self.channels

    def __str__(self) -> str:
        depth = "" if self.bits == 8 else f" with {self.bits} bits per channel"
        return f"{self.height}x{self.width}x{self.channels}{depth}"


@dataclass(frozen=True, slots=True)
class Scale:
    """Divisor of the integer values of an input."""

    divisor: float
    max_value: int = 255
    """Largest value before the division: 255, 65535 (images of 16 bits) or 1 (masks, one-hot)."""


@dataclass(frozen=True, slots=True)
class FittedFeature:
    """What a feature of a table learned from the training set: a number for each value."""

    columns: tuple[str, ...]
    fill: tuple[float, ...] = ()
    """Replacements of missing numbers; empty if none are replaced."""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    """Both are empty if numbers are not normalized. A constant column has the deviation 1."""
    vocabulary: tuple[str, ...] = ()
    """Categories in the order of their indices, from index 1; or tokens after the special ones."""
    merges: tuple[tuple[str, str], ...] = ()
    """Pairs of tokens that byte pair encoding joins, in this order."""
    idf: tuple[float, ...] = ()
    """Inverse document frequencies of other tokens and of those of the vocabulary, for `tf_idf`."""
    num_list_values: int = 0
    """Number of numbers of each value of a list; 0 if the values are no lists themselves."""

    @property
    def is_valid(self) -> bool:
        """Whether all numbers are finite, and no category is there twice."""
        return (
            all(map(math.isfinite, (*self.fill, *self.mean, *self.std, *self.idf)))
            and len(self.mean) == len(self.std)
            and all(each > 0 for each in self.std)
            and len({*self.vocabulary}) == len(self.vocabulary)
        )


@dataclass(frozen=True, slots=True)
class DatasetSchema:
    """Preprocessing of a training set, which outlives its examples."""

    column_names: ColumnNames | None = None
    """Column names of the table; None if the source is not a table with a header."""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Class names by target; the position of a name is the class index."""
    images: Mapping[str, ImageSpec] = field(default_factory=dict)
    """Size and depth by input, to which images are converted when they are decoded."""
    scales: Mapping[str, Scale] = field(default_factory=dict)
    """Scales by input, of images and other bytes."""
    features: Mapping[str, FittedFeature] = field(default_factory=dict)
    """Features by input."""

    def classes_for(self, target: str) -> tuple[str, ...]:
        """Return the class names of a target; empty if its values are numbers.

        The classes of a source with one target, which has the name "", are those of any target.
        """
        only = next(iter(self.classes)) if len(self.classes) == 1 else None
        key = only if only is not None and "" in (target, only) else target
        return self.classes.get(key, ())

    def scale_for(self, name: str) -> Scale | None:
        """Return the scale of an input, or None if it has none.

        The only scale of a schema applies to any name: the input that recorded it may be called
        otherwise than the array or column that is read now.
        """
        only = next(iter(self.scales.values())) if len(self.scales) == 1 else None
        return self.scales.get(name, only)


def schema_to_dict(schema: DatasetSchema) -> PlainData:
    """Convert a schema into plain data, which `schema_from_dict` reads.

    An image specification is the list `[height, width, channels, bits]`, a scale the list
    `[divisor, max_value]`.
    """
    column_names = schema.column_names
    columns: PlainData = None
    if column_names is not None:
        columns = {
            "inputs": [*column_names.inputs],
            "targets": {**column_names.targets},
            "weights": [*column_names.weights],
            "keys": [*column_names.keys],
        }
    return {
        "columns": columns,
        "classes": {target: [*names] for target, names in schema.classes.items() if names},
        "images": {
            name: [spec.height, spec.width, spec.channels, spec.bits]
            for name, spec in schema.images.items()
        },
        "scales": {name: [each.divisor, each.max_value] for name, each in schema.scales.items()},
        "features": {
            name: {
                "columns": [*each.columns],
                "fill": [*each.fill],
                "mean": [*each.mean],
                "std": [*each.std],
                "vocabulary": [*each.vocabulary],
                "merges": [" ".join(pair) for pair in each.merges],
                "idf": [*each.idf],
                "num_list_values": each.num_list_values,
            }
            for name, each in schema.features.items()
        },
    }


def schema_from_dict(value: PlainData) -> DatasetSchema:
    """Read a schema from plain data; None gives an empty schema.

    Raises:
        JsonError: if a field is missing, or has a wrong type or value.
    """
    if value is None:
        return DatasetSchema()
    fields = JsonObject.from_value(value, "schema")
    column_names = None
    if fields.get("columns") is not None:
        # Runs from before data was split by columns have none.
        columns = fields.object("columns").with_defaults({"keys": []})
        targets = columns.object("targets")
        column_names = ColumnNames(
            columns.texts("inputs"),
            {target: targets.text(target) for target in targets.values},
            columns.texts("weights"),
            columns.texts("keys"),
        )
    classes = fields.object("classes")
    class_names = {target: classes.texts(target) for target in classes.values}
    images = fields.object("images")
    image_specs = {}
    for name in images.values:
        # type() and not isinstance(): True and False are instances of int.
        values = [each for each in images.items(name) if type(each) is int and each > 0]
        is_valid = len(images.items(name)) == len(values) == 4 and values[3] in (8, 16)
        if not is_valid or math.prod(values[:3]) > _MAX_VALUES:
            raise JsonError(
                f"the field '{images.name}.{name}' is not [height, width, channels, bits]"
            )
        image_specs[name] = ImageSpec(*values)
    scales = fields.object("scales")
    input_scales = {}
    for name in scales.values:
        match scales.items(name):
            # The bounds refuse NaN too, which Python's JSON parser accepts.
            case (int() | float() as divisor, int() as largest) if 0 < divisor < math.inf:
                input_scales[name] = Scale(divisor, largest)
            case _:
                raise JsonError(f"the field '{scales.name}.{name}' is not [divisor, max_value]")
    recorded = fields.with_defaults({"features": {}}).object("features")
    features = {name: _parse_feature(recorded.object(name), name) for name in recorded.values}
    return DatasetSchema(column_names, class_names, image_specs, input_scales, features)


def _parse_feature(fields: JsonObject, name: str) -> FittedFeature:
    fill, mean, std, idf = (
        tuple(
            float(each) if isinstance(each, int | float) and type(each) is not bool else math.nan
            for each in fields.items(key)
        )
        for key in ("fill", "mean", "std", "idf")
    )
    merges: list[tuple[str, str]] = []
    for pair in fields.texts("merges"):
        # Byte pair encoding has a letter of its own for the space.
        first, _, second = pair.partition(" ")
        merges.append((first, second))
    columns, vocabulary = fields.texts("columns"), fields.texts("vocabulary")
    num_values = fields.with_defaults({"num_list_values": 0}).count("num_list_values")
    feature = FittedFeature(columns, fill, mean, std, vocabulary, tuple(merges), idf, num_values)
    if not feature.is_valid:
        raise JsonError(f"the field 'features.{name}' has statistics that are not valid")
    return feature
