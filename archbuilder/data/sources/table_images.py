"""Images that a column of a table names: their check while the table is read, and their column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from archbuilder.config.sources import DataPath
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.data.source_dataset import Feature, SourceDataset
from archbuilder.data.sources.column_roles import ColumnRoles
from archbuilder.data.sources.image_decoding import ImageDecoder, decode_image
from archbuilder.data.sources.image_files import ImageFile, ImageFiles, image_column, image_file
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.mask_decoding import PixelDecoder, decode_mask, make_target_decoder
from archbuilder.diagnostics.errors import RunError
from archbuilder.formatting import plural


@dataclass(frozen=True, slots=True, eq=False)
class TableImages:
    """The images that one file of a table names."""

    file: DataPath
    roles: ColumnRoles
    bad_records: BadRecords
    context: LoadContext

    @property
    def directory(self) -> DataPath:
        """The directory of the table, to which names are relative."""
        return DataPath(str(PurePath(self.file.path).parent), self.file.span)

    def check(self, names: Mapping[str, str | None], location: str) -> None:
        """Check that the images of a row can be read; `names` are those by input.

        Pixels are decoded only if bad rows are skipped: their number is needed before training.

        Raises:
            RunError: if a name leads out of the directory, there is no such file, or it is damaged.
        """
        for key, config in self.roles.images.items():
            title = self.roles.title(self.roles.inputs[key][0])
            try:
                file = image_file(config, self.directory, names[key] or "")
                if self.bad_records.on_error == "skip":
                    decode = decode_mask if config.pixels == "classes" else decode_image
                    decode(file.read(self.context.opener), file.name)
                with self.context.opener.open_file(file.directory, *file.parts):
                    pass
            except RunError as error:
                raise RunError(f"{title} of {location}: {error}") from None


def add_images(
    dataset: SourceDataset,
    files: Mapping[str, ImageFiles],
    roles: ColumnRoles,
    describe_row: Callable[[int], str],
    context: LoadContext,
) -> SourceDataset:
    """Add the images of a table to its other columns, as inputs and targets.

    `describe_row` returns the location of an example by its index.

    Raises:
        RunError: if the first image of a column cannot be read.
    """
    inputs, targets = {**dataset.inputs}, {**dataset.targets}
    specs, notes = {**dataset.preprocessing.schema.images}, []
    for key, column_files in files.items():
        title = roles.title(roles.inputs[key][0])

        def describe(row: int, title: str = title) -> str:
            return f"{title} of {describe_row(row)}"

        try:
            decoder = _decoder(key, column_files[0], roles, context)
        except RunError as error:
            raise RunError(f"{describe(0)}: {error}") from None
        output, config = roles.target_features.get(key), roles.images[key]
        column = image_column(
            dataset.source_name,
            column_files,
            decoder,
            context.opener,
            describe,
            is_resizable=config.size is None,
        )
        if output is not None:
            targets[output] = column
        elif isinstance(decoder, ImageDecoder):
            inputs[key] = decoder.to_feature(column, config.divide_by)
        else:
            inputs[key] = Feature(column, origin=ColumnOrigin(describe_row, (title,)))
        specs[key] = decoder.spec
        kind = "mask" if config.pixels == "classes" else "image"
        notes.append(f"{title}: {plural(len(column_files), kind)} of {decoder}")
    schema = replace(dataset.preprocessing.schema, images=specs)
    return replace(
        dataset,
        inputs=inputs,
        targets=targets,
        notes=(*notes, *dataset.notes),
        preprocessing=replace(dataset.preprocessing, schema=schema),
    )


def _decoder(key: str, first: ImageFile, roles: ColumnRoles, context: LoadContext) -> PixelDecoder:
    """Return the decoder of an input or of a target, whose first image decides what is open."""
    config, content = roles.images[key], first.read(context.opener)
    fitted = context.fitted.schema.images.get(key) if context.fitted else None
    if key in roles.target_features or config.pixels == "classes":
        return make_target_decoder(config, content, first.name, fitted)
    return ImageDecoder.from_first(decode_image(content, first.name), config, fitted)
