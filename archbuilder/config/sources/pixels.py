"""Settings of image files: how their pixels become the values of an input or a target."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, TypeAlias

from archbuilder.config.settings import mapping_type, setting
from archbuilder.config.value_types import (
    SectionContext,
    ValueType,
    choice,
    integer,
    list_between,
    number,
    pair_of,
    plain_type,
)
from archbuilder.diagnostics.errors import quote, quote_list
from archbuilder.yaml.nodes import MappingNode, ScalarNode, Tree

Pixels: TypeAlias = Literal["values", "classes"]
SIZE: Final = integer(1, 16_384)
DIVISOR: Final = number(above=0)
IMAGE_SIZE: Final = pair_of(SIZE)
# Not 2 or 4: transparency is composited over white when an image is decoded.
IMAGE_CHANNELS: Final = choice(1, 3)
IMAGE_BITS: Final = choice(8, 16)
IMAGE_SIZE_TEXT: Final = (
    "Height and width that images are decoded to; by default those of the network's input, or those"
    " of the first image if the input takes any size."
)
IMAGE_CHANNELS_TEXT: Final = "Number of channels; by default that of the first image."
IMAGE_BITS_TEXT: Final = "Bits per channel; by default those of the first image."
_PIXELS: Final[ValueType[Any]] = choice("values", "classes")
_MAX_CLASS_VALUES: Final = 65_536
_FILE_NAME: Final = "{}"
"""The part of a path that stands for what the table has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """How image files are decoded; None means as the first image."""

    pixels: Pixels | None = setting(
        _PIXELS,
        "What pixels are: `values`, such as brightness or depth, or `classes`, the class index of"
        " each pixel of a mask.",
        default=None,
    )
    size: tuple[int, int] | None = setting(
        IMAGE_SIZE,
        "Height and width that images are decoded to; by default those of the network's input, or"
        " of the output for a target, or those of the first image if that has any size.",
        default=None,
    )
    channels: int | None = setting(IMAGE_CHANNELS, IMAGE_CHANNELS_TEXT, default=None)
    bits: int | None = setting(IMAGE_BITS, IMAGE_BITS_TEXT, default=None)
    divide_by: float | None = setting(
        DIVISOR, "Number that pixels are divided by; by default that of white.", default=None
    )
    class_values: tuple[int, ...] | None = setting(
        list_between(integer(0, 65_535), 1, _MAX_CLASS_VALUES),
        "The pixel values of the classes 0, 1, ... if they are others: `[0, 255]` for a mask of"
        " black and white.",
        default=None,
    )

    def find_conflict(self) -> str:
        """Return what contradicts itself, as a sentence about keys; empty if nothing does."""
        keys = [each.name for each in fields(self) if getattr(self, each.name) is not None]
        value_keys = [each for each in keys if each in ("channels", "divide_by")]
        repeated = [each for each, count in Counter(self.class_values or ()).items() if count > 1]
        conflicts = {
            f"has {quote_list(value_keys)}, which 'pixels: classes' do not have": (
                self.pixels == "classes" and value_keys
            ),
            "has 'class_values', which needs 'pixels: classes'": (
                self.class_values is not None and self.pixels != "classes"
            ),
            f"has {', '.join(map(str, repeated))} twice in 'class_values'": repeated,
        }
        return next((message for message, applies in conflicts.items() if applies), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableImage(ImageConfig):
    """How the image files that a column of a table names are found and decoded."""

    path: str = setting(
        plain_type({"type": "string", "minLength": 1, "maxLength": 1000}, "path"),
        "Where the files are, relative to the table: `{}` stands for what the column has, as in"
        " `images/{}.jpg`.",
        default=_FILE_NAME,
    )

    def find_conflict(self) -> str:
        """Return what contradicts itself, as a sentence about keys; empty if nothing does."""
        if self.path.count(_FILE_NAME) != 1 or not is_below(self.path):
            return (
                f"has the path {quote(self.path)}, which must be relative to the table, without"
                " '..', and have one '{}' for the name in the column"
            )
        # Without arguments, super() is that of the class before `slots=True` replaced it.
        return ImageConfig.find_conflict(self)

    def path_of(self, name: str) -> str:
        """Return the path of a file, relative to the table, by its name in the column."""
        return self.path.replace(_FILE_NAME, name)


def is_below(path: str) -> bool:
    """Return whether a path names something below a directory, whatever that is."""
    components = path.split("/")
    return "" not in components and ".." not in components and "\0" not in path


def table_image() -> ValueType[TableImage]:
    """Return the type of `true`, and of mappings with the settings of images."""
    mapping = mapping_type(
        TableImage, "`true`, or [image settings](#images-in-tables)", TableImage.find_conflict
    )

    def parse(tree: Tree, title: str, context: SectionContext) -> TableImage:
        if isinstance(tree, ScalarNode) and tree.value is True:
            return TableImage()
        if not isinstance(tree, MappingNode):
            context.fields.report_unexpected(tree, title, "`true` or a mapping")
            return TableImage()
        return mapping.parse(tree, title, context)

    return ValueType({"anyOf": [{"enum": [True]}, mapping.schema]}, parse, mapping.text)
