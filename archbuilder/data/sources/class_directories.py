"""Directories of example files: the files of one kind, their classes, and those not read."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import numpy as np

from archbuilder.config.data_schema import DatasetSchema
from archbuilder.config.sources import (
    AUDIO_SUFFIXES,
    IMAGE_SUFFIXES,
    TEXT_SUFFIXES,
    Audio,
    DataPath,
    Images,
    TextFiles,
    Videos,
)
from archbuilder.data.columns import ArrayColumn, Column
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, FittedPreprocessing, SourceDataset
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.formatting import plural

PathParts: TypeAlias = tuple[str, ...]
"""The path of a file, relative to the source's directory."""

_MAX_DEPTH: Final = 16
"""Depth of nested directories. Links in a directory that the user names may form a cycle."""
_MAX_NAMES: Final = 3
# Nine digits fit into int64.
_CLASS_NUMBER: Final = re.compile("[0-9]{1,9}")
"""Name of a directory that is the index of its class."""
_SPLIT_NAMES: Final = frozenset(
    {"train", "training", "val", "valid", "validation", "test", "testing"}
)


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of example files, which their suffix tells from others."""

    noun: str
    source: str
    """The key of the source that reads them."""
    suffixes: tuple[str, ...]
    """In lower case."""

    @property
    def plural_noun(self) -> str:
        """The plural of the noun."""
        return f"{self.noun}s"

    @property
    def with_article(self) -> str:
        """The noun after its indefinite article."""
        return f"{'an' if self.noun[0] in 'aeiou' else 'a'} {self.noun}"

    @property
    def suffix_list(self) -> str:
        """The suffixes, for messages."""
        return ", ".join(self.suffixes)

    def includes(self, name: str) -> bool:
        """Return whether a file name has one of the suffixes."""
        return name.lower().endswith(self.suffixes)


IMAGE: Final = FileKind("image", Images.key, IMAGE_SUFFIXES)
TEXT: Final = FileKind("text", TextFiles.key, TEXT_SUFFIXES)
VIDEO: Final = FileKind("video", Videos.key, IMAGE_SUFFIXES)
RECORDING: Final = FileKind("recording", Audio.key, AUDIO_SUFFIXES)


@dataclass(slots=True, eq=False)
class DirectoryListing:
    """The files of a kind below the directories of a source."""

    name: str
    """The source, for messages."""
    kind: FileKind
    files: list[tuple[DataPath, PathParts]] = field(default_factory=list)
    """Files in alphabetical order. The first part of a path is the class, if there are several."""
    class_counts: dict[str, int] = field(default_factory=dict)
    """Number of files by class; 0 for a directory without files of the kind."""
    skipped_files: list[str] = field(default_factory=list)
    """Files of other kinds; hidden files are not listed."""
    unclassified_files: list[str] = field(default_factory=list)
    """Files next to class directories. They have no class, and are not read."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Messages for the user about files that are not read."""
        notes: list[str] = []
        if self.unclassified_files:
            count = plural(len(self.unclassified_files), self.kind.noun)
            notes.append(
                f"skipped {count} outside the class directories:"
                f" {_first_names(self.unclassified_files)}"
            )
        if self.skipped_files:
            count = plural(len(self.skipped_files), "file")
            notes.append(
                f"skipped {count} without {self.kind.with_article} suffix"
                f" ({self.kind.suffix_list}): {_first_names(self.skipped_files)}"
            )
        return tuple(notes)

    def check_classes(self) -> None:
        """Check that every class has a file.

        Raises:
            RunError: if a class has none.
        """
        empty = [each for each, count in self.class_counts.items() if not count]
        if empty and len(self.files[0][1]) > 1:
            raise RunError(
                f"the class {quote(empty[0])} of {self.name} has no {self.kind.plural_noun}"
                f" ({self.kind.suffix_list}): add some, or remove its directory"
                + "".join(f"; {each}" for each in self.notes)
            )


