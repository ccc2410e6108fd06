"""TFRecord files of `tf.train.Example` records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from archbuilder.config.sources import Tfrecord
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.columns import Array, Column, LazyColumn, RowIndices
from archbuilder.data.source_dataset import Feature, FittedPreprocessing, SourceDataset
from archbuilder.data.sources.batch_reader import Row, stack_rows
from archbuilder.data.sources.column_roles import ColumnRoles
from archbuilder.data.sources.image_decoding import ImageDecoder, decode_image, is_encoded_image
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.npy_header import array_feature, lookup_scale
from archbuilder.data.sources.tabular import make_dataset
from archbuilder.data.sources.tfrecord_io import Record, Shard, iter_records
from archbuilder.diagnostics.errors import RunError, quote, quote_list
from archbuilder.formatting import plural


def load_tfrecord(source: Tfrecord, context: LoadContext) -> SourceDataset:
    """Load the features that a source names, from all files that it matches.

    Numbers are read once. Encoded images are decoded on demand. String targets become class
    indices.

    Raises:
        RunError: if a record is damaged, lacks a feature, or differs in shape from the first.
    """
    shards = [Shard(each) for each in context.opener.match_files(source.file)]
    return load_records(source, shards, context)


def load_records(source: Tfrecord, shards: Sequence[Shard], context: LoadContext) -> SourceDataset:
    """Load the features of the records in `shards`.

    Raises:
        RunError: as `load_tfrecord` does.
    """
    roles = ColumnRoles.from_fields(source, "the feature")
    bad_records = BadRecords(source.on_error, "records")
    reader = _RecordReader(source, roles, context, bad_records)
    batches = stack_rows(reader.rows(shards), roles)
    # This consumes the reader: its index and decoders are complete only then.
    dataset = make_dataset(source, batches, roles, reader, bad_records, context)
    inputs = {
        key: reader.image_feature(key)
        if key in reader.image_decoders
        else array_feature(
            feature.column, source.divide_by, feature.origin, lookup_scale(context.fitted, key)
        )
        for key, feature in dataset.inputs.items()
    }
    images = plural(reader.count, "image")
    image_notes = (
        f"{dataset.source_name}: {images} of {decoder}"
        for decoder in reader.image_decoders.values()
    )
    image_specs = {key: decoder.spec for key, decoder in reader.image_decoders.items()}
    schema = replace(dataset.preprocessing.schema, images=image_specs)
    return replace(
        dataset,
        inputs=inputs,
        notes=(*image_notes, *dataset.notes),
        preprocessing=FittedPreprocessing(schema),
    )


@dataclass(slots=True, eq=False)
class _RecordReader:
    """Sequential reader of records. The first record decides which inputs are encoded images."""

    source: Tfrecord
    roles: ColumnRoles
    context: LoadContext
    bad_records: BadRecords
    image_decoders: dict[str, ImageDecoder] = field(default_factory=dict)
    """Decoders of the inputs that are encoded images."""
    shapes: dict[tuple[str, str], tuple[int, ...] | None] = field(default_factory=dict)
    """Shapes of the first record by role ("input", ...) and name; None for strings."""
    record_index: list[Record] = field(default_factory=list)
    """Locations of the valid records, without their content."""

    @property
    def count(self) -> int:
        """Number of valid records."""
        return len(self.record_index)

    def describe_row(self, row: int) -> str:
        """Return the location of a record by its index."""
        return self.record_index[row].name

    def rows(self, shards: Sequence[Shard]) -> Iterator[Row]:
        """Yield the numbers and strings of all records; invalid ones are added to `bad_records`."""
        for shard in shards:
            for record in iter_records(
                shard, self.context.opener, self.context.store, self.bad_records
            ):
                try:
                    row = self._parse_record(record)
                except RunError as error:
                    self.bad_records.add(error)
                    continue
                # Only the location: the index of a large dataset must fit in memory.
                self.record_index.append(replace(record, content=b""))
                yield row

    def image_feature(self, key: str) -> Feature:
        """Return an input of encoded images, which are read and decoded on demand."""
        decoder, (feature,) = self.image_decoders[key], self.roles.inputs[key]

        def decode(record: Record) -> Array:
            content = record.reload(self.context.opener)
            return decoder.decode(
                _bytes_value(_parse_example(content, record.name), feature), record.name
            )

        def read(rows: RowIndices) -> Array:
            return np.stack([decode(self.record_index[row]) for row in rows])

        column: Column = LazyColumn("", self.count, decoder.shape, decoder.dtype, read)
        return decoder.to_feature(column, self.source.divide_by)

    def _parse_record(self, record: Record) -> Row:
        """Return the numbers and strings of a record, and check its images.

        An invalid record leaves the decoders as they are.

        Raises:
            RunError: if the record lacks a feature, or one is invalid.
        """
        example, fitted = _parse_example(record.content, record.name), self.context.fitted
        inputs: dict[str, Array] = {}
        image_decoders: dict[str, ImageDecoder] = {}
        for key, (feature,) in self.roles.inputs.items():
            content = _bytes_value(example, feature)
            if key in self.image_decoders or (not self.record_index and is_encoded_image(content)):
                # Decoded now and again on demand: a damaged image must not stop a training that
                # has run for hours.
                description = f"{self.roles.title(feature)} of {record.name}"
                image = decode_image(content, description)
                image_decoders[key] = ImageDecoder.from_first(
                    image,
                    self.source.image_config(),
                    fitted.schema.images.get(key) if fitted else None,
                )
                self.image_decoders.get(key, image_decoders[key]).check_bit_depth(
                    image, description
                )
            else:
                shapes = self.source.shape
                shape = shapes.get(key) if isinstance(shapes, Mapping) else shapes
                inputs[key] = self._numeric_field(example, feature, record.name, shape)
        sample_weights = {
            key: self._numeric_field(example, feature, record.name, None)
            for key, feature in self.roles.sample_weights.items()
        }
        targets = {
            key: self._target_field(example, feature, record.name)
            for key, feature in self.roles.targets.items()
        }
        input_features = {key: feature for key, (feature,) in self.roles.inputs.items()}
        self._check_shapes("input", input_features, inputs, record.name)
        self._check_shapes("target", self.roles.targets, targets, record.name)
        self._check_shapes("weight", self.roles.sample_weights, sample_weights, record.name)
        # Only a record that is valid in all its features may decide about the others.
        if not self.record_index:
            self.image_decoders.update(image_decoders)
        return Row(
            record.name,
            {key: (each,) for key, each in inputs.items()},
            targets,
            sample_weights,
        )

    def _target_field(
        self, example: tf.train.Example, feature: str, record_name: str
    ) -> Array | str:
        """Return a target: a string if the feature has bytes, else a finite array."""
        # Without a schema, the type of a target shows only in its records.
        content = _bytes_value(example, feature)
        if not content:
            return self._numeric_field(example, feature, record_name, None)
        if is_encoded_image(content):
            raise RunError(
                f"{self.roles.title(feature)} of {record_name} is an encoded image, but targets"
                " must be numbers or strings: store masks as arrays for the source npz or npy"
            )
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise RunError(
                f"{self.roles.title(feature)} of {record_name} is not valid UTF-8"
            ) from None

    def _numeric_field(
        self,
        example: tf.train.Example,
        feature: str,
        record_name: str,
        shape: tuple[int, ...] | None,
    ) -> Array:
        """Return a feature as a finite array; a single number without `shape` has no axes.

        Raises:
            RunError: if the feature is missing, not finite, or does not match `shape`.
        """
        values: Array = np.zeros(0)
        # Indexing a protobuf map adds missing keys, so that the key is tested first.
        if feature in example.features.feature:
            lists = example.features.feature[feature]
            # `tf.train.Example` has three types only: float32, int64 and bytes.
            if lists.HasField("float_list"):
                values = np.array(lists.float_list.value, np.float32)
            elif lists.HasField("int64_list"):
                values = np.array(lists.int64_list.value, np.int64)
            else:
                values = np.frombuffer(_bytes_value(example, feature), np.uint8)
        if not len(values):
            available = quote_list(sorted(example.features.feature))
            raise RunError(f"{record_name} has no feature {quote(feature)}; it has {available}")
        if not np.isfinite(values).all():
            raise RunError(f"{self.roles.title(feature)} of {record_name} is not finite")
        if shape is None:
            return values[0] if len(values) == 1 else values
        if int(np.prod(shape)) != len(values):
            raise RunError(
                f"{self.roles.title(feature)} of {record_name} has {len(values):,} numbers, but"
                f" 'shape' is {list(shape)}"
            )
        return values.reshape(shape)

    def _check_shapes(
        self,
        role: str,
        features: Mapping[str, str],
        values: Mapping[str, Array | str],
        record_name: str,
    ) -> None:
        """Check that the values have the shapes of the first record.

        Raises:
            RunError: if they do not.
        """
        for key, value in values.items():
            shape = None if isinstance(value, str) else np.shape(value)
            first = self.shapes.setdefault((role, key), shape)
            if shape != first:
                descriptions = [
                    "strings" if each is None else f"shape {list(each)}" for each in (shape, first)
                ]
                raise RunError(
                    f"{self.roles.title(features[key])} of {record_name} has {descriptions[0]},"
                    f" but the first one has {descriptions[1]}"
                )


def _parse_example(content: bytes, record_name: str) -> tf.train.Example:
    try:
        return tf.train.Example.FromString(content)
    except DecodeError:
        raise RunError(f"{record_name} is not a tf.train.Example") from None


def _bytes_value(example: tf.train.Example, feature: str) -> bytes:
    """Return the bytes of a feature; empty if it has numbers or several values, or is missing."""
    if feature not in example.features.feature:
        return b""
    values = example.features.feature[feature].bytes_list.value
    return bytes(values[0]) if len(values) == 1 else b""
