"""Records of `tf.train.Example` in TFRecord files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from PIL import Image

from archbuilder.errors import RunError, listed, shown
from archbuilder.recipe.legend import ImageForm
from archbuilder.recipe.sources import Tfrecord
from archbuilder.tables import plural
from archbuilder.training.columns import Column, Numbers, Read, Rows
from archbuilder.training.examples import Examples, Feature, Known, Naming
from archbuilder.training.faults import Faults
from archbuilder.training.opening import Opener
from archbuilder.training.sources.arrays import array_feature, trained_scale
from archbuilder.training.sources.framing import Record, Shard, records_of
from archbuilder.training.sources.gathering import Store
from archbuilder.training.sources.pictures import Look, decoded, is_picture
from archbuilder.training.sources.rows import Fields, Row, gather_rows

_Values: TypeAlias = dict[str, Numbers | str]
_ABSENT: Final = np.zeros(0)


def load_tfrecord(source: Tfrecord, opener: Opener, store: Store, like: Known | None) -> Examples:
    """The features that the source names, of all files that it stands for.

    Numbers are read once, encoded pictures again as they are needed. A target may be a word.

    Raises:
        RunError: if a record is damaged, lacks a feature, or has one of another shape.
    """
    shards = [Shard(each) for each in opener.each(source.file)]
    return load_records(source, shards, opener, store, like)


def load_records(
    source: Tfrecord, shards: Sequence[Shard], opener: Opener, store: Store, like: Known | None
) -> Examples:
    """The same of the records of some files.

    Raises:
        RunError: as `load_tfrecord` does.
    """
    forms = like.legend.images if like else {}
    fields = Fields.of(source, "feature")
    reader = _Reader(source, fields, opener, store, Faults(source.on_error, "records"), forms)
    found = gather_rows(
        reader.rows(shards), fields, lambda row: reader.places[row].name, like, store
    )
    count = len(reader.places)
    name = shown(source.file.path, 200)
    left_out = reader.faults.remarks(count, name)
    inputs = {
        key: reader.pictures(key, count)
        if key in reader.looks
        else array_feature(
            found.inputs[key].column,
            source.scale,
            found.inputs[key].origin,
            trained_scale(like, key),
        )
        for key in fields.inputs
    }
    images = plural(count, "image")
    said = tuple(f"{name}: {images} of {look}" for look in reader.looks.values())
    remarks = (*said, *found.remarks, *left_out)
    legend = found.known.legend
    forms = {key: look.form for key, look in reader.looks.items()}
    return Examples(
        name,
        inputs,
        found.targets,
        remarks,
        weights=found.weights,
        known=replace(found.known, legend=replace(legend, images=forms)),
        naming=Naming(),
    )


@dataclass(slots=True, eq=False)
class _Reader:
    """Reads records one behind the other, and knows which of their inputs are pictures."""

    source: Tfrecord
    fields: Fields
    opener: Opener
    store: Store
    faults: Faults
    forms: Mapping[str, ImageForm]
    """Of the pictures of inputs that were trained on, by name."""
    looks: dict[str, Look] = field(default_factory=dict)
    """What the pictures of an input are brought to, by its name."""
    shapes: dict[str, tuple[int, ...] | None] = field(default_factory=dict)
    """Of every feature in the first record; None for words."""
    places: list[Record] = field(default_factory=list)
    """Where the records are, whose content is forgotten."""

    def rows(self, shards: Sequence[Shard]) -> Iterator[Row]:
        """The numbers and words of all records."""
        for shard in shards:
            for record in records_of(shard, self.opener, self.store, self.faults):
                try:
                    values = self._values(record)
                except RunError as fault:
                    self.faults.meet(fault)
                    continue
                self.places.append(replace(record, content=b""))
                yield Row(record.name, values)

    def pictures(self, key: str, count: int) -> Feature:
        """An input of encoded pictures, which are decoded as they are needed."""
        look, feature = self.looks[key], self.fields.inputs[key]

        def one(record: Record) -> Numbers:
            content = record.read_again(self.opener)
            return look.numbers(_bytes(_example(content, record.name), feature), record.name)

        def read(rows: Rows) -> Numbers:
            return np.stack([one(self.places[row]) for row in rows])

        column: Column = Read("", count, look.shape, look.dtype, read)
        return look.feature(column, self.source.scale)

    def _values(self, record: Record) -> _Values:
        example = _example(record.content, record.name)
        found: _Values = {}
        looks: dict[str, Look] = {}
        for key, feature in self.fields.inputs.items():
            content = _bytes(example, feature)
            if key in self.looks or (not self.places and is_picture(content)):
                # What cannot be decoded is to be known before it is trained on.
                place = f"{self.fields.title(feature)} of {record.name}"
                picture = decoded(content, place)
                looks[key] = self._look(key, picture)
                self.looks.get(key, looks[key]).check(picture, place)
            else:
                shape = self.source.shape
                wanted = shape.get(key) if isinstance(shape, Mapping) else shape
                found[feature] = self._numbers(example, feature, record.name, wanted)
        for feature in self.fields.weights.values():
            found[feature] = self._numbers(example, feature, record.name, None)
        for feature in self.fields.targets.values():
            content = _bytes(example, feature)
            if content:
                found[feature] = _word(content, f"{self.fields.title(feature)} of {record.name}")
            else:
                found[feature] = self._numbers(example, feature, record.name, None)
        self._agree(found, record.name)
        if not self.places:
            self.looks.update(looks)
        return found

    def _look(self, key: str, first: Image.Image) -> Look:
        source = self.source
        return Look.of(first, source.size, source.channels, source.bits, self.forms.get(key))

    def _numbers(
        self, example: tf.train.Example, feature: str, place: str, wanted: tuple[int, ...] | None
    ) -> Numbers:
        values = _array(example, feature)
        if not len(values):
            has = listed(sorted(example.features.feature))
            raise RunError(f"{place} has no feature {shown(feature)}; it has {has}")
        if not np.isfinite(values).all():
            raise RunError(f"{self.fields.title(feature)} of {place} is no finite number")
        if wanted is None:
            return values[0] if len(values) == 1 else values
        if int(np.prod(wanted)) != len(values):
            raise RunError(
                f"{self.fields.title(feature)} of {place} has {len(values):,} numbers, and 'shape'"
                f" says {list(wanted)}"
            )
        return values.reshape(wanted)

    def _agree(self, found: _Values, place: str) -> None:
        for feature, value in found.items():
            shape = None if isinstance(value, str) else np.shape(value)
            first = self.shapes.setdefault(feature, shape)
            if shape != first:
                told = [
                    "words" if each is None else f"shape {list(each)}" for each in (shape, first)
                ]
                raise RunError(
                    f"{self.fields.title(feature)} of {place} has {told[0]}, and the first one has"
                    f" {told[1]}"
                )


def _example(content: bytes, place: str) -> tf.train.Example:
    try:
        return tf.train.Example.FromString(content)
    except DecodeError:
        raise RunError(f"{place} is no tf.train.Example") from None


def _bytes(example: tf.train.Example, feature: str) -> bytes:
    """The bytes of a feature; none where it has numbers, or is not there."""
    if feature not in example.features.feature:
        return b""
    values = example.features.feature[feature].bytes_list.value
    return bytes(values[0]) if len(values) == 1 else b""


def _array(example: tf.train.Example, feature: str) -> Numbers:
    if feature not in example.features.feature:
        return _ABSENT
    found = example.features.feature[feature]
    if found.HasField("float_list"):
        return np.array(found.float_list.value, np.float32)
    if found.HasField("int64_list"):
        return np.array(found.int64_list.value, np.int64)
    return np.frombuffer(_bytes(example, feature), np.uint8)


def _word(content: bytes, at: str) -> str:
    if is_picture(content):
        raise RunError(
            f"{at} is an encoded image, and a target is numbers or a word: store masks as arrays"
            " for the source npz or npy"
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise RunError(f"{at} is no text in UTF-8") from None
