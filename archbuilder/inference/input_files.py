"""Read files and directories of inputs, without targets, to predict on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from archbuilder.compiler.ir import Graph
from archbuilder.config.data_schema import DatasetSchema
from archbuilder.config.sources import (
    IMAGE_SUFFIXES,
    Csv,
    DataPath,
    DataSource,
    Idx,
    Images,
    Jsonl,
    Npy,
    Npz,
    Parquet,
    Tfds,
    Tfrecord,
)
from archbuilder.data.columns import Array, ArrayColumn
from archbuilder.data.dataset import UNNAMED, Dataset, FittedPreprocessing
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources.class_directories import PathParts, has_image_suffix, list_all_images
from archbuilder.data.sources.csv import load_csv
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.data.sources.idx import load_idx_images
from archbuilder.data.sources.image_decoding import ImageDecoder, decode_image, read_image_file
from archbuilder.data.sources.jsonl import load_jsonl
from archbuilder.data.sources.npy import load_npy
from archbuilder.data.sources.npz import load_npz
from archbuilder.data.sources.parquet import load_parquet
from archbuilder.data.sources.tabular import InferenceColumns
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.files import path_status

_IMAGE_CHANNELS: Final = (1, 3)
_MAX_GROUP_SIZE: Final = 1024
"""Largest number of images that are held in memory at a time."""
_IMAGE_SOURCES: Final = (Images, Tfrecord, Tfds)
"""Sources of encoded images, whose options say how to decode them."""


@dataclass(frozen=True, slots=True, eq=False)
class InputGroup:
    """Examples of one shape, with a key for each."""

    keys: Sequence[str]
    examples: Dataset


def read_inputs(
    paths: Sequence[Path],
    template: DataSource,
    graph: Graph,
    schema: DatasetSchema,
    log: Callable[[str], None] = lambda _: None,
) -> Iterator[InputGroup]:
    """Yield the inputs in files and directories, with the options of the source `template`.

    Tables are read by the column names in `schema`, and images are decoded to the size, channels
    and depth in it. `log` receives changes to images, and files of a directory that are skipped.

    The key of an example is its number, from 0, after the name of its file if there are several
    files. The key of an image is its path below the given directory, or its name; if two keys would
    be equal, all are full paths. A record that cannot be read is an error, even if the recipe skips
    such records: a prediction would be missing.

    Raises:
        UsageError: if a file does not exist, or is of an unknown kind.
        RunError: if a file cannot be read, or has values that are not finite.
    """
    files = [file for path in paths for file in _expand_path(path, log)]
    has_duplicates = len({file.key for file in files}) < len(files)
    names = {file: str(file.path) if has_duplicates else file.key for file in files}
    choose_decoder = _make_decoder_chooser(template, graph, schema)
    # Consecutive files of a kind, so that predictions come in the order of the files.
    for are_images, group in groupby(files, lambda file: file.is_image):
        if are_images:
            yield from _group_images(group, choose_decoder, _source_divisor(template), names, log)
            continue
        for file in group:
            examples = _load_table(file.path, template, graph, schema).validated()
            prefix = f"{names[file]}:" if len(files) > 1 else ""
            yield InputGroup([f"{prefix}{number}" for number in range(examples.count)], examples)


@dataclass(frozen=True, slots=True)
class _InputFile:
    """A given file, or a file below a given directory at the path `parts`."""

    source: DataPath
    parts: PathParts = ()

    @property
    def path(self) -> Path:
        return Path(self.source.path, *self.parts)

    @property
    def key(self) -> str:
        """Path below the directory, or file name."""
        return "/".join(self.parts) or self.path.name

    @property
    def is_image(self) -> bool:
        return has_image_suffix(self.path.name)


def _expand_path(path: Path, log: Callable[[str], None]) -> list[_InputFile]:
    """Return a file, or all images below a directory in alphabetical order."""
    source = DataPath(str(path))
    if path_status.is_dir(path):
        listing = list_all_images(source, DataFileOpener())
        if not listing.images:
            raise UsageError(
                f"the directory {listing.name} has no images ({', '.join(IMAGE_SUFFIXES)}), nor"
                " have the directories in it"
            )
        for note in listing.notes:
            log(f"{listing.name}: {note}")
        return [_InputFile(directory, parts) for directory, parts in listing.images]
    if not path_status.is_file(path):
        raise UsageError(f"there is no file {quote(str(path), 200)}")
    return [_InputFile(source)]


def _load_table(path: Path, template: DataSource, graph: Graph, schema: DatasetSchema) -> Dataset:
    file, opener, store, name = (
        DataPath(str(path)),
        DataFileOpener(),
        ColumnStore(),
        quote(str(path), 200),
    )
    divide_by = template.divide_by if isinstance(template, Npz | Npy | Idx) else None
    # None where the input has an axis of unknown size.
    dims = [size for size in graph.inputs[0].shape if size is not None]
    num_values = math.prod(dims) if len(dims) == len(graph.inputs[0].shape) else None
    inference_columns = InferenceColumns(num_values, schema.column_names)
    preprocessing = FittedPreprocessing(schema)
    # Targets and weights of the recipe need not be in files to predict on, and `on_error: skip`
    # must not drop an input.
    if path.suffix == ".npz":
        archive = template if isinstance(template, Npz) else Npz(file)
        archive = dataclasses.replace(archive, file=file, targets={}, sample_weight=None)
        return load_npz(archive, opener, store, preprocessing)
    if path.suffix == ".npy":
        return load_npy(Npy(file, {}, divide_by), opener, preprocessing)
    if path.suffix == ".csv":
        table = template if isinstance(template, Csv) else Csv(file)
        table = dataclasses.replace(table, file=file, on_error="stop")
        return load_csv(table, opener, store, inference_columns=inference_columns)
    if path.suffix == ".parquet":
        rows = template if isinstance(template, Parquet) else Parquet(file)
        rows = dataclasses.replace(rows, file=file, on_error="stop")
        return load_parquet(rows, opener, store, inference_columns=inference_columns)
    if path.suffix == ".jsonl":
        lines = template if isinstance(template, Jsonl) else Jsonl(file)
        lines = dataclasses.replace(
            lines, file=file, targets={}, sample_weight=None, on_error="stop"
        )
        return load_jsonl(lines, opener, store, None)
    # The files of MNIST have no suffix: train-images-idx3-ubyte.
    if "idx" in path.name:
        return Dataset(
            name, {UNNAMED: load_idx_images(file, divide_by, opener, store, preprocessing)}, {}
        )
    raise UsageError(
        f"{name} is no .npz, .npy, .csv, .parquet or .jsonl file, no IDX file, and no image"
    )


def _group_images(
    files: Iterable[_InputFile],
    choose_decoder: Callable[[Image.Image], ImageDecoder],
    divide_by: float | None,
    names: Mapping[_InputFile, str],
    log: Callable[[str], None],
) -> Iterator[InputGroup]:
    """Yield groups of consecutive images with the same size, small enough for the memory."""
    decoded_images = ((file, *_load_image(file, choose_decoder, log)) for file in files)
    groups = groupby(
        enumerate(decoded_images), lambda numbered: (numbered[0] // _MAX_GROUP_SIZE, numbered[1][1])
    )
    for (_, decoder), group in groups:
        images = [each for _, each in group]
        # One array per group: that is why a group has one size of images.
        values = ArrayColumn(np.stack([image for *_, image in images]))
        feature = decoder.to_feature(values, divide_by)
        name = quote(str(images[0][0].path), 200)
        yield InputGroup(
            [names[file] for file, *_ in images], Dataset(name, {UNNAMED: feature}, {})
        )


def _make_decoder_chooser(
    template: DataSource, graph: Graph, schema: DatasetSchema
) -> Callable[[Image.Image], ImageDecoder]:
    """Return a function that chooses how to decode an image: as in training."""
    graph_input = graph.inputs[0]
    # An input without a channel axis takes grayscale images.
    channels = (
        graph_input.shape[-1]
        if len(graph_input.shape) == 3 and graph_input.shape[-1] in _IMAGE_CHANNELS
        else 1
    )
    image_spec = schema.images.get(graph_input.name, schema.images.get(UNNAMED))
    if isinstance(template, _IMAGE_SOURCES):
        source_channels = template.channels or (None if image_spec else channels)
        return lambda image: ImageDecoder.from_first(
            image, template.size, source_channels, template.bits, image_spec
        )
    # The divisor of arrays is meant for 8 bits.
    bits = None if _source_divisor(template) is None else 8
    return lambda image: ImageDecoder.from_first(image, None, channels, bits)


def _source_divisor(template: DataSource) -> float | None:
    return template.divide_by if isinstance(template, (Npz, Npy, Idx, *_IMAGE_SOURCES)) else None


def _load_image(
    file: _InputFile,
    choose_decoder: Callable[[Image.Image], ImageDecoder],
    log: Callable[[str], None],
) -> tuple[ImageDecoder, Array]:
    name = quote(str(file.path), 200)
    with DataFileOpener().open_file(file.source, *file.parts) as descriptor:
        image = decode_image(read_image_file(descriptor, name), name)
    decoder = choose_decoder(image)
    for change in decoder.describe_changes(image):
        log(f"{name}: {change}")
    return decoder, decoder.convert(image, name)
