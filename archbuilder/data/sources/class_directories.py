"""Listing of image directories: the images, their classes, and the files that are not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from archbuilder.config.sources import IMAGE_SUFFIXES, DataPath
from archbuilder.data.file_access import DataFileOpener
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.formatting import plural

PathParts: TypeAlias = tuple[str, ...]
"""The path of a file, relative to the source's directory."""

_SUFFIXES_TEXT: Final = ", ".join(IMAGE_SUFFIXES)
_MAX_DEPTH: Final = 16
"""Depth of nested directories. Links in a directory that the user names may form a cycle."""
_MAX_NAMES: Final = 3
_SPLIT_NAMES: Final = frozenset(
    {"train", "training", "val", "valid", "validation", "test", "testing"}
)


@dataclass(slots=True, eq=False)
class ImageListing:
    """The files below the directories of a source."""

    name: str
    """The source, for messages."""
    images: list[tuple[DataPath, PathParts]] = field(default_factory=list)
    """Images in alphabetical order. The first part of a path is the class, if there are several."""
    class_counts: dict[str, int] = field(default_factory=dict)
    """Number of images by class; 0 for a directory without images."""
    skipped_files: list[str] = field(default_factory=list)
    """Files without the suffix of an image; hidden files are not listed."""
    unclassified_images: list[str] = field(default_factory=list)
    """Images next to class directories. They have no class, and are not read."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Messages for the user about files that are not read."""
        notes: list[str] = []
        if self.unclassified_images:
            count = plural(len(self.unclassified_images), "image")
            notes.append(
                f"skipped {count} outside the class directories:"
                f" {_first_names(self.unclassified_images)}"
            )
        if self.skipped_files:
            count = plural(len(self.skipped_files), "file")
            notes.append(
                f"skipped {count} without an image suffix ({_SUFFIXES_TEXT}):"
                f" {_first_names(self.skipped_files)}"
            )
        return tuple(notes)

    def check_classes(self) -> None:
        """Check that every class has an image.

        Raises:
            RunError: if a class has none.
        """
        empty = [each for each, count in self.class_counts.items() if not count]
        if empty and len(self.images[0][1]) > 1:
            raise RunError(
                f"the class {quote(empty[0])} of {self.name} has no images ({_SUFFIXES_TEXT}):"
                " add some,"
                " or remove its directory" + "".join(f"; {each}" for each in self.notes)
            )


def has_image_suffix(name: str) -> bool:
    """Return whether a file name has the suffix of an image."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def list_images(source: DataPath, opener: DataFileOpener) -> ImageListing:
    """List the images in class directories or, if these contain none, in the directory itself.

    A class is a directory directly below the source's, with all directories in it.

    Raises:
        BlueprintError: if a blueprint names a directory that it may not read.
        RunError: if there are no images, or the class directories are those of a training set and a
            validation set.
    """
    listing = ImageListing(quote(source.path, 200))
    directories = opener.match_files(source)
    root_images: list[tuple[DataPath, tuple[str]]] = []
    for directory in directories:
        for name in _without_hidden(opener.list_dir(directory) or ()):
            if has_image_suffix(name):
                root_images.append((directory, (name,)))
                continue
            # None means that it is a file.
            names = opener.list_dir(directory, name)
            if names is None:
                listing.skipped_files.append(name)
            else:
                paths = [*_iter_images(directory, (name,), names, opener, listing)]
                listing.images += [(directory, parts) for parts in paths]
                listing.class_counts[name] = listing.class_counts.get(name, 0) + len(paths)
    if not listing.images and not root_images:
        raise RunError(
            f"{listing.name} has no images ({_SUFFIXES_TEXT}), and no subdirectories with images"
            + "".join(f"; {each}" for each in listing.notes)
        )
    # A directory has either classes or plain images; which one is known only after the last name.
    if listing.images:
        listing.unclassified_images += [name for _, (name,) in root_images]
    else:
        listing.images = [(directory, (name,)) for directory, (name,) in root_images]
    # Only if each of them has directories of its own: a class may be called "test".
    is_nested = all(len(parts) > 2 for _, parts in listing.images)
    class_names = listing.class_counts
    if is_nested and len(class_names) > 1 and _SPLIT_NAMES.issuperset(map(str.lower, class_names)):
        first, second, *_ = (f"{each}: {{images: ...}}" for each in ("train", "validation"))
        raise RunError(
            f"{listing.name} has the directories {', '.join(map(quote, class_names))},"
            f" which are not classes: write 'data: {{{first}, {second}}}'"
        )
    return listing


def list_all_images(directory: DataPath, opener: DataFileOpener) -> ImageListing:
    """List the images in a directory and in all directories below it, without classes.

    Raises:
        BlueprintError: if a blueprint names a directory that it may not read.
        RunError: if the directory cannot be read.
    """
    listing = ImageListing(quote(directory.path, 200))
    paths = _iter_images(directory, (), opener.list_dir(directory) or (), opener, listing)
    listing.images = [(directory, parts) for parts in paths]
    return listing


def _iter_images(
    directory: DataPath,
    parts: PathParts,
    names: Sequence[str],
    opener: DataFileOpener,
    listing: ImageListing,
) -> Iterator[PathParts]:
    """Yield the images in a directory and below it, and add other files to `listing`."""
    if len(parts) > _MAX_DEPTH:
        path = quote("/".join((directory.path, *parts)), 200)
        raise RunError(
            f"{path} is nested more than {_MAX_DEPTH} directories deep: is it a link to itself?"
        )
    for name in _without_hidden(names):
        if has_image_suffix(name):
            yield *parts, name
            continue
        children = opener.list_dir(directory, *parts, name)
        if children is None:
            listing.skipped_files.append("/".join((*parts, name)))
        else:
            yield from _iter_images(directory, (*parts, name), children, opener, listing)


def _first_names(names: Sequence[str]) -> str:
    return ", ".join(map(quote, names[:_MAX_NAMES])) + (", ..." if len(names) > _MAX_NAMES else "")


def _without_hidden(names: Sequence[str]) -> list[str]:
    # macOS leaves `.DS_Store`, and on other file systems `._NAME` beside every file.
    return [each for each in names if not each.startswith(".")]
