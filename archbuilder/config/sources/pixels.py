"""Settings of image files: how their pixels become the values of an input or a target."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Literal, TypeAlias

from archbuilder.config.settings import setting
from archbuilder.config.sources.name_patterns import find_path_conflict, path_pattern
from archbuilder.config.value_types import (
    SectionContext,
    ValueType,
    choice,
    integer,
    list_between,
    number,
    pair_of,
)
from archbuilder.diagnostics.errors import quote, quote_list
from archbuilder.yaml.nodes import Tree

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
Color: TypeAlias = tuple[int, ...]
"""Red, green and blue, each from 0 to 255."""
_COLOR: Final = list_between(integer(0, 255), 3, 3)
_COLORS: Final = list_between(_COLOR, 1, _MAX_CLASS_VALUES)


def _colors() -> ValueType[tuple[Color, ...]]:
    """Return the type of lists of colors."""

    def parse(tree: Tree, title: str, context: SectionContext) -> tuple[Color, ...]:
        # None after an error, which has been reported.
        return tuple(map(tuple, _COLORS.parse(tree, title, context) or ()))

    return ValueType(_COLORS.schema, parse, "list of colors `[red, green, blue]`")


def _describe(value: int | Color) -> str:
    return str(value) if isinstance(value, int) else str([*value])


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

    class_colors: tuple[Color, ...] | None = setting(
        _colors(),
        "The colors `[red, green, blue]` of the classes 0, 1, ... in masks of colors.",
        default=None,
    )

    @property
    def class_key(self) -> str:
        """The key that lists the classes; empty if they are the pixel values."""
        keys = ("class_values", "class_colors")
        return next((each for each in keys if getattr(self, each) is not None), "")

    @property
    def num_listed_classes(self) -> int:
        """How many classes `class_key` lists."""
        return len(self.class_values or self.class_colors or ())

    def find_conflict(self) -> str:
        """Return what contradicts itself, as a sentence about keys; empty if nothing does."""
        keys = [each.name for each in fields(self) if getattr(self, each.name) is not None]
        value_keys = [each for each in keys if each in ("channels", "divide_by")]
        values: tuple[int | Color, ...] = self.class_values or self.class_colors or ()
        repeated = [each for each, count in Counter(values).items() if count > 1]
        class_keys = [each for each in keys if each in ("class_values", "class_colors")]
        key = self.class_key
        conflicts = {
            f"has {quote_list(value_keys)}, which 'pixels: classes' do not have": (
                self.pixels == "classes" and value_keys
            ),
            f"has {quote(key)}, which needs 'pixels: classes'": (
                class_keys and self.pixels != "classes"
            ),
            f"has {quote_list(class_keys)}: write only one of them": len(class_keys) > 1,
            "has 'class_colors', which have 8 bits, and 'bits'": (
                self.class_colors is not None and self.bits is not None
            ),
            f"has {', '.join(_describe(each) for each in repeated)} twice in {quote(key)}": (
                repeated
            ),
        }
        return next((message for message, applies in conflicts.items() if applies), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableImage(ImageConfig):
    """How the image files that a column of a table names are found and decoded."""

    noun: ClassVar[str] = "image"

    path: str = path_pattern()

    def find_conflict(self) -> str:
        """Return what contradicts itself, as a sentence about keys; empty if nothing does."""
        # Without arguments, super() is that of the class before `slots=True` replaced it.
        return find_path_conflict(self.path) or ImageConfig.find_conflict(self)
