"""The images below a folder, the classes that they belong to, and the files that are not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from archbuilder.config.sources import IMAGE_SUFFIXES, DataPath
from archbuilder.data.file_access import DataFileOpener
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.formatting import plural

PathParts: TypeAlias = tuple[str, ...]
"""The names that lead from the folder to a file."""

_SUFFIXES_TEXT: Final = ", ".join(IMAGE_SUFFIXES)
_MAX_DEPTH: Final = 16
"""The folders within each other: links can make a circle of them."""
_MAX_NAMES: Final = 3
_SPLIT_NAMES: Final = frozenset(
    {"train", "training", "val", "valid", "validation", "test", "testing"}
)


@dataclass(slots=True, eq=False)
class ImageListing:
    """What lies below the folders of a source."""

    name: str
    """What messages call them."""
    images: list[tuple[DataPath, PathParts]] = field(default_factory=list)
    """By alphabet; a folder directly below the source's is a class, with all folders in it."""
    class_counts: dict[str, int] = field(default_factory=dict)
    """The number of images of each class."""
    other_files: list[str] = field(default_factory=list)
    """Files that are not images by their names; hidden ones do not count."""
    unclassified_images: list[str] = field(default_factory=list)
    """Images beside the folders of classes, which are not read."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said."""
        if not self.unclassified_images:
            return other_files_notes(self.other_files)
        count = plural(len(self.unclassified_images), "image")
        note = (
            f"not read: {count} beside the folders of classes:"
            f" {_first_names(self.unclassified_images)}"
        )
        return (note, *other_files_notes(self.other_files))

    def check_classes(self) -> None:
        """Check that every class has an image.

        Raises:
            RunError: if one has none.
        """
        empty = [each for each, count in self.class_counts.items() if not count]
        if empty and len(self.images[0][1]) > 1:
            raise RunError(
                f"the class {quote(empty[0])} of {self.name} has no images ({_SUFFIXES_TEXT}):"
                " add some,"
                " or remove its folder" + "".join(f"; {each}" for each in self.notes)
            )


def other_files_notes(names: Sequence[str]) -> tuple[str, ...]:
    """Say that files are not read, if there are some."""
    if not names:
        return ()
    count = plural(len(names), "file")
    return (
        (
            f"not read: {count} without the ending of an image ({_SUFFIXES_TEXT}):"
            f" {_first_names(names)}"
        ),
    )


def has_image_suffix(name: str) -> bool:
    """Whether a file is an image by its name."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def list_images(source: DataPath, opener: DataFileOpener) -> ImageListing:
    """List the images in the folders of classes or, where there are none, in the folder itself.

    Raises:
        BlueprintError: if a blueprint names a folder that it may not.
        RunError: if there is no image, or the folders of classes are those of a training and a
            validation set.
    """
    listing = ImageListing(quote(source.path, 200))
    folders = opener.match_files(source)
    root_images: list[tuple[DataPath, tuple[str]]] = []
    for folder in folders:
        for name in _without_hidden(opener.list_dir(folder) or ()):
            if has_image_suffix(name):
                root_images.append((folder, (name,)))
                continue
            names = opener.list_dir(folder, name)
            if names is None:
                listing.other_files.append(name)
            else:
                paths = [*_iter_images(folder, (name,), names, opener, listing)]
                listing.images += [(folder, parts) for parts in paths]
                listing.class_counts[name] = listing.class_counts.get(name, 0) + len(paths)
    if not listing.images and not root_images:
        raise RunError(
            f"{listing.name} has no images ({_SUFFIXES_TEXT}), nor folders that have some"
            + "".join(f"; {each}" for each in listing.notes)
        )
    if listing.images:
        listing.unclassified_images += [name for _, (name,) in root_images]
    else:
        listing.images = [(folder, (name,)) for folder, (name,) in root_images]
    _check_splits(listing)
    return listing


def list_all_images(folder: DataPath, opener: DataFileOpener) -> ImageListing:
    """List the images in a folder and in all folders within it, whatever their classes.

    Raises:
        BlueprintError: if a blueprint names a folder that it may not.
        RunError: if the folder cannot be read.
    """
    listing = ImageListing(quote(folder.path, 200))
    paths = _iter_images(folder, (), opener.list_dir(folder) or (), opener, listing)
    listing.images = [(folder, parts) for parts in paths]
    return listing


def _iter_images(
    folder: DataPath,
    parts: PathParts,
    names: Sequence[str],
    opener: DataFileOpener,
    listing: ImageListing,
) -> Iterator[PathParts]:
    """The images in a folder and in the folders within it; notes the other files."""
    if len(parts) > _MAX_DEPTH:
        path = quote("/".join((folder.path, *parts)), 200)
        raise RunError(f"{path} lies more than {_MAX_DEPTH} folders deep: is it a link to itself?")
    for name in _without_hidden(names):
        if has_image_suffix(name):
            yield *parts, name
            continue
        children = opener.list_dir(folder, *parts, name)
        if children is None:
            listing.other_files.append("/".join((*parts, name)))
        else:
            yield from _iter_images(folder, (*parts, name), children, opener, listing)


def _first_names(names: Sequence[str]) -> str:
    return ", ".join(map(quote, names[:_MAX_NAMES])) + (", ..." if len(names) > _MAX_NAMES else "")


def _without_hidden(names: Sequence[str]) -> list[str]:
    return [each for each in names if not each.startswith(".")]


def _check_splits(listing: ImageListing) -> None:
    """Refuse to take a training set and a validation set for two classes."""
    nested = all(len(parts) > 2 for _, parts in listing.images)
    if (
        nested
        and len(listing.class_counts) > 1
        and _SPLIT_NAMES.issuperset(map(str.lower, listing.class_counts))
    ):
        first, second, *_ = (f"{each}: {{images: ...}}" for each in ("train", "validation"))
        raise RunError(
            f"{listing.name} has the folders {', '.join(map(quote, listing.class_counts))},"
            " which are"
            f" not classes: name each as a set of its own, as in 'data: {{{first}, {second}}}'"
        )