@dataclass(frozen=True, slots=True)
class DirectoryClasses:
    """The classes that directories stand for."""

    names: tuple[str, ...] = ()
    """Names by class index; empty if the classes of the training data are numbers."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """Class indices by directory."""
    error: str = ""
    """Why the directories are not classes. A run may need none, so it is not raised yet."""

    @classmethod
    def from_listing(
        cls, listing: DirectoryListing, fitted: DatasetSchema | None
    ) -> DirectoryClasses:
        """Number the directories as in the training data, or in their order if these are it."""
        if len(listing.files[0][1]) == 1:
            return cls()
        names = fitted.classes_for(UNNAMED) if fitted else tuple(listing.class_counts)
        if names:
            return cls(names, {each: number for number, each in enumerate(names)})
        for name in listing.class_counts:
            if not _CLASS_NUMBER.fullmatch(name):
                return cls(
                    error=f"{listing.name} has a directory {quote(name)}, but the classes of the"
                    " training data are numbers without names: name each directory by the number"
                    " of its class"
                )
        return cls(numbers={each: int(each) for each in sorted(listing.class_counts, key=int)})

    def notes(self) -> list[str]:
        """Return the index of the first classes, for the user; nothing if there are none."""
        if not self.numbers:
            return []
        pairs = itertools.islice(self.numbers.items(), 10)
        examples = ", ".join(f"{quote(name)} = {number}" for name, number in pairs)
        return [f"{plural(len(self.numbers), 'class', 'classes')}: {examples}"]

    def targets(
        self, listing: DirectoryListing, files: Iterable[PathParts], *, all_needed: bool
    ) -> dict[str, Column]:
        """Return the class indices of files as the only target; nothing without classes.

        Raises:
            RunError: if a class is unknown or, with `all_needed`, has no file.
        """
        if not self.numbers:
            return {}
        directories = [parts[0] for parts in files]
        present = {*directories}
        unknown = sorted(present - set(self.numbers))
        if unknown:
            raise RunError(
                f"{listing.name} has a directory {quote(unknown[0])}, which is not a class of the"
                f" training {listing.kind.plural_noun}"
            )
        missing = [each for each in self.numbers if each not in present]
        if missing and all_needed:
            raise RunError(
                f"no {listing.kind.noun} of the class {quote(missing[0])} of {listing.name} can be"
                " read"
            )
        return {UNNAMED: ArrayColumn(np.array([self.numbers[each] for each in directories]))}


def with_classes(
    dataset: SourceDataset,
    listing: DirectoryListing,
    files: Iterable[PathParts],
    fitted: FittedPreprocessing | None,
) -> SourceDataset:
    """Return a dataset of files with the classes of their directories as the only target.

    `files` are those that could be read. The classes are recorded, so that other data gets the same
    indices.

    Raises:
        RunError: if a class is unknown or, in training data, has no file that can be read.
    """
    classes = DirectoryClasses.from_listing(listing, fitted.schema if fitted else None)
    schema = dataset.preprocessing.schema
    if classes.names:
        schema = replace(schema, classes={**schema.classes, UNNAMED: classes.names})
    kind = listing.kind
    return replace(
        dataset,
        targets=classes.targets(listing, files, all_needed=fitted is None),
        notes=(*dataset.notes, *classes.notes()),
        preprocessing=replace(dataset.preprocessing, schema=schema),
        missing_targets=classes.error,
        target_description=f"the class of {kind.with_article}",
        target_hint=f"put the {kind.plural_noun} of each class into a subdirectory, as in"
        f" DIR/cat/1{kind.suffixes[0]}",
    )


def list_files(
    source: DataPath, opener: DataFileOpener, kind: FileKind, classes: Sequence[str] = ()
) -> DirectoryListing:
    """List the files in class directories or, if these contain none, in the directory itself.

    A class is a directory directly below the source's, with all directories in it. With `classes`,
    only these are listed.

    Raises:
        BlueprintError: if a blueprint names a directory that it may not read.
        RunError: if there are no files of the kind, there is no directory of a class, or the class
            directories are those of a training set and a validation set.
    """
    listing = DirectoryListing(quote(source.path, 200), kind)
    root_files: list[tuple[DataPath, tuple[str]]] = []
    counts: dict[str, int] = {}
    for directory in opener.match_files(source):
        for name in _without_hidden(opener.list_dir(directory) or ()):
            if kind.includes(name):
                root_files.append((directory, (name,)))
                continue
            # None means that it is a file.
            names = opener.list_dir(directory, name)
            if names is None:
                listing.skipped_files.append(name)
            elif not classes or name in classes:
                paths = [*_iter_files(directory, (name,), names, opener, listing)]
                listing.files += [(directory, parts) for parts in paths]
                counts[name] = counts.get(name, 0) + len(paths)
    missing = [each for each in classes if each not in counts]
    if missing:
        raise RunError(f"{listing.name} has no directory of the class {quote(missing[0])}")
    listing.class_counts = {each: counts[each] for each in classes or sorted(counts)}
    if not listing.files and not root_files:
        raise RunError(
            f"{listing.name} has no {kind.plural_noun} ({kind.suffix_list}), and no subdirectories"
            f" with {kind.plural_noun}" + "".join(f"; {each}" for each in listing.notes)
        )
    # A directory has either classes or plain files; which one is known only after the last name.
    if listing.files:
        listing.unclassified_files += [name for _, (name,) in root_files]
    else:
        listing.files = [(directory, (name,)) for directory, (name,) in root_files]
    _check_no_splits(listing)
    return listing


def _check_no_splits(listing: DirectoryListing) -> None:
    """Check that the classes are not the directories of a training set and a validation set."""
    # Only if each of them has directories of its own: a class may be called "test".
    is_nested = all(len(parts) > 2 for _, parts in listing.files)
    class_names = listing.class_counts
    if is_nested and len(class_names) > 1 and _SPLIT_NAMES.issuperset(map(str.lower, class_names)):
        source = listing.kind.source
        first, second = (f"{each}: {{{source}: ...}}" for each in ("train", "validation"))
        raise RunError(
            f"{listing.name} has the directories {', '.join(map(quote, class_names))},"
            f" which are not classes: write 'data: {{{first}, {second}}}'"
        )


def list_unclassified_files(
    source: DataPath, opener: DataFileOpener, kind: FileKind
) -> DirectoryListing:
    """List the files in the directories of a source and below them, without classes.

    Raises:
        BlueprintError: if a blueprint names a directory that it may not read.
        RunError: if there are no files of the kind.
    """
    listing = DirectoryListing(quote(source.path, 200), kind)
    for directory in opener.match_files(source):
        files = list_all_files(directory, opener, kind)
        listing.files += files.files
        listing.skipped_files += files.skipped_files
    if not listing.files:
        raise RunError(
            f"{listing.name} has no {kind.plural_noun} ({kind.suffix_list})"
            + "".join(f"; {each}" for each in listing.notes)
        )
    return listing


def list_all_files(directory: DataPath, opener: DataFileOpener, kind: FileKind) -> DirectoryListing:
    """List the files in a directory and in all directories below it, without classes.

    Raises:
        BlueprintError: if a blueprint names a directory that it may not read.
        RunError: if the directory cannot be read.
    """
    listing = DirectoryListing(quote(directory.path, 200), kind)
    paths = _iter_files(directory, (), opener.list_dir(directory) or (), opener, listing)
    listing.files = [(directory, parts) for parts in paths]
    return listing


def _iter_files(
    directory: DataPath,
    parts: PathParts,
    names: Sequence[str],
    opener: DataFileOpener,
    listing: DirectoryListing,
) -> Iterator[PathParts]:
    """Yield the files of the kind in a directory and below it; add others to `listing`."""
    if len(parts) > _MAX_DEPTH:
        path = quote("/".join((directory.path, *parts)), 200)
        raise RunError(
            f"{path} is nested more than {_MAX_DEPTH} directories deep: is it a link to itself?"
        )
    for name in _without_hidden(names):
        if listing.kind.includes(name):
            yield *parts, name
            continue
        children = opener.list_dir(directory, *parts, name)
        if children is None:
            listing.skipped_files.append("/".join((*parts, name)))
        else:
            yield from _iter_files(directory, (*parts, name), children, opener, listing)


def _first_names(names: Sequence[str]) -> str:
    return ", ".join(map(quote, names[:_MAX_NAMES])) + (", ..." if len(names) > _MAX_NAMES else "")


def _without_hidden(names: Sequence[str]) -> list[str]:
    # macOS leaves `.DS_Store`, and on other file systems `._NAME` beside every file.
    return [each for each in names if not each.startswith(".")]
