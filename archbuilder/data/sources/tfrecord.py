"""TFRecord files of `tf.train.Example` records."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final, TypeAlias

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from archbuilder.config.sources import RecordImage, Tfrecord
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.columns import Array, LazyColumn, RowIndices
from archbuilder.data.dtypes import DType
from archbuilder.data.source_dataset import (
    Feature,
    FittedPreprocessing,
    SourceDataset,
    target_key,
)
from archbuilder.data.sources.batch_reader import RawBatch, Row, batched_by_bytes, stack_rows
from archbuilder.data.sources.column_roles import ColumnRoles
from archbuilder.data.sources.image_decoding import ImageDecoder, decode_image, is_encoded_image
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.mask_decoding import PixelDecoder, make_target_decoder
from archbuilder.data.sources.npy_header import array_feature, as_mapping, lookup_scale
from archbuilder.data.sources.tabular import make_dataset
from archbuilder.data.sources.tfrecord_io import Record, RecordIndex, Shard, iter_records
from archbuilder.diagnostics.errors import RunError, quote, quote_list
from archbuilder.formatting import plural

_Features: TypeAlias = Mapping[str, tf.train.Feature]
"""The features of a record by name, as protobuf has them."""

_MIN_ARRAY_VALUES: Final = 64
"""Number of values from which on an array for each record is faster than an iterator over all."""


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
    # This consumes the batches: the index and decoders are complete only then.
    dataset = make_dataset(source, reader.batches(shards), roles, reader, bad_records, context)
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
        *(
            f"{dataset.source_name}: {images} of {decoder}"
            for decoder in reader.image_decoders.values()
        ),
        *(
            f"{dataset.source_name}: target '{output}': {images} of {decoder}"
            for output, decoder in reader.target_decoders.items()
        ),
    )
    image_specs = {
        **{key: decoder.spec for key, decoder in reader.image_decoders.items()},
        **{target_key(key): decoder.spec for key, decoder in reader.target_decoders.items()},
    }
    schema = replace(dataset.preprocessing.schema, images=image_specs)
    return replace(
        dataset,
        inputs=inputs,
        targets={
            **dataset.targets,
            **{output: reader.target_image_column(output) for output in reader.target_decoders},
        },
        masks=reader.target_images,
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
    target_decoders: dict[str, PixelDecoder] = field(default_factory=dict)
    """Decoders of the targets that are encoded images."""
    shapes: dict[tuple[str, str], tuple[int, ...] | None] = field(default_factory=dict)
    """Shapes of the first record by role ("input", ...) and name; None for strings."""
    record_index: RecordIndex = field(default_factory=RecordIndex)
    """Locations of the valid records."""
    fields: Mapping[str, Mapping[str, str]] = field(init=False)
    """The features by role and name, without those of encoded images of targets."""
    target_images: Mapping[str, RecordImage] = field(init=False)

    def __post_init__(self) -> None:
        """Set the features by role."""
        inputs = {key: feature for key, (feature,) in self.roles.inputs.items()}
        self.fields = {
            "input": inputs,
            "target": self.roles.targets,
            "weight": self.roles.sample_weights,
        }
        targets: Mapping[str, str | RecordImage] = as_mapping(self.source.targets)
        self.target_images = {
            output: each for output, each in targets.items() if isinstance(each, RecordImage)
        }

    @property
    def count(self) -> int:
        """Number of valid records."""
        return self.record_index.count

    def describe_row(self, row: int) -> str:
        """Return the location of a record by its index."""
        return self.record_index.describe_row(row)

    def batches(self, shards: Sequence[Shard]) -> Iterator[RawBatch]:
        """Yield the numbers and strings of all records; invalid ones are added to `bad_records`."""
        context = self.context
        records = chain.from_iterable(
            iter_records(shard, context.opener, context.store, self.bad_records) for shard in shards
        )
        for block in batched_by_bytes(records, lambda record: len(record.content)):
            batch = self._stack_block(block)
            if batch is None:
                yield from stack_rows(self._valid_rows(block), self.roles)
            else:
                for record in block:
                    self.record_index.add(record)
                yield batch

    def _stack_block(self, block: Sequence[Record]) -> RawBatch | None:
        """Return the numbers of some records, which is much faster than to check each alone.

        None if a value is not a number, or the records are not all valid.
        """
        if self.image_decoders or self.target_images or not self.count:
            return None
        try:
            features = [_parse_features(each.content, each.name) for each in block]
            inputs, targets, sample_weights = (
                {
                    key: _stack_numbers(features, feature, self.shapes[role, key])
                    for key, feature in fields.items()
                }
                for role, fields in self.fields.items()
            )
        except (RunError, ValueError):
            return None
        return RawBatch(inputs, targets, sample_weights)

    def _valid_rows(self, block: Sequence[Record]) -> Iterator[Row]:
        """Check each record alone, and yield the valid ones."""
        for record in block:
            try:
                row = self._parse_record(record)
            except RunError as error:
                self.bad_records.add(error)
                continue
            self.record_index.add(record)
            yield row

    def image_feature(self, key: str) -> Feature:
        """Return an input of encoded images, which are read and decoded on demand."""
        decoder, feature = self.image_decoders[key], self.fields["input"][key]
        images = self._image_column(decoder, feature, is_resizable=self.source.size is None)
        return decoder.to_feature(images, self.source.divide_by)

    def target_image_column(self, output: str) -> LazyColumn:
        """Return a target of encoded images, which are read and decoded on demand."""
        config = self.target_images[output]
        decoder = self.target_decoders[output]
        return self._image_column(decoder, config.feature, is_resizable=config.size is None)

    def _image_column(
        self, decoder: PixelDecoder, feature: str, *, is_resizable: bool
    ) -> LazyColumn:
        def decode(row: int) -> Array:
            content = self.record_index.read(row, self.context.opener)
            name = self.describe_row(row)
            image = _bytes_value(_parse_features(content, name), feature)
            return decoder.decode(image, f"{self.roles.title(feature)} of {name}")

        def read(rows: RowIndices) -> Array:
            return np.stack([decode(row) for row in rows.tolist()])

        def resize(height: int, width: int) -> LazyColumn:
            return self._image_column(decoder.resized(height, width), feature, is_resizable=False)

        return LazyColumn(
            "",
            self.count,
            decoder.shape,
            decoder.dtype,
            read,
            resize=resize if is_resizable else None,
        )

    def _parse_record(self, record: Record) -> Row:
        """Return the numbers and strings of a record, and check its images.

        An invalid record leaves the decoders as they are.

        Raises:
            RunError: if the record lacks a feature, or one is invalid.
        """
        name, is_first, shapes = record.name, not self.count, self.source.shape
        features = _parse_features(record.content, name)
        inputs: dict[str, Array] = {}
        image_decoders: dict[str, ImageDecoder] = {}
        for key, feature in self.fields["input"].items():
            if key in self.image_decoders or (
                is_first and is_encoded_image(_bytes_value(features, feature))
            ):
                image_decoders[key] = self._check_image(features, key, feature, name)
            else:
                shape = shapes.get(key) if isinstance(shapes, Mapping) else shapes
                inputs[key] = self._numeric_field(features, feature, name, shape)
        sample_weights = {
            key: self._numeric_field(features, feature, name, None)
            for key, feature in self.roles.sample_weights.items()
        }
        targets = {
            key: self._target_field(
                features,
                feature,
                name,
                shapes.get(key)
                if isinstance(shapes, Mapping) and key not in self.fields["input"]
                else None,
            )
            for key, feature in self.roles.targets.items()
        }
        target_decoders = {
            key: self._check_target_image(features, key, config, name)
            for key, config in self.target_images.items()
        }
        self._check_shapes("input", inputs, name)
        self._check_shapes("target", targets, name)
        self._check_shapes("weight", sample_weights, name)
        # Only a record that is valid in all its features may decide about the others.
        if is_first:
            self.image_decoders.update(image_decoders)
            self.target_decoders.update(target_decoders)
        return Row(name, {key: (each,) for key, each in inputs.items()}, targets, sample_weights)

    def _check_image(
        self, features: _Features, key: str, feature: str, record_name: str
    ) -> ImageDecoder:
        """Return the decoder to the properties of an image, after a check of the image.

        Raises:
            RunError: if it is damaged, or has more bits than those before it.
        """
        # Decoded now and again on demand: a damaged image must not stop a training that has run for
        # hours.
        description, fitted = f"{self.roles.title(feature)} of {record_name}", self.context.fitted
        image = decode_image(_bytes_value(features, feature), description)
        decoder = ImageDecoder.from_first(
            image, self.source.file_config(), fitted.schema.images.get(key) if fitted else None
        )
        self.image_decoders.get(key, decoder).check_bit_depth(image, description)
        return decoder

    def _check_target_image(
        self, features: _Features, key: str, config: RecordImage, record_name: str
    ) -> PixelDecoder:
        """Return the decoder of the images of a target, after it has decoded an image.

        Raises:
            RunError: if there is none, or it is damaged or not one that fits.
        """
        content, fitted = _bytes_value(features, config.feature), self.context.fitted
        if not content:
            raise _missing_feature_error(features, config.feature, record_name, "encoded image ")
        description = f"{self.roles.title(config.feature)} of {record_name}"
        decoder = self.target_decoders.get(key)
        if decoder is None:
            spec = fitted.schema.images.get(target_key(key)) if fitted else None
            decoder = make_target_decoder(config, content, description, spec)
        decoder.decode(content, description)
        return decoder

    def _target_field(
        self,
        features: _Features,
        feature: str,
        record_name: str,
        shape: tuple[int, ...] | None,
    ) -> Array | str:
        """Return a target: a string if the feature has bytes, else a finite array."""
        # Without a schema, the type of a target shows only in its records.
        content = _bytes_value(features, feature)
        if not content:
            return self._numeric_field(features, feature, record_name, shape)
        if is_encoded_image(content):
            raise RunError(
                f"{self.roles.title(feature)} of {record_name} is an encoded image: say what its"
                f" pixels are, as in 'targets: {{mask: {{feature: {feature}, pixels: classes}}}}'"
            )
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise RunError(
                f"{self.roles.title(feature)} of {record_name} is not valid UTF-8"
            ) from None

    def _numeric_field(
        self,
        features: _Features,
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
        if feature in features:
            lists = features[feature]
            # `tf.train.Example` has three types only: float32, int64 and bytes.
            if lists.HasField("float_list"):
                values = np.array(lists.float_list.value, np.float32)
            elif lists.HasField("int64_list"):
                values = np.array(lists.int64_list.value, np.int64)
            else:
                values = np.frombuffer(_bytes_value(features, feature), np.uint8)
        if not len(values):
            raise _missing_feature_error(features, feature, record_name)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise RunError(f"{self.roles.title(feature)} of {record_name} is not finite")
        if shape is None:
            return values[0] if len(values) == 1 else values
        if int(np.prod(shape)) != len(values):
            raise RunError(
                f"{self.roles.title(feature)} of {record_name} has {len(values):,} numbers, but"
                f" 'shape' is {list(shape)}"
            )
        return values.reshape(shape)

    def _check_shapes(self, role: str, values: Mapping[str, Array | str], record_name: str) -> None:
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
                title = self.roles.title(self.fields[role][key])
                raise RunError(
                    f"{title} of {record_name} has {descriptions[0]},"
                    f" but the first one has {descriptions[1]}"
                )


def _parse_features(content: bytes, record_name: str) -> _Features:
    try:
        features: _Features = tf.train.Example.FromString(content).features.feature
    except DecodeError:
        raise RunError(f"{record_name} is not a tf.train.Example") from None
    return features


def _missing_feature_error(
    features: _Features, feature: str, record_name: str, kind: str = ""
) -> RunError:
    noun = f"{kind}feature" if not kind else f"{kind}in the feature"
    available = quote_list(sorted(features))
    return RunError(f"{record_name} has no {noun} {quote(feature)}; it has {available}")


def _bytes_value(features: _Features, feature: str) -> bytes:
    """Return the bytes of a feature; empty if it has numbers or several values, or is missing."""
    if feature not in features:
        return b""
    values = features[feature].bytes_list.value
    return bytes(values[0]) if len(values) == 1 else b""


def _stack_numbers(
    features: Sequence[_Features], name: str, shape: tuple[int, ...] | None
) -> Array:
    """Return the numbers of a feature of some records.

    Raises:
        ValueError: if they are not finite numbers of one type and shape in all records.
    """
    if shape is None or not all(name in each for each in features):
        raise ValueError(name)
    lists = [each[name] for each in features]
    kinds, count = {each.WhichOneof("kind") for each in lists}, math.prod(shape)
    values: list[Sequence[float]]
    dtype: DType
    if kinds == {"float_list"}:
        values, dtype = [each.float_list.value for each in lists], np.dtype(np.float32)
    elif kinds == {"int64_list"}:
        values, dtype = [each.int64_list.value for each in lists], np.dtype(np.int64)
    else:
        raise ValueError(name)
    if any(len(each) != count for each in values):
        raise ValueError(name)
    if count < _MIN_ARRAY_VALUES:
        array = np.fromiter(chain.from_iterable(values), dtype, count * len(values))
    else:
        array = np.stack([np.array(each, dtype) for each in values])
    if not np.isfinite(array).all():
        raise ValueError(name)
    return array.reshape(len(values), *shape)
