"""Records of `tf.train.Example` in TFRecord files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from PIL import Image

from archbuilder.config.data_schema import ImageSpec
from archbuilder.config.sources import Tfrecord
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.columns import Array, Column, LazyColumn, RowIndices
from archbuilder.data.dataset import Dataset, Feature, FittedPreprocessing, SourceKeys
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources.batch_reader import FieldRoles, Row, collect_rows
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.data.sources.image_decoding import ImageDecoder, decode_image, is_encoded_image
from archbuilder.data.sources.npy_header import array_feature, lookup_scale
from archbuilder.data.sources.tfrecord_io import Record, Shard, iter_records
from archbuilder.diagnostics.errors import RunError, quote, quote_list
from archbuilder.formatting import plural

_FieldValues: TypeAlias = dict[str, Array | str]
_EMPTY: Final = np.zeros(0)


def load_tfrecord(
    source: Tfrecord, opener: DataFileOpener, store: ColumnStore, fitted: FittedPreprocessing | None
) -> Dataset:
    """The features that the source names, of all files that it stands for.

    Numbers are read once, encoded pictures again as they are needed. A target may be a word.

    Raises:
        RunError: if a record is damaged, lacks a feature, or has one of another shape.
    """
    shards = [Shard(each) for each in opener.match_files(source.file)]
    return load_records(source, shards, opener, store, fitted)


def load_records(
    source: Tfrecord,
    shards: Sequence[Shard],
    opener: DataFileOpener,
    store: ColumnStore,
    fitted: FittedPreprocessing | None,
) -> Dataset:
    """The same of the records of some files.

    Raises:
        RunError: as `load_tfrecord` does.
    """
    image_specs = fitted.schema.images if fitted else {}
    fields = FieldRoles.from_source(source, "feature")
    reader = _RecordReader(
        source, fields, opener, store, BadRecords(source.on_error, "records"), image_specs
    )
    columns = collect_rows(
        reader.rows(shards), fields, lambda row: reader.record_index[row].name, fitted, store
    )
    count = len(reader.record_index)
    name = quote(source.file.path, 200)
    skipped_notes = reader.bad_records.summary(count, name)
    inputs = {
        key: reader.image_feature(key, count)
        if key in reader.image_decoders
        else array_feature(
            columns.inputs[key].column,
            source.scale,
            columns.inputs[key].origin,
            lookup_scale(fitted, key),
        )
        for key in fields.inputs
    }
    images = plural(count, "image")
    image_notes = tuple(
        f"{name}: {images} of {decoder}" for decoder in reader.image_decoders.values()
    )
    notes = (*image_notes, *columns.notes, *skipped_notes)
    schema = columns.preprocessing.schema
    image_specs = {key: image_decoder.spec for key, image_decoder in reader.image_decoders.items()}
    return Dataset(
        name,
        inputs,
        columns.targets,
        notes,
        sample_weights=columns.sample_weights,
        preprocessing=replace(columns.preprocessing, schema=replace(schema, images=image_specs)),
        source_keys=SourceKeys(),
    )


@dataclass(slots=True, eq=False)
class _RecordReader:
    """Reads records one behind the other, and knows which of their inputs are pictures."""

    source: Tfrecord
    fields: FieldRoles
    opener: DataFileOpener
    store: ColumnStore
    bad_records: BadRecords
    image_specs: Mapping[str, ImageSpec]
    """Of the pictures of inputs that were trained on, by name."""
    image_decoders: dict[str, ImageDecoder] = field(default_factory=dict)
    """What the pictures of an input are brought to, by its name."""
    shapes: dict[str, tuple[int, ...] | None] = field(default_factory=dict)
    """Of every feature in the first record; None for words."""
    record_index: list[Record] = field(default_factory=list)
    """Where the records are, whose content is forgotten."""

    def rows(self, shards: Sequence[Shard]) -> Iterator[Row]:
        """The numbers and words of all records."""
        for shard in shards:
            for record in iter_records(shard, self.opener, self.store, self.bad_records):
                try:
                    values = self._parse_record(record)
                except RunError as error:
                    self.bad_records.add(error)
                    continue
                self.record_index.append(replace(record, content=b""))
                yield Row(record.name, values)

    def image_feature(self, key: str, count: int) -> Feature:
        """An input of encoded pictures, which are decoded as they are needed."""
        decoder, feature = self.image_decoders[key], self.fields.inputs[key]

        def decode(record: Record) -> Array:
            content = record.reload(self.opener)
            return decoder.decode(
                _bytes_value(_parse_example(content, record.name), feature), record.name
            )

        def read(rows: RowIndices) -> Array:
            return np.stack([decode(self.record_index[row]) for row in rows])

        column: Column = LazyColumn("", count, decoder.shape, decoder.dtype, read)
        return decoder.to_feature(column, self.source.scale)

    def _parse_record(self, record: Record) -> _FieldValues:
        example = _parse_example(record.content, record.name)
        values: _FieldValues = {}
        image_decoders: dict[str, ImageDecoder] = {}
        for key, feature in self.fields.inputs.items():
            content = _bytes_value(example, feature)
            if key in self.image_decoders or (not self.record_index and is_encoded_image(content)):
                # What cannot be decoded is to be known before it is trained on.
                description = f"{self.fields.title(feature)} of {record.name}"
                image = decode_image(content, description)
                image_decoders[key] = self._make_decoder(key, image)
                self.image_decoders.get(key, image_decoders[key]).check_bit_depth(
                    image, description
                )
            else:
                shapes = self.source.shape
                shape = shapes.get(key) if isinstance(shapes, Mapping) else shapes
                values[feature] = self._numeric_field(example, feature, record.name, shape)
        for feature in self.fields.sample_weights.values():
            values[feature] = self._numeric_field(example, feature, record.name, None)
        for feature in self.fields.targets.values():
            content = _bytes_value(example, feature)
            if content:
                values[feature] = _decode_text(
                    content, f"{self.fields.title(feature)} of {record.name}"
                )
            else:
                values[feature] = self._numeric_field(example, feature, record.name, None)
        self._check_shapes(values, record.name)
        if not self.record_index:
            self.image_decoders.update(image_decoders)
        return values

    def _make_decoder(self, key: str, first: Image.Image) -> ImageDecoder:
        source = self.source
        return ImageDecoder.from_first(
            first, source.size, source.channels, source.bits, self.image_specs.get(key)
        )

    def _numeric_field(
        self,
        example: tf.train.Example,
        feature: str,
        record_name: str,
        shape: tuple[int, ...] | None,
    ) -> Array:
        values = _to_array(example, feature)
        if not len(values):
            available = quote_list(sorted(example.features.feature))
            raise RunError(f"{record_name} has no feature {quote(feature)}; it has {available}")
        if not np.isfinite(values).all():
            raise RunError(f"{self.fields.title(feature)} of {record_name} is no finite number")
        if shape is None:
            return values[0] if len(values) == 1 else values
        if int(np.prod(shape)) != len(values):
            raise RunError(
                f"{self.fields.title(feature)} of {record_name} has {len(values):,} numbers, and"
                " 'shape'"
                f" says {list(shape)}"
            )
        return values.reshape(shape)

    def _check_shapes(self, values: _FieldValues, record_name: str) -> None:
        for feature, value in values.items():
            shape = None if isinstance(value, str) else np.shape(value)
            first = self.shapes.setdefault(feature, shape)
            if shape != first:
                descriptions = [
                    "words" if each is None else f"shape {list(each)}" for each in (shape, first)
                ]
                raise RunError(
                    f"{self.fields.title(feature)} of {record_name} has {descriptions[0]}, and"
                    " the first one has"
                    f" {descriptions[1]}"
                )


def _parse_example(content: bytes, record_name: str) -> tf.train.Example:
    try:
        return tf.train.Example.FromString(content)
    except DecodeError:
        raise RunError(f"{record_name} is no tf.train.Example") from None


def _bytes_value(example: tf.train.Example, feature: str) -> bytes:
    """The bytes of a feature; none where it has numbers, or is not there."""
    if feature not in example.features.feature:
        return b""
    values = example.features.feature[feature].bytes_list.value
    return bytes(values[0]) if len(values) == 1 else b""


def _to_array(example: tf.train.Example, feature: str) -> Array:
    if feature not in example.features.feature:
        return _EMPTY
    values = example.features.feature[feature]
    if values.HasField("float_list"):
        return np.array(values.float_list.value, np.float32)
    if values.HasField("int64_list"):
        return np.array(values.int64_list.value, np.int64)
    return np.frombuffer(_bytes_value(example, feature), np.uint8)


def _decode_text(content: bytes, description: str) -> str:
    if is_encoded_image(content):
        raise RunError(
            f"{description} is an encoded image, and a target is numbers or a word: store masks"
            " as arrays"
            " for the source npz or npy"
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise RunError(f"{description} is no text in UTF-8") from None
