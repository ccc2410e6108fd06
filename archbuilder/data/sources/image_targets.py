"""Targets of a directory of images: other images with the same names, and labels in the names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from archbuilder.config.data_schema import ImageSpec
from archbuilder.config.sources import DataPath, Images, TargetImages
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.columns import Column
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, target_key
from archbuilder.data.sources.class_directories import IMAGE, PathParts, list_all_files
from archbuilder.data.sources.example_files import ExampleFile, ExampleFiles
from archbuilder.data.sources.file_labels import label_of, label_patterns, make_label_column
from archbuilder.data.sources.image_files import image_column, image_note, read_image
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.mask_decoding import make_target_decoder
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.formatting import plural


@dataclass(frozen=True, slots=True, eq=False)
class NamedTargets:
    """The targets of the images of a source, which the names of the images say."""

    partners: Mapping[str, ExampleFiles]
    """Images by output, in the order of those of the input."""
    labels: Mapping[str, Sequence[str]]
    """Labels by output."""

    def select(self, rows: Sequence[int]) -> NamedTargets:
        """Return the targets of some images."""
        return NamedTargets(
            {key: ExampleFiles(each[row] for row in rows) for key, each in self.partners.items()},
            {key: [each[row] for row in rows] for key, each in self.labels.items()},
        )


@dataclass(frozen=True, slots=True, eq=False)
class TargetColumns:
    """Columns of targets by output, with what a run records of them."""

    columns: dict[str, Column] = field(default_factory=dict)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    image_specs: dict[str, ImageSpec] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def target_configs(source: Images) -> Mapping[str, TargetImages]:
    """Return the images that are targets, by output."""
    targets = source.targets
    if targets is None:
        return {}
    return targets if isinstance(targets, Mapping) else {UNNAMED: targets}


def find_targets(
    source: Images, files: ExampleFiles, opener: DataFileOpener, bad_records: BadRecords
) -> tuple[ExampleFiles, NamedTargets]:
    """Return the images that have all targets, and these.

    Images without one, and targets without an image, are added to `bad_records`.

    Raises:
        RunError: if two images have the same name without their suffixes.
    """
    configs = target_configs(source)
    pairs = {
        output: _find_partners(source.directory, files, config, opener)
        for output, config in configs.items()
    }
    patterns = label_patterns(source.label)
    labels = {output: [""] * len(files) for output in patterns}
    complete = []
    for row, file in enumerate(files):
        try:
            for output, (partners, _) in pairs.items():
                if partners[row] is None:
                    raise _missing_partner_error(file, configs[output])
            for output, pattern in patterns.items():
                labels[output][row] = label_of(file, pattern)
        except RunError as error:
            bad_records.add(error)
            continue
        complete.append(row)
    for _, extras in pairs.values():
        for extra in extras:
            text = f"{extra.name} is the target of no image in {quote(source.directory.path, 200)}"
            bad_records.add(RunError(text))
    targets = NamedTargets(
        {
            output: ExampleFiles(filter(None, (partners[row] for row in complete)))
            for output, (partners, _) in pairs.items()
        },
        {output: [words[row] for row in complete] for output, words in labels.items()},
    )
    return ExampleFiles(files[row] for row in complete), targets


def make_target_columns(
    source: Images, name: str, targets: NamedTargets, context: LoadContext
) -> TargetColumns:
    """Return the columns of targets of the source `name`.

    Raises:
        RunError: if the first image of one cannot be read, or a label is not a class of the
            training data.
    """
    columns = TargetColumns()
    schema = context.fitted.schema if context.fitted else None
    for output, config in target_configs(source).items():
        files, key = targets.partners[output], target_key(output)
        first = files[0]
        decoder = make_target_decoder(
            config,
            read_image(first, context.opener),
            first.name,
            schema.images.get(key) if schema else None,
        )
        title = quote(config.directory.path, 200)
        columns.columns[output] = image_column(
            title, files, decoder, context.opener, is_resizable=config.size is None
        )
        columns.image_specs[key] = decoder.spec
        kind = "mask" if config.pixels == "classes" else "image"
        note = image_note(plural(len(files), kind), decoder, config.size)
        columns.notes.append(f"{title}: {note}")
    for output, labels in targets.labels.items():
        column, classes, notes = make_label_column(output, labels, name, context)
        columns.columns[output] = column
        columns.notes.extend(notes)
        if classes is not None:
            columns.classes[output] = classes
    return columns


def _find_partners(
    directory: DataPath,
    files: ExampleFiles,
    config: TargetImages,
    opener: DataFileOpener,
) -> tuple[Sequence[ExampleFile | None], Sequence[ExampleFile]]:
    """Return the target of each image, or None if there is none, and those without an image."""
    directories = opener.match_files(directory)
    target_directories = opener.match_files(config.directory)
    if len(directories) != len(target_directories):
        raise RunError(
            f"{quote(directory.path, 200)} matches {len(directories)} directories, and"
            f" {quote(config.directory.path, 200)} matches {len(target_directories)}"
        )
    by_name: dict[tuple[DataPath, str], ExampleFile] = {}
    for image_directory, target_directory in zip(directories, target_directories, strict=True):
        for _, parts in list_all_files(target_directory, opener, IMAGE).files:
            file = ExampleFile(target_directory, parts)
            first = by_name.setdefault((image_directory, _without_suffix(parts)), file)
            if first is not file:
                raise _same_name_error(first, file)
    partners: list[ExampleFile | None] = []
    names: dict[tuple[DataPath, str], ExampleFile] = {}
    for file in files:
        first = names.setdefault((file.directory, _without_suffix(file.parts)), file)
        if first is not file:
            raise _same_name_error(first, file)
        partners.append(by_name.pop((file.directory, _partner_name(file, config)), None))
    return partners, [*by_name.values()]


def _partner_name(file: ExampleFile, config: TargetImages) -> str:
    parents, stem = file.parts[:-1], PurePath(file.parts[-1]).stem
    return "/".join((*parents, config.name.replace("{}", stem)))


def _without_suffix(parts: PathParts) -> str:
    return "/".join((*parts[:-1], PurePath(parts[-1]).stem))


def _missing_partner_error(file: ExampleFile, config: TargetImages) -> RunError:
    expected = quote(f"{config.directory.path.rstrip('/')}/{_partner_name(file, config)}.*", 200)
    return RunError(f"{file.name} has no target: there is no image {expected}")


def _same_name_error(first: ExampleFile, second: ExampleFile) -> RunError:
    return RunError(
        f"{first.name} and {second.name} have the same name without their suffixes: targets are"
        " found by that"
    )
