"""Read files and directories of inputs, without targets, to predict on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from archbuilder.compiler.ir import Graph
from archbuilder.config.data_schema import DatasetSchema
from archbuilder.config.sources import (
    SOURCES,
    AudioConfig,
    DataPath,
    DataSource,
    ImageConfig,
    InferenceSource,
    TextFiles,
    VideoConfig,
    Videos,
)
from archbuilder.config.sources.tables import check_keeps_features
from archbuilder.data.columns import Array, ArrayColumn, image_size
from archbuilder.data.features import fit_features
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, Feature, FittedPreprocessing, SourceDataset
from archbuilder.data.sources.audio_files import audio_column
from archbuilder.data.sources.class_directories import (
    IMAGE,
    RECORDING,
    TEXT,
    VIDEO,
    FileKind,
    PathParts,
    list_all_files,
)
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.data.sources.example_files import ExampleFile, ExampleFiles
from archbuilder.data.sources.image_decoding import ImageDecoder, decode_image, read_image_file
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.text_directory import read_texts
from archbuilder.data.sources.video_directory import find_videos, make_video_feature
from archbuilder.data.windows import make_windows
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.files import path_status
from archbuilder.files.blueprint_files import check_exists
from archbuilder.formatting import any_of, plural

_IMAGE_CHANNELS: Final = (1, 3)
_IMAGE_AXES: Final = 3
_MAX_GROUP_SIZE: Final = 1024
"""Largest number of images that are held in memory at a time."""
_SOURCES: Final = [each for each in SOURCES.values() if issubclass(each, InferenceSource)]
"""The sources that read files of inputs."""


@dataclass(frozen=True, slots=True, eq=False)
class InputGroup:
    """Examples of one shape, with a key for each."""

    keys: Sequence[str]
    dataset: SourceDataset


def read_inputs(
    paths: Sequence[Path],
    training_source: DataSource,
    graph: Graph,
    schema: DatasetSchema,
    log: Callable[[str], None] = lambda _: None,
) -> Iterator[InputGroup]:
    """Yield the inputs in files and directories, with the options of the source `training_source`.

    Tables are read by the column names in `schema`, and images are decoded to the size, channels
    and depth in it. `log` receives changes to images, and files of a directory that are skipped.

    The key of an example is its number, from 0, after the name of its file if there are several
    files; that of a window is the number of its last row. The key of an image or a text file is its
    path below the given directory, or its name; if two keys would be equal, all are full paths. A
    record that cannot be read is an error, even if the recipe skips such records: a prediction
    would be missing.

    Raises:
        UsageError: if a file does not exist, or is of an unknown kind.
        RunError: if a file cannot be read, or has values that are not finite.
    """
    config = training_source.file_config(graph.inputs[0].name)
    kind = TEXT if isinstance(training_source, TextFiles) else IMAGE
    if isinstance(config, AudioConfig):
        kind = RECORDING
    elif isinstance(training_source, Videos):
        kind = VIDEO
    files = [file for path in paths for file in _expand_path(path, kind, log)]
    has_duplicates = len({file.key for file in files}) < len(files)
    names = {file: str(file.path) if has_duplicates else file.key for file in files}
    examples = [file for file in files if file.is_example(kind)]
    if examples and isinstance(config, VideoConfig) and kind is not VIDEO:
        name = quote(str(examples[0].path), 200)
        raise UsageError(f"the network takes videos, which a table names, not {name}")
    image_config = config if isinstance(config, ImageConfig) else None
    make_decoder = _decoder_factory(training_source, image_config, graph, schema)
    divide_by = image_config.divide_by if image_config else training_source.image_divisor
    # Consecutive files of a kind, so that predictions come in the order of the files.
    for are_examples, group in groupby(files, lambda file: file.is_example(kind)):
        if are_examples and isinstance(training_source, TextFiles):
            yield _group_texts([*group], training_source, schema, names)
            continue
        if are_examples and isinstance(config, AudioConfig):
            yield _group_recordings([*group], config, names)
            continue
        if are_examples and isinstance(config, VideoConfig):
            yield _group_videos([*group], config, schema, names)
            continue
        if are_examples:
            yield from _group_images(group, make_decoder, divide_by, names, log)
            continue
        for file in group:
            source = _source_of(file.path, training_source, kind)
            dataset = _load_file(source, training_source, graph, schema, log)
            prefix = f"{names[file]}:" if len(files) > 1 else ""
            rows = dataset.rows_of(np.arange(dataset.count)).tolist()
            yield InputGroup([f"{prefix}{row}" for row in rows], dataset)


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

    def is_example(self, kind: FileKind) -> bool:
        """Return whether it is one of the given kind, and not a file of several examples."""
        is_directory = kind is VIDEO and path_status.is_dir(self.path)
        return is_directory or kind.includes(self.path.name)


def _expand_path(path: Path, kind: FileKind, log: Callable[[str], None]) -> list[_InputFile]:
    """Return a file, or all files of a kind below a directory in alphabetical order."""
    source = DataPath(str(path))
    if path_status.is_dir(path):
        listing = list_all_files(source, DataFileOpener(), kind)
        if not listing.files:
            raise UsageError(
                f"the directory {listing.name} has no {kind.plural_noun} ({kind.suffix_list}), nor"
                " have the directories in it"
            )
        for note in listing.notes:
            log(f"{listing.name}: {note}")
        if kind is VIDEO:
            videos = find_videos(listing.files, DataFileOpener(), least_depth=0)
            return [_InputFile(each.directory, each.parts) for each in videos]
        return [_InputFile(directory, parts) for directory, parts in listing.files]
    check_exists(path)
    return [_InputFile(source)]


def _source_of(path: Path, training_source: DataSource, kind: FileKind) -> InferenceSource:
    """Return the source of a file that is not itself an example of the given kind.

    Raises:
        UsageError: if no source reads such a file, or one reads it without the features.
    """
    by_suffix = (each for each in _SOURCES if path.suffix in each.inference_suffixes)
    by_name = (
        each for each in _SOURCES if any(fragment in path.name for fragment in each.inference_names)
    )
    source_class = next(chain(by_suffix, by_name), None)
    if source_class is None:
        suffixes = any_of(suffix for each in _SOURCES for suffix in each.inference_suffixes)
        raise UsageError(
            f"{quote(str(path), 200)} must be a {suffixes} file, an IDX file or {kind.with_article}"
        )
    source = source_class.for_inference(DataPath(str(path)), training_source)
    check_keeps_features(source, training_source, str(path))
    return source


def _load_file(
    source: InferenceSource,
    training_source: DataSource,
    graph: Graph,
    schema: DatasetSchema,
    log: Callable[[str], None],
) -> SourceDataset:
    by_column_name = training_source.finds_columns_by_name and source.finds_columns_by_name
    if by_column_name and schema.column_names is None:
        log(
            "warning: columns are matched by position: a model outside its run directory has no"
            " column names"
        )
    # None where the input has an axis of unknown size.
    shape = graph.inputs[0].shape if source.window is None else graph.inputs[0].shape[1:]
    dims = [size for size in shape if size is not None]
    num_values = math.prod(dims) if len(dims) == len(shape) else None
    context = LoadContext(
        DataFileOpener(),
        ColumnStore(),
        FittedPreprocessing(schema),
        inputs_only=True,
        num_values=num_values,
        key_columns=source.key_columns,
    )
    dataset = fit_features(source.load(context), schema.features).with_value_checks()
    return dataset if source.window is None else make_windows(dataset, source.window)


def _group_texts(
    files: Sequence[_InputFile],
    source: TextFiles,
    schema: DatasetSchema,
    names: Mapping[_InputFile, str],
) -> InputGroup:
    """Return the texts of files as one group."""
    context = LoadContext(DataFileOpener(), ColumnStore(), inputs_only=True)
    dataset, _ = read_texts(
        replace(source, on_error="stop"),
        [(file.source, file.parts) for file in files],
        plural(len(files), "text file"),
        context,
    )
    fitted = fit_features(dataset, schema.features).with_value_checks()
    return InputGroup([names[file] for file in files], fitted)


def _group_recordings(
    files: Sequence[_InputFile], config: AudioConfig, names: Mapping[_InputFile, str]
) -> InputGroup:
    """Return recordings as one group, which are decoded batch by batch."""
    name = plural(len(files), "recording")
    feature = Feature(audio_column(name, _example_files(files), config, DataFileOpener()))
    dataset = SourceDataset(name, {UNNAMED: feature}, {}).with_value_checks()
    return InputGroup([names[file] for file in files], dataset)


def _group_videos(
    files: Sequence[_InputFile],
    config: VideoConfig,
    schema: DatasetSchema,
    names: Mapping[_InputFile, str],
) -> InputGroup:
    """Return videos as one group, which are decoded batch by batch."""
    name = plural(len(files), "video")
    videos = _example_files(files)
    feature, _ = make_video_feature(name, videos, config, DataFileOpener(), schema)
    dataset = SourceDataset(name, {UNNAMED: feature}, {}).with_value_checks()
    return InputGroup([names[file] for file in files], dataset)


def _example_files(files: Sequence[_InputFile]) -> ExampleFiles:
    return ExampleFiles(
        # A given file is one in its directory.
        ExampleFile(file.source, file.parts)
        if file.parts
        else ExampleFile(DataPath(str(file.path.parent)), (file.path.name,))
        for file in files
    )


def _group_images(
    files: Iterable[_InputFile],
    make_decoder: Callable[[Image.Image], ImageDecoder],
    divide_by: float | None,
    names: Mapping[_InputFile, str],
    log: Callable[[str], None],
) -> Iterator[InputGroup]:
    """Yield groups of consecutive images with the same size, small enough for the memory."""
    loaded_images = (_load_image(file, make_decoder, log) for file in files)
    # Images of one size, since a group is one array.
    for decoder, same_size in groupby(loaded_images, lambda image: image.decoder):
        while images := list(islice(same_size, _MAX_GROUP_SIZE)):
            values = ArrayColumn(np.stack([image.values for image in images]))
            feature = decoder.to_feature(values, divide_by)
            name = quote(str(images[0].file.path), 200)
            yield InputGroup(
                [names[image.file] for image in images], SourceDataset(name, {UNNAMED: feature}, {})
            )


def _decoder_factory(
    training_source: DataSource,
    config: ImageConfig | None,
    graph: Graph,
    schema: DatasetSchema,
) -> Callable[[Image.Image], ImageDecoder]:
    """Return a function that makes decoders with the size, channels and depth of training."""
    graph_input = graph.inputs[0]
    # An input without a channel axis takes grayscale images.
    channels = (
        graph_input.shape[-1]
        if len(graph_input.shape) == _IMAGE_AXES and graph_input.shape[-1] in _IMAGE_CHANNELS
        else 1
    )
    image_spec = schema.images.get(graph_input.name, schema.images.get(UNNAMED))
    if config is not None:
        # A run has recorded them; a model outside of it has not.
        has_size = config.size is None and len(graph_input.shape) == _IMAGE_AXES
        config = replace(
            config,
            channels=config.channels or (None if image_spec else channels),
            # Decoded once to the size of the network, as in training.
            size=image_size(graph_input.shape) if has_size else config.size,
        )
        return lambda image: ImageDecoder.from_first(image, config, image_spec)
    # The divisor of arrays is meant for 8 bits.
    array_config = ImageConfig(
        channels=channels, bits=None if training_source.image_divisor is None else 8
    )
    return lambda image: ImageDecoder.from_first(image, array_config)


@dataclass(frozen=True, slots=True, eq=False)
class _LoadedImage:
    """An image as the network takes it, and how it was decoded."""

    file: _InputFile
    decoder: ImageDecoder
    values: Array


def _load_image(
    file: _InputFile,
    make_decoder: Callable[[Image.Image], ImageDecoder],
    log: Callable[[str], None],
) -> _LoadedImage:
    name = quote(str(file.path), 200)
    with DataFileOpener().open_file(file.source, *file.parts) as descriptor:
        image = decode_image(read_image_file(descriptor, name), name)
    decoder = make_decoder(image)
    for change in decoder.describe_changes(image):
        log(f"{name}: {change}")
    return _LoadedImage(file, decoder, decoder.convert(image, name))
