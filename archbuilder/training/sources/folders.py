"""The images below a folder, the classes that they belong to, and the files that are not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from archbuilder.errors import RunError, shown
from archbuilder.recipe.sources import IMAGE_ENDINGS, DataFile
from archbuilder.tables import plural
from archbuilder.training.opening import Opener

Way: TypeAlias = tuple[str, ...]
"""The names that lead from the folder to a file."""

_ENDINGS: Final = ", ".join(IMAGE_ENDINGS)
_DEEPEST: Final = 16
"""The folders within each other: links can make a circle of them."""
_SHOWN: Final = 3
_SPLITS: Final = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})


@dataclass(slots=True, eq=False)
class Listing:
    """What lies below the folders of a source."""

    name: str
    """What messages call them."""
    images: list[tuple[DataFile, Way]] = field(default_factory=list)
    """By alphabet; a folder directly below the source's is a class, with all folders in it."""
    classes: dict[str, int] = field(default_factory=dict)
    """The number of images of each class."""
    unread: list[str] = field(default_factory=list)
    """Files that are not images by their names; hidden ones do not count."""
    loose: list[str] = field(default_factory=list)
    """Images beside the folders of classes, which are not read."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be said."""
        if not self.loose:
            return unread_files(self.unread)
        count = plural(len(self.loose), "image")
        loose = f"not read: {count} beside the folders of classes: {_first(self.loose)}"
        return (loose, *unread_files(self.unread))

    def check_classes(self) -> None:
        """Check that every class has an image.

        Raises:
            RunError: if one has none.
        """
        empty = [each for each, count in self.classes.items() if not count]
        if empty and len(self.images[0][1]) > 1:
            raise RunError(
                f"the class {shown(empty[0])} of {self.name} has no images ({_ENDINGS}): add some,"
                " or remove its folder" + "".join(f"; {each}" for each in self.remarks)
            )


def unread_files(names: Sequence[str]) -> tuple[str, ...]:
    """Say that files are not read, if there are some."""
    if not names:
        return ()
    count = plural(len(names), "file")
    return (f"not read: {count} without the ending of an image ({_ENDINGS}): {_first(names)}",)


def is_image(name: str) -> bool:
    """Whether a file is an image by its name."""
    return name.lower().endswith(IMAGE_ENDINGS)


def list_images(source: DataFile, opener: Opener) -> Listing:
    """List the images in the folders of classes or, where there are none, in the folder itself.

    Raises:
        BlueprintError: if a blueprint names a folder that it may not.
        RunError: if there is no image, or the folders of classes are those of a training and a
            validation set.
    """
    listing = Listing(shown(source.path, 200))
    folders = opener.each(source)
    loose: list[tuple[DataFile, tuple[str]]] = []
    for folder in folders:
        for name in _visible(opener.names(folder) or ()):
            if is_image(name):
                loose.append((folder, (name,)))
                continue
            names = opener.names(folder, name)
            if names is None:
                listing.unread.append(name)
            else:
                ways = [*_below(folder, (name,), names, opener, listing)]
                listing.images += [(folder, way) for way in ways]
                listing.classes[name] = listing.classes.get(name, 0) + len(ways)
    if not listing.images and not loose:
        raise RunError(
            f"{listing.name} has no images ({_ENDINGS}), nor folders that have some"
            + "".join(f"; {each}" for each in listing.remarks)
        )
    if listing.images:
        listing.loose += [name for _, (name,) in loose]
    else:
        listing.images = [(folder, (name,)) for folder, (name,) in loose]
    _check_splits(listing)
    return listing


def list_all_images(folder: DataFile, opener: Opener) -> Listing:
    """List the images in a folder and in all folders within it, whatever their classes.

    Raises:
        BlueprintError: if a blueprint names a folder that it may not.
        RunError: if the folder cannot be read.
    """
    listing = Listing(shown(folder.path, 200))
    ways = _below(folder, (), opener.names(folder) or (), opener, listing)
    listing.images = [(folder, way) for way in ways]
    return listing


def _below(
    folder: DataFile, way: Way, names: Sequence[str], opener: Opener, listing: Listing
) -> Iterator[Way]:
    """The images in a folder and in the folders within it; notes the other files."""
    if len(way) > _DEEPEST:
        place = shown("/".join((folder.path, *way)), 200)
        raise RunError(f"{place} lies more than {_DEEPEST} folders deep: is it a link to itself?")
    for name in _visible(names):
        if is_image(name):
            yield *way, name
            continue
        inner = opener.names(folder, *way, name)
        if inner is None:
            listing.unread.append("/".join((*way, name)))
        else:
            yield from _below(folder, (*way, name), inner, opener, listing)


def _first(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")


def _visible(names: Sequence[str]) -> list[str]:
    return [each for each in names if not each.startswith(".")]


def _check_splits(listing: Listing) -> None:
    """Refuse to take a training set and a validation set for two classes."""
    nested = all(len(way) > 2 for _, way in listing.images)
    if nested and len(listing.classes) > 1 and _SPLITS.issuperset(map(str.lower, listing.classes)):
        first, second, *_ = (f"{each}: {{images: ...}}" for each in ("train", "validation"))
        raise RunError(
            f"{listing.name} has the folders {', '.join(map(shown, listing.classes))}, which are"
            f" not classes: name each as a set of its own, as in 'data: {{{first}, {second}}}'"
        )
