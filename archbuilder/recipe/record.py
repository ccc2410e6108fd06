"""A recipe as plain data, for the record of a run, and back."""

from __future__ import annotations

import dataclasses
import os
import shlex
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, cast

from archbuilder.errors import UsageError, shown
from archbuilder.escaping import for_terminal
from archbuilder.graph import Graph
from archbuilder.json_files import JsonError, JsonObject
from archbuilder.limits import Limits
from archbuilder.places import Place, reason
from archbuilder.recipe.given import data_from_path, names_path
from archbuilder.recipe.legend import Legend, decode_legend
from archbuilder.recipe.objectives import FORMS
from archbuilder.recipe.reading import decode_recipe
from archbuilder.recipe.sources import DataFile, DataSource, DataSpec, Tfds
from archbuilder.recipe.spec import TrainingSpec
from archbuilder.recipe.training import ALWAYS
from archbuilder.tree import Mapping as MappingTree
from archbuilder.tree import Plain, Scalar, Source, Span, from_plain, plain
from archbuilder.tree import Sequence as SequenceTree

RECORD: Final = "run.json"
"""The file of a run that has it."""
BLUEPRINT: Final = "blueprint.yaml"
"""The file of a run that has the blueprint with everything resolved."""

_Fields: TypeAlias = dict[str, Plain]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a run was begun with."""

    data: DataSpec
    training: TrainingSpec
    allow: tuple[Path, ...]
    """Folders that its data files may lie in, beside their own."""
    legend: Legend = field(default_factory=Legend)
    """What the columns and classes mean that it was trained on."""
    digest: str | None = None
    """What tells whether its data is still the same."""
    forbidden: tuple[Path, ...] = ()
    """Where its data lies by the word of another person, and the user does not allow it."""

    def check_data(self) -> None:
        """Check that the data may be read. Other uses of a run do not need it.

        Raises:
            UsageError: if another person chose where it lies.
        """
        if self.forbidden:
            path = self.forbidden[0]
            folder = next(each for each in (path, *path.absolute().parents) if each.is_dir())
            raise UsageError(
                f"the record of the run says that its data is {shown(str(path), 200)}, and another"
                " user may have written that: if you trust it, add"
                f" --allow {shlex.quote(for_terminal(str(folder)))}"
            )


def encode_recipe(data: DataSpec, training: TrainingSpec, allow: Sequence[Path]) -> _Fields:
    """A recipe as plain data: what `decode_record` takes."""
    return {
        **({} if data.given is None else {"given": data.given}),
        "data": {
            name: _source(source)
            for name, source in (("train", data.train), ("validation", data.validation))
            if source is not None
        },
        "folder": str((data.folder or Path()).absolute()),
        "allow": [str(folder.absolute()) for folder in allow],
        "training": _training(training),
    }


def read_record(
    run: Path, graphs: Mapping[str, Graph], limits: Limits, *, allow: Sequence[Path] = ()
) -> Recorded:
    """The recipe in the folder of a run, for its networks.

    The record says where data lies. Where another user may have written it, `Recorded.forbidden`
    has what of that is neither in the folder of the run nor in one that the user allows.

    Raises:
        UsageError: if there is no record of a run, or it is damaged.
        BlueprintError: with the mistakes in it.
    """
    place = Place(run).inside(RECORD)
    name = shown(str(place.path), 200)
    try:
        fields = JsonObject.read(place)
        recipe = fields.object("recipe")
        legend = decode_legend(fields.get("legend"))
        folder, recorded_allow = recipe.path("folder"), recipe.paths("allow")
        given = recipe.text("given") if "given" in recipe.values else None
        training = recipe.object("training")
    except OSError as error:
        raise UsageError(
            f"{shown(str(run), 200)} is not the folder of a run: {RECORD}: {reason(error)}"
        ) from None
    except JsonError as error:
        raise UsageError(f"{name} is not the record of a run: {error}") from None
    # Nobody wrote the record: a mistake in it has its path, and no line to show.
    span = Span(Source(str(place.path), ""), 1, 1, 1, 2)
    tree = from_plain(recipe.get("data"), span) if "data" in recipe.values else None
    decoded = decode_recipe(tree, from_plain({**training.values}, span), graphs, limits)
    # Files are looked for where they were, not beside the record.
    data = None if decoded.data is None else dataclasses.replace(decoded.data, folder=folder)
    own = _is_own(Place(run))
    forbidden = () if own else _outside(_places(data, given, (folder, *recorded_allow)), run, allow)
    # Data sets lie in a folder of the user's, which another person's word does not open.
    if given is not None and (own or (names_path(given) and not forbidden)):
        data = dataclasses.replace(data_from_path(given, data), folder=folder)
    if data is None or decoded.training is None:
        raise UsageError(f"{name} does not say what the run trains on")
    digest = fields.get("data")
    same = digest if isinstance(digest, str) else None
    return Recorded(data, decoded.training, recorded_allow, legend, same, forbidden)


def read_legend(run: Path) -> Legend:
    """Return what the columns and classes of a run mean; an empty legend if there is no record.

    Raises:
        UsageError: if the record is damaged.
    """
    place = Place(run).inside(RECORD)
    if not place.path.is_file():
        return Legend()
    try:
        return decode_legend(JsonObject.read(place).get("legend"))
    except (OSError, JsonError) as error:
        name = shown(str(place.path), 200)
        raise UsageError(f"{name} is not the record of a run: {error}") from None


def _is_own(run: Place) -> bool:
    """Whether nobody but the user, and root, can have written the record of a run."""
    for status in (run.inside(RECORD).status(), run.root.stat()):
        if status is None or status.st_uid not in (os.geteuid(), 0):
            return False
        if status.st_mode & stat.S_IWOTH:
            return False
    return True


def _places(data: DataSpec | None, given: str | None, folders: Sequence[Path]) -> Sequence[Path]:
    """The folders and files that the data may be read from."""
    if given is not None and names_path(given):
        return (Path(given),)
    sources = () if data is None else (data.train, data.validation)
    return folders if any(_names_files(each) for each in sources) else ()


def _names_files(value: object) -> bool:
    """Whether a source, or a part of it, names a file."""
    if isinstance(value, DataFile):
        return True
    if isinstance(value, Mapping):
        return any(map(_names_files, value.values()))
    if not dataclasses.is_dataclass(value):
        return False
    return any(_names_files(getattr(value, each.name)) for each in dataclasses.fields(value))


def _outside(paths: Sequence[Path], run: Path, allow: Sequence[Path]) -> tuple[Path, ...]:
    """Those that lie neither in the folder of the run nor in one that the user allows."""
    folders = [folder.resolve() for folder in (run, *allow)]
    return tuple(
        path for path in paths if not any(path.resolve().is_relative_to(each) for each in folders)
    )


def _training(spec: TrainingSpec) -> _Fields:
    name, form = next(
        (name, form) for name, form in FORMS.items() if form.kind is type(spec.objective)
    )
    common = {key: each for key, each in _fields(spec).items() if key in (*ALWAYS, *form.keys)}
    fields = _fields(spec.objective)
    options = {key: each for key, each in fields.items() if key not in form.keys}
    own = {key: each for key, each in fields.items() if key in form.keys}
    return {**common, "objective": {name: options} if options else name, **own}


def _source(source: DataSource) -> Plain:
    fields = _fields(source)
    if not isinstance(source, Tfds):
        # What a person names is looked for from where the run began, wherever it goes on.
        for name in fields:
            value = getattr(source, name)
            if isinstance(value, DataFile) and value.span is None:
                fields[name] = str(Path(value.path).absolute())
    # How text becomes tokens is written beside the file.
    fields |= cast(_Fields, fields.pop("tokenising", {}))
    return {type(source).__name__.lower(): fields or None}


def _fields(value: object) -> _Fields:
    """The fields of a dataclass that are not None."""
    named = dataclasses.fields(cast(DataSpec, value))
    plain_fields = {each.name: _plain(getattr(value, each.name)) for each in named}
    return {name: each for name, each in plain_fields.items() if each is not None}


def _plain(value: object) -> Plain:
    """Part of a recipe as plain data; places in files are left out."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Scalar | SequenceTree | MappingTree):
        return plain(value)
    if isinstance(value, DataFile):
        return value.path
    return _fields(value) if dataclasses.is_dataclass(value) else cast(Plain, value)
