"""Files that a column of a table names: their check while the table is read, and their column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from archbuilder.config.data_schema import ImageSpec
from archbuilder.config.sources import (
    DataPath,
    ImageConfig,
    TableAudio,
    TableFile,
    TableImage,
    TableVideo,
)
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.columns import Column
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.data.source_dataset import Feature, SourceDataset
from archbuilder.data.sources.audio_files import audio_column, read_audio
from archbuilder.data.sources.column_roles import ColumnRoles
from archbuilder.data.sources.example_files import ExampleFile, ExampleFiles, table_file
from archbuilder.data.sources.image_decoding import ImageDecoder, decode_image
from archbuilder.data.sources.image_files import image_column, image_note, read_image
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.mask_decoding import PixelDecoder, check_pixels, make_target_decoder
from archbuilder.data.sources.video_files import list_frames, read_frames, video_column
from archbuilder.diagnostics.errors import RunError
from archbuilder.formatting import plural


@dataclass(frozen=True, slots=True, eq=False)
class TableFiles:
    """The files that one table names."""

    file: DataPath
    roles: ColumnRoles
    bad_records: BadRecords
    context: LoadContext

    @property
    def directory(self) -> DataPath:
        """The directory of the table, to which names are relative."""
        return DataPath(str(PurePath(self.file.path).parent), self.file.span)

    def check(self, names: Mapping[str, str | None], location: str) -> None:
        """Check that the files of a row can be read; `names` are those by input.

        They are decoded only if bad rows are skipped: their number is needed before training.

        Raises:
            RunError: if a name leads out of the directory, there is no such file, or it is damaged.
        """
        opener = self.context.opener
        for key, config in self.roles.files.items():
            title = self.roles.title(self.roles.inputs[key][0])
            try:
                file = table_file(config, self.directory, names[key] or "")
                if self.bad_records.on_error == "skip":
                    _decode(config, file, opener)
                _check_readable(config, file, opener)
            except RunError as error:
                raise RunError(f"{title} of {location}: {error}") from None


def _check_readable(config: TableFile, file: ExampleFile, opener: DataFileOpener) -> None:
    """Open a file, or list the frames of a video, to find out whether that is possible."""
    if isinstance(config, TableVideo):
        list_frames(file, opener, config)
        return
    with opener.open_file(file.directory, *file.parts):
        pass


def _decode(config: TableFile, file: ExampleFile, opener: DataFileOpener) -> None:
    """Decode a file to find out whether that is possible."""
    if isinstance(config, TableAudio):
        read_audio(file, opener, config)
    elif isinstance(config, TableVideo):
        for content, name in read_frames(file, opener, config):
            check_pixels(config.image, content, name)
    else:
        check_pixels(config, read_image(file, opener), file.name)


@dataclass(frozen=True, slots=True, eq=False)
class FileColumn:
    """A column of files, with what a run records of them and a note for the user."""

    feature: Feature
    note: str
    image_spec: ImageSpec | None = None


def add_files(
    dataset: SourceDataset,
    files: Mapping[str, ExampleFiles],
    roles: ColumnRoles,
    describe_row: Callable[[int], str],
    context: LoadContext,
) -> SourceDataset:
    """Add the files of a table to its other columns, as inputs and targets.

    `describe_row` returns the location of an example by its index.

    Raises:
        RunError: if the first file of a column cannot be read.
    """
    inputs, targets = {**dataset.inputs}, {**dataset.targets}
    specs, notes = {**dataset.preprocessing.schema.images}, []
    masks: dict[str, ImageConfig] = {}
    factory = _ColumnFactory(dataset.source_name, roles, describe_row, context)
    for key, column_files in files.items():
        column, output = factory.make_column(key, column_files), roles.target_features.get(key)
        if output is not None:
            targets[output] = column.feature.column
            config = roles.files[key]
            masks |= {output: config} if isinstance(config, ImageConfig) else {}
        else:
            inputs[key] = column.feature
        if column.image_spec is not None:
            specs[key] = column.image_spec
        notes.append(f"{factory.title(key)}: {column.note}")
    schema = replace(dataset.preprocessing.schema, images=specs)
    return replace(
        dataset,
        inputs=inputs,
        targets=targets,
        notes=(*notes, *dataset.notes),
        preprocessing=replace(dataset.preprocessing, schema=schema),
        masks=masks,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _ColumnFactory:
    """Makes the columns of the files that a table names."""

    source_name: str
    roles: ColumnRoles
    describe_row: Callable[[int], str]
    context: LoadContext

    def title(self, key: str) -> str:
        """Return the name of a column for messages."""
        return self.roles.title(self.roles.inputs[key][0])

    def make_column(self, key: str, files: ExampleFiles) -> FileColumn:
        """Return the column of an input or of a target.

        Raises:
            RunError: if the first file cannot be read.
        """
        config, title = self.roles.files[key], self.title(key)

        def describe(row: int) -> str:
            return f"{title} of {self.describe_row(row)}"

        if isinstance(config, TableImage):
            return self._image_column(key, files, config, describe)
        if isinstance(config, TableVideo):
            return self._video_column(key, files, config, describe)
        column = audio_column(self.source_name, files, config, self.context.opener, describe)
        feature = Feature(column, origin=ColumnOrigin(self.describe_row, (title,)))
        return FileColumn(feature, f"{plural(len(files), config.noun)} of {config}")

    def _image_column(
        self, key: str, files: ExampleFiles, config: TableImage, describe: Callable[[int], str]
    ) -> FileColumn:
        """Return the column of images, of which the first decides what is open."""
        opener = self.context.opener
        try:
            content = read_image(files[0], opener)
            decoder = self._image_decoder(key, content, files[0].name, config)
        except RunError as error:
            raise RunError(f"{describe(0)}: {error}") from None
        is_resizable = config.size is None
        column = image_column(
            self.source_name, files, decoder, opener, describe, is_resizable=is_resizable
        )
        kind = "mask" if config.pixels == "classes" else "image"
        note = image_note(plural(len(files), kind), decoder, config.size)
        return self._pixel_column(key, column, decoder, config, note)

    def _video_column(
        self, key: str, videos: ExampleFiles, config: TableVideo, describe: Callable[[int], str]
    ) -> FileColumn:
        """Return the column of videos, of which the first frame decides what is open."""
        opener = self.context.opener
        try:
            content, name = next(read_frames(videos[0], opener, config))
            decoder = self._image_decoder(key, content, name, config.image)
        except RunError as error:
            raise RunError(f"{describe(0)}: {error}") from None
        column = video_column(self.source_name, videos, decoder, opener, config, describe)
        count = plural(len(videos), config.noun)
        note = f"{count} of {plural(config.frames, 'frame')}, each {decoder}"
        result = self._pixel_column(key, column, decoder, config.image, note)
        hint = "'frames', 'size' and 'channels' of 'video' decide about it"
        return replace(result, feature=replace(result.feature, shape_hint=hint))

    def _pixel_column(
        self, key: str, column: Column, decoder: PixelDecoder, config: ImageConfig, note: str
    ) -> FileColumn:
        """Return a column of images or videos, which are divided if they are inputs of values."""
        origin = ColumnOrigin(self.describe_row, (self.title(key),))
        feature = Feature(column, origin=origin)
        if isinstance(decoder, ImageDecoder):
            feature = decoder.to_feature(column, config.divide_by)
        return FileColumn(feature, note, decoder.spec)

    def _image_decoder(
        self, key: str, content: bytes, name: str, config: ImageConfig
    ) -> PixelDecoder:
        fitted = self.context.fitted.schema.images.get(key) if self.context.fitted else None
        if key in self.roles.target_features or config.pixels == "classes":
            return make_target_decoder(config, content, name, fitted)
        return ImageDecoder.from_first(decode_image(content, name), config, fitted)
