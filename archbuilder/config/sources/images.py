"""Sources of encoded images: directories, and records that may also have numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from archbuilder.config.settings import mapping_type, setting
from archbuilder.config.sources.base import (
    DIVIDE_BY,
    NAMES,
    SAMPLE_WEIGHT,
    ArrayNames,
    DataPath,
    SkippableSource,
    path,
)
from archbuilder.config.sources.name_patterns import label_pattern
from archbuilder.config.sources.pixels import (
    DIVISOR,
    IMAGE_BITS,
    IMAGE_BITS_TEXT,
    IMAGE_CHANNELS,
    IMAGE_CHANNELS_TEXT,
    IMAGE_SIZE,
    IMAGE_SIZE_TEXT,
    SIZE,
    ImageConfig,
)
from archbuilder.config.value_types import (
    SectionContext,
    ValueType,
    list_between,
    or_by_name,
    plain_type,
    text,
)
from archbuilder.diagnostics.errors import quote, quote_list
from archbuilder.yaml.nodes import MappingNode, Tree

if TYPE_CHECKING:
    from archbuilder.data.source_dataset import SourceDataset
    from archbuilder.data.sources.load_context import LoadContext


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource(SkippableSource):
    """Base of the sources of encoded images, which are converted to one size, depth and mode."""

    may_hold_images = True

    size: tuple[int, int] | None = setting(IMAGE_SIZE, IMAGE_SIZE_TEXT, default=None)
    channels: int | None = setting(IMAGE_CHANNELS, IMAGE_CHANNELS_TEXT, default=None)
    bits: int | None = setting(IMAGE_BITS, IMAGE_BITS_TEXT, default=None)
    divide_by: float | None = setting(DIVISOR, DIVIDE_BY, default=None)

    def file_config(self, input_name: str = "") -> ImageConfig:  # noqa: ARG002 - one for all
        """Return how images are decoded."""
        return ImageConfig(
            size=self.size, channels=self.channels, bits=self.bits, divide_by=self.divide_by
        )


IMAGE_SUFFIXES: Final = (
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".gif",
    ".webp",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
)
"""Suffixes of image files, in lower case."""


def _find_pixel_conflict(config: ImageConfig) -> str:
    """Return that images of a target do not say what pixels are; empty if they do."""
    if config.pixels is not None:
        return ""
    return (
        "needs 'pixels': write 'pixels: classes' for masks of class indices, or 'pixels: values'"
        " for images of brightness or depth"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetImages(ImageConfig):
    """The images of a target: one for each image of the source, with the same name."""

    directory: DataPath = setting(path(), "The directory of the images.")
    name: str = setting(
        text(),
        "The name of a file without its suffix: `{}` stands for that of the input, as in"
        " `{}_mask`.",
        default="{}",
    )

    def find_conflict(self) -> str:
        """Return what contradicts itself, as a sentence about keys; empty if nothing does."""
        conflict = _find_pixel_conflict(self)
        if conflict:
            return conflict
        if self.name.count("{}") != 1 or "/" in self.name:
            return f"has the 'name' {quote(self.name)}, which must have one '{{}}' and no '/'"
        return ImageConfig.find_conflict(self)


def _target_images() -> ValueType[TargetImages | Mapping[str, TargetImages]]:
    """Return the type of the images of one target, or of several by output."""
    single = mapping_type(
        TargetImages, "[target images](#target-images)", TargetImages.find_conflict
    )
    by_output = or_by_name(single)

    def parse(
        tree: Tree, title: str, context: SectionContext
    ) -> TargetImages | Mapping[str, TargetImages]:
        is_by_output = isinstance(tree, MappingNode) and all(
            isinstance(entry.value, MappingNode) for entry in tree
        )
        return (by_output if is_by_output else single).parse(tree, title, context)

    return ValueType(by_output.schema, parse, by_output.text)


@dataclass(frozen=True, slots=True)
class Images(ImageSource):
    """Images of a directory: one subdirectory per class, with other targets, or without any."""

    key = "images"

    directory: DataPath = setting(path(), "The directory.")
    targets: TargetImages | Mapping[str, TargetImages] | None = setting(
        _target_images(),
        "Directory of the images that are targets, such as masks, or one for each output.",
        default=None,
    )
    label: str | Mapping[str, str] | None = setting(
        or_by_name(label_pattern()),
        "Where the label is in the name of a file without its suffix, or in which for each output:"
        " `*` stands for any text, and `{label}` for the longest that is possible.",
        default=None,
    )

    def find_conflict(self) -> str:
        """Return which settings contradict each other, as a sentence; empty if none do."""
        if self.targets is None or self.label is None:
            return ""
        if not isinstance(self.targets, Mapping) or not isinstance(self.label, Mapping):
            return (
                "'targets' and 'label' need the names of their outputs, as in"
                " 'targets: {mask: {directory: masks, ...}}' and 'label: {animal: \"{label}_*\"}'"
            )
        repeated = [name for name in self.targets if name in self.label]
        return f"{quote_list(repeated)} is in 'targets' and in 'label'" if repeated else ""

    def load(self, context: LoadContext) -> SourceDataset:
        """List the images."""
        from archbuilder.data.sources.image_directory import load_images

        return load_images(self, context)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordImage(ImageConfig):
    """The encoded images of a target: a feature of each record."""

    feature: str = setting(text(), "The feature of the images.")

    def find_conflict(self) -> str:
        """Return what contradicts itself, as a sentence about keys; empty if nothing does."""
        return _find_pixel_conflict(self) or ImageConfig.find_conflict(self)


RecordTargets: TypeAlias = str | Mapping[str, str | RecordImage]
"""The feature of a single target, or features or encoded images by output."""


def _record_targets() -> ValueType[RecordTargets]:
    """Return the type of the targets of records."""
    image = mapping_type(RecordImage, "[image](#image-in-records)", RecordImage.find_conflict)
    name: ValueType[str] = plain_type({"type": "string"}, "name")

    def parse(tree: Tree, title: str, context: SectionContext) -> RecordTargets:
        if not isinstance(tree, MappingNode):
            return name.parse(tree, title, context)
        return {
            entry.key: (image if isinstance(entry.value, MappingNode) else name).parse(
                entry.value, f"{title} of '{entry.key}'", context
            )
            for entry in tree
        }

    by_output = {
        "type": "object",
        "additionalProperties": {"anyOf": [name.schema, image.schema]},
    }
    return ValueType(
        {"anyOf": [name.schema, by_output]},
        parse,
        f"{NAMES.text}, or of [images](#image-in-records)",
    )


_RECORD_TARGETS: Final = _record_targets()


@dataclass(frozen=True, slots=True)
class Tfrecord(ImageSource):
    """Records of `tf.train.Example` in TFRecord files, compressed or not.

    Bytes are encoded images if they begin like one; other bytes are integers from 0 to 255.
    """

    key = "tfrecord"
    suffixes = (".tfrecord",)

    file: DataPath = setting(path(), "The file of records.")
    inputs: ArrayNames = setting(NAMES, "Feature of the input, or features by input.", default="x")
    targets: RecordTargets = setting(
        _RECORD_TARGETS,
        "Feature of the target, or features by output; `{feature: mask, pixels: classes}` for"
        " encoded images.",
        default="y",
    )
    shape: tuple[int, ...] | Mapping[str, tuple[int, ...]] | None = setting(
        or_by_name(list_between(SIZE, 0, 8)),
        "Shape that lists of numbers of inputs are reshaped to, or shapes by input and output.",
        default=None,
    )
    sample_weight: ArrayNames | None = setting(NAMES, SAMPLE_WEIGHT, default=None)

    def load(self, context: LoadContext) -> SourceDataset:
        """Load the features."""
        from archbuilder.data.sources.tfrecord import load_tfrecord

        return load_tfrecord(self, context)


TFDS_NAME: Final = r"[a-z][a-z0-9_]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)?(:[0-9.]+)?"
"""Pattern of a `tensorflow-datasets` name: a dataset, an optional config, an optional version."""


def tfds_name() -> ValueType[DataPath]:
    """Return the type of names of `tensorflow-datasets`."""

    # A DataPath although it is a name: the data is outside the blueprint's directory, so a
    # blueprint needs the user's permission for it just as for a file.
    def parse(tree: Tree, title: str, context: SectionContext) -> DataPath:
        name = context.fields.expect_text(tree, title) or ""
        if name and not re.fullmatch(TFDS_NAME, name):
            context.fields.report_unexpected(
                tree, title, "the name of a dataset, as in mnist or glue/sst2:2.0.0"
            )
        return DataPath(name, tree.span)

    schema = {"type": "string", "pattern": f"^{TFDS_NAME}$"}
    return ValueType(schema, parse, "name of a dataset, as in `glue/sst2:2.0.0`")


@dataclass(frozen=True, slots=True)
class Tfds(ImageSource):
    """A dataset that `tensorflow-datasets` has prepared on this machine."""

    key = "tfds"
    location_settings = ("split",)

    name: DataPath = setting(tfds_name(), "The dataset.")
    split: str = setting(text(), "Split of the dataset.", default="train")
    inputs: ArrayNames | None = setting(
        NAMES,
        "Feature of the input, or features by input; by default the supervised key.",
        default=None,
    )
    targets: RecordTargets | None = setting(
        _RECORD_TARGETS,
        "Feature of the target, or features by output; `{feature: mask, pixels: classes}` for"
        " encoded images. By default the supervised key.",
        default=None,
    )

    def load(self, context: LoadContext) -> SourceDataset:
        """Load the split."""
        from archbuilder.data.sources.tfds import load_tfds

        return load_tfds(self, context)


IMAGE_SOURCES: Final = (Images, Tfrecord, Tfds)
