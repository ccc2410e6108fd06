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

from archbuilder.compiler.ir import Graph
from archbuilder.config.data_cli import data_from_argument, is_path_argument
from archbuilder.config.data_schema import DatasetSchema, schema_from_dict
from archbuilder.config.load import parse_recipe
from archbuilder.config.objectives import OBJECTIVE_SYNTAX
from archbuilder.config.sources import DataConfig, DataPath, DataSource, Tfds
from archbuilder.config.training import TrainingConfig
from archbuilder.config.training_parser import COMMON_KEYS
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.files.json import JsonError, JsonObject
from archbuilder.files.sandbox import SandboxPath, os_error_reason
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import MappingNode, ScalarNode, SequenceNode, from_plain, to_plain

RUN_JSON: Final = "run.json"
"""The file of a run that has it."""
BLUEPRINT_FILE: Final = "blueprint.yaml"
"""The file of a run that has the blueprint with everything resolved."""

_JsonDict: TypeAlias = dict[str, PlainData]


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What a run was begun with."""

    data: DataConfig
    training: TrainingConfig
    allow: tuple[Path, ...]
    """Folders that its data files may lie in, beside their own."""
    schema: DatasetSchema = field(default_factory=DatasetSchema)
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
                f"the record of the run says that its data is {quote(str(path), 200)}, and another"
                " user may have written that: if you trust it, add"
                f" --allow {shlex.quote(escape_terminal(str(folder)))}"
            )


def recipe_to_dict(data: DataConfig, training: TrainingConfig, allow: Sequence[Path]) -> _JsonDict:
    """A recipe as plain data: what `decode_record` takes."""
    return {
        **({} if data.cli_argument is None else {"given": data.cli_argument}),
        "data": {
            name: _source_to_dict(source)
            for name, source in (("train", data.train), ("validation", data.validation))
            if source is not None
        },
        "folder": str((data.folder or Path()).absolute()),
        "allow": [str(folder.absolute()) for folder in allow],
        "training": _training_to_dict(training),
    }


def load_run_config(
    run_dir: Path, graphs: Mapping[str, Graph], limits: Limits, *, allow: Sequence[Path] = ()
) -> RunConfig:
    """The recipe in the folder of a run, for its networks.

    The record says where data lies. Where another user may have written it, `Recorded.forbidden`
    has what of that is neither in the folder of the run nor in one that the user allows.

    Raises:
        UsageError: if there is no record of a run, or it is damaged.
        BlueprintError: with the mistakes in it.
    """
    run_json = SandboxPath(run_dir).joinpath(RUN_JSON)
    name = quote(str(run_json.path), 200)
    try:
        fields = JsonObject.read(run_json)
        recipe = fields.object("recipe")
        schema = schema_from_dict(fields.get("legend"))
        folder, recorded_allow = recipe.path("folder"), recipe.paths("allow")
        data_argument = recipe.text("given") if "given" in recipe.values else None
        training = recipe.object("training")
    except OSError as error:
        raise UsageError(
            f"{quote(str(run_dir), 200)} is not the folder of a run: {RUN_JSON}:"
            f" {os_error_reason(error)}"
        ) from None
    except JsonError as error:
        raise UsageError(f"{name} is not the record of a run: {error}") from None
    # Nobody wrote the record: a mistake in it has its path, and no line to show.
    span = Span(SourceText(str(run_json.path), ""), 1, 1, 1, 2)
    data_tree = from_plain(recipe.get("data"), span) if "data" in recipe.values else None
    parsed_recipe = parse_recipe(data_tree, from_plain({**training.values}, span), graphs, limits)
    # Files are looked for where they were, not beside the record.
    data = (
        None
        if parsed_recipe.data is None
        else dataclasses.replace(parsed_recipe.data, folder=folder)
    )
    owned_by_user = _is_owned_by_user(SandboxPath(run_dir))
    forbidden = (
        ()
        if owned_by_user
        else _paths_outside(
            _data_paths(data, data_argument, (folder, *recorded_allow)), run_dir, allow
        )
    )
    # Data sets lie in a folder of the user's, which another person's word does not open.
    if data_argument is not None and (
        owned_by_user or (is_path_argument(data_argument) and not forbidden)
    ):
        data = dataclasses.replace(data_from_argument(data_argument, data), folder=folder)
    if data is None or parsed_recipe.training is None:
        raise UsageError(f"{name} does not say what the run trains on")
    digest = fields.get("data")
    data_digest = digest if isinstance(digest, str) else None
    return RunConfig(data, parsed_recipe.training, recorded_allow, schema, data_digest, forbidden)


def load_dataset_schema(run_dir: Path) -> DatasetSchema:
    """Return what the columns and classes of a run mean; an empty legend if there is no record.

    Raises:
        UsageError: if the record is damaged.
    """
    run_json = SandboxPath(run_dir).joinpath(RUN_JSON)
    if not run_json.path.is_file():
        return DatasetSchema()
    try:
        return schema_from_dict(JsonObject.read(run_json).get("legend"))
    except (OSError, JsonError) as error:
        name = quote(str(run_json.path), 200)
        raise UsageError(f"{name} is not the record of a run: {error}") from None


def _is_owned_by_user(run_dir: SandboxPath) -> bool:
    """Whether nobody but the user, and root, can have written the record of a run."""
    for status in (run_dir.joinpath(RUN_JSON).status(), run_dir.root.stat()):
        if status is None or status.st_uid not in (os.geteuid(), 0):
            return False
        if status.st_mode & stat.S_IWOTH:
            return False
    return True


def _data_paths(
    data: DataConfig | None, data_argument: str | None, folders: Sequence[Path]
) -> Sequence[Path]:
    """The folders and files that the data may be read from."""
    if data_argument is not None and is_path_argument(data_argument):
        return (Path(data_argument),)
    sources = () if data is None else (data.train, data.validation)
    return folders if any(_has_data_path(each) for each in sources) else ()


def _has_data_path(value: object) -> bool:
    """Whether a source, or a part of it, names a file."""
    if isinstance(value, DataPath):
        return True
    if isinstance(value, Mapping):
        return any(map(_has_data_path, value.values()))
    if not dataclasses.is_dataclass(value):
        return False
    return any(_has_data_path(getattr(value, each.name)) for each in dataclasses.fields(value))


def _paths_outside(paths: Sequence[Path], run_dir: Path, allow: Sequence[Path]) -> tuple[Path, ...]:
    """Those that lie neither in the folder of the run nor in one that the user allows."""
    folders = [folder.resolve() for folder in (run_dir, *allow)]
    return tuple(
        path for path in paths if not any(path.resolve().is_relative_to(each) for each in folders)
    )


def _training_to_dict(spec: TrainingConfig) -> _JsonDict:
    name, syntax = next(
        (name, candidate)
        for name, candidate in OBJECTIVE_SYNTAX.items()
        if candidate.config_class is type(spec.objective)
    )
    common = {
        key: each
        for key, each in _fields_to_dict(spec).items()
        if key in (*COMMON_KEYS, *syntax.keys)
    }
    fields = _fields_to_dict(spec.objective)
    options = {key: each for key, each in fields.items() if key not in syntax.keys}
    training_keys = {key: each for key, each in fields.items() if key in syntax.keys}
    return {**common, "objective": {name: options} if options else name, **training_keys}


def _source_to_dict(source: DataSource) -> PlainData:
    fields = _fields_to_dict(source)
    if not isinstance(source, Tfds):
        # What a person names is looked for from where the run began, wherever it goes on.
        for name in fields:
            value = getattr(source, name)
            if isinstance(value, DataPath) and value.span is None:
                fields[name] = str(Path(value.path).absolute())
    # How text becomes tokens is written beside the file.
    fields |= cast(_JsonDict, fields.pop("tokenising", {}))
    return {type(source).__name__.lower(): fields or None}


def _fields_to_dict(value: object) -> _JsonDict:
    """The fields of a dataclass that are not None."""
    dataclass_fields = dataclasses.fields(cast(DataConfig, value))
    plain_fields = {
        each.name: _value_to_plain(getattr(value, each.name)) for each in dataclass_fields
    }
    return {name: each for name, each in plain_fields.items() if each is not None}


def _value_to_plain(value: object) -> PlainData:
    """Part of a recipe as plain data; places in files are left out."""
    if isinstance(value, Mapping):
        return {key: _value_to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_value_to_plain(item) for item in value]
    if isinstance(value, ScalarNode | SequenceNode | MappingNode):
        return to_plain(value)
    if isinstance(value, DataPath):
        return value.path
    return _fields_to_dict(value) if dataclasses.is_dataclass(value) else cast(PlainData, value)
