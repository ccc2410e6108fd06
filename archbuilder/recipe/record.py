"""A recipe as plain data, for the record of a run, and back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, cast

from archbuilder.errors import UsageError, shown
from archbuilder.graph import Graph
from archbuilder.limits import Limits
from archbuilder.recipe.given import data_from_path
from archbuilder.recipe.legend import Legend, decode_legend
from archbuilder.recipe.objectives import FORMS
from archbuilder.recipe.reading import decode_recipe
from archbuilder.recipe.sources import DataFile, DataSource, DataSpec
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


def read_record(run: Path, graphs: Mapping[str, Graph], limits: Limits) -> Recorded:
    """The recipe in the folder of a run, for its networks.

    Raises:
        UsageError: if there is no record of a run, or it is damaged.
        BlueprintError: with the mistakes in it.
    """
    path = run / RECORD
    try:
        text = path.read_text(encoding="utf-8")
        whole = json.loads(text)
        fields = whole["recipe"]
        training = fields["training"]
        legend, digest = decode_legend(whole.get("legend")), whole.get("data")
        folder, allow = Path(fields.get("folder", ".")), tuple(map(Path, fields.get("allow", ())))
    except OSError as error:
        raise UsageError(
            f"{shown(str(run), 200)} is not the folder of a run: {RECORD}: {error.strerror}"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"{shown(str(path), 200)} is not the record of a run") from None
    # Nobody wrote the record: a mistake in it has its path, and no line to show.
    span = Span(Source(str(path), ""), 1, 1, 1, 2)
    data = from_plain(fields.get("data"), span) if "data" in fields else None
    recipe = decode_recipe(data, from_plain(training, span), graphs, limits)
    # Files are looked for where they were, not beside the record.
    found = None if recipe.data is None else dataclasses.replace(recipe.data, folder=folder)
    if "given" in fields:
        found = data_from_path(str(fields["given"]), found)
    if found is None or recipe.training is None:
        raise UsageError(f"{shown(str(path), 200)} does not say what the run trains on")
    same = digest if isinstance(digest, str) else None
    return Recorded(found, recipe.training, allow, legend, same)


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
