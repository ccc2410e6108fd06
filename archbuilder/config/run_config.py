"""Conversion of a recipe to and from `run.json`, the record of a run.

A run directory may have been written by another person, who must not choose which files of the
user are read. See `docs/safety.md`.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from archbuilder.compiler.ir import Graph
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.arguments import check_arguments
from archbuilder.config.data_cli import is_path_argument
from archbuilder.config.data_sandbox import DataSandbox, not_allowed_error
from archbuilder.config.data_schema import DatasetSchema, schema_from_dict
from archbuilder.config.initial_weights import InitialWeightsConfig
from archbuilder.config.load import RecipeSections, parse_recipe
from archbuilder.config.settings import section_values, settings_of
from archbuilder.config.sources import DataConfig, DataPath, Tfds
from archbuilder.config.sources.base import data_paths
from archbuilder.config.sources.tokenizers import VocabularyPath
from archbuilder.config.stages import StageConfig
from archbuilder.config.training import TrainingConfig, training_keys
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.files import path_status
from archbuilder.files.json import JsonError, JsonObject
from archbuilder.files.sandbox import SandboxPath, cannot_read
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import from_plain, to_plain

RUN_JSON: Final = "run.json"
"""Name of the record in a run directory."""
BLUEPRINT_FILE: Final = "blueprint.yaml"
"""Name of the expanded blueprint in a run directory."""
ADAPTED_FILE: Final = "blueprint.adapted.yaml"
"""Name of the same blueprint with what its layers learned from the training set, if any did."""
MODEL_SUFFIX: Final = ".keras"
"""Suffix of model files."""
BEST_SUFFIX: Final = ".best"
"""End of the stem of a model file with the weights of the best epoch. Names of networks have no
dot in a file name."""

_JsonDict: TypeAlias = dict[str, PlainData]


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Data and training configuration of a run."""

    data: DataConfig
    training: TrainingConfig
    allow_dirs: tuple[Path, ...]
    """Directories besides the blueprint's own that data files may be read from."""
    schema: DatasetSchema = field(default_factory=DatasetSchema)
    """Schema of the training set."""
    digest: str | None = None
    """Digest of the training set; None if the run has not recorded it."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Numbers of the data that parameters of the blueprint were set to, by parameter."""
    forbidden: tuple[Path, ...] = ()
    """Data paths from a record that the user does not own, outside the allowed directories."""

    def check_data(self) -> None:
        """Check that the data may be read. Commands that do not read it need not call this.

        Raises:
            UsageError: if another user chose the location of the data.
        """
        if self.forbidden:
            raise not_allowed_error(self.forbidden[0])


def recipe_to_dict(
    data: DataConfig, training: TrainingConfig, allow_dirs: Sequence[Path]
) -> _JsonDict:
    """Convert a recipe into plain data, which `load_run_config` reads."""
    objective = training.objective
    settings = settings_of(type(objective))
    options = _fields_to_dict(objective, [each.name for each in settings if each.is_option])
    sources: _JsonDict = {}
    for split, source in data.sources.items():
        values = section_values(source)
        fields = {key: _value_to_plain(each) for key, each in values.items() if each is not None}
        # The DataPath of Tfds is the name of a dataset.
        if not isinstance(source, Tfds):
            # A path without a span comes from the command line and is relative to the working
            # directory, which may be another one when the run is resumed.
            for key, value in values.items():
                if isinstance(value, DataPath) and value.span is None:
                    fields[key] = str(Path(value.path).absolute())
        sources[split] = {source.key: fields or None}
    # Paths are absolute: a run may be resumed from another working directory.
    return {
        **({} if data.cli_argument is None else {"cli_argument": data.cli_argument}),
        "data": sources,
        "directory": str((data.directory or Path()).absolute()),
        "allow_dirs": [str(directory.absolute()) for directory in allow_dirs],
        "training": {
            **_fields_to_dict(training, training_keys(type(objective))),
            "objective": objective.recorded(options),
            **_fields_to_dict(objective, [each.name for each in settings if not each.is_option]),
        },
    }


@dataclass(frozen=True, slots=True)
class _RunRecord:
    """The fields of a record, before the recipe in it is parsed."""

    run_dir: SandboxPath
    """Pinned: the record that was read and the one whose owner is checked are in the same place."""
    schema: DatasetSchema
    directory: Path
    allow_dirs: tuple[Path, ...]
    cli_argument: str | None
    data: PlainData
    """The `data` section of the recipe; None if it has none."""
    training: Mapping[str, PlainData]
    data_digest: str | None
    sizes: Mapping[str, int]

    @classmethod
    def read(cls, run_dir: Path) -> _RunRecord:
        """Read the record of a run.

        Raises:
            UsageError: if there is none, or it is damaged.
        """
        try:
            pinned_dir = SandboxPath.pinned(run_dir)
            fields = JsonObject.read(pinned_dir.joinpath(RUN_JSON))
            recipe = fields.object("recipe")
            digest = fields.get("data_digest")
            # Runs of earlier versions have none.
            sizes = fields.object("sizes") if "sizes" in fields.values else JsonObject({}, "sizes")
            return cls(
                pinned_dir,
                schema_from_dict(fields.get("schema")),
                recipe.path("directory"),
                recipe.paths("allow_dirs"),
                recipe.text("cli_argument") if "cli_argument" in recipe.values else None,
                recipe.get("data"),
                recipe.object("training").values,
                digest if isinstance(digest, str) else None,
                {name: sizes.count(name) for name in sizes.values},
            )
        except OSError as error:
            raise UsageError(cannot_read(run_dir / RUN_JSON, error)) from None
        except JsonError as error:
            raise _invalid_record_error(run_dir, error) from None


def _invalid_record_error(run_dir: Path, error: Exception) -> UsageError:
    return UsageError(f"{quote(str(run_dir / RUN_JSON), 200)} is not a valid run record: {error}")


def _named_on_command_line(
    data: DataConfig, cli_argument: str, *, owned_by_user: bool
) -> DataConfig:
    # The record has the files that `--data` named then, without spans as all of a user's paths. To
    # look for them again in its directory would fail in commands that do not need them, if it has
    # been moved.
    train, validation, test = (
        source if isinstance(source, Tfds) and not owned_by_user else _without_spans(source)
        for source in (data.train, data.validation, data.test)
    )
    return DataConfig(train, validation, data.directory, cli_argument=cli_argument, test=test)


def load_run_config(
    run_dir: Path, graphs: Mapping[str, Graph], limits: Limits, *, allow_dirs: Sequence[Path] = ()
) -> RunConfig:
    """Load the recipe of a run from its record.

    The record says where the data is. If another user may have written the record, the data paths
    outside the run directory and outside `allow_dirs` are returned in `RunConfig.forbidden`.

    Args:
        run_dir: the directory of the run.
        graphs: the networks of the run by name, against which the recipe is checked.
        limits: bounds on what is read.
        allow_dirs: directories that the user allows on the command line.

    Raises:
        UsageError: if there is no record, or it is damaged.
        BlueprintError: with all errors in the recipe.
    """
    record = _RunRecord.read(run_dir)
    # A program wrote the record, so errors in it have a path but no source line to show.
    span = Span(SourceText(str(run_dir / RUN_JSON), ""), 1, 1, 1, 2)
    # from_plain(None) is a null node, which would be reported as a source of the wrong type.
    data_tree = None if record.data is None else from_plain(record.data, span)
    training = {**record.training}
    # As `--epochs`, which may have changed it: in a recipe, it does not stand beside `stages`.
    epochs = check_arguments({"epochs": training.pop("epochs", None)}, limits)
    training_tree = from_plain(training, span)
    parsed_recipe = parse_recipe(
        RecipeSections(data_tree, training_tree, is_record=True), graphs, limits
    )
    if parsed_recipe.data is None or parsed_recipe.training is None:
        raise UsageError(f"{quote(str(run_dir / RUN_JSON), 200)} has no 'data' or 'training'")
    # parse_recipe resolves paths against the directory of the parsed file, here the run directory.
    # The recorded paths are relative to the directory of the blueprint.
    # Those of vocabularies are absolute, as those of weights below.
    data = dataclasses.replace(
        _without_spans(parsed_recipe.data, VocabularyPath), directory=record.directory
    )
    owned_by_user = _is_owned_by_user(record.run_dir)
    # 'tfds:NAME' reads the user's own data directory: a record of another user may not do that.
    if record.cli_argument is not None and (owned_by_user or is_path_argument(record.cli_argument)):
        data = _named_on_command_line(data, record.cli_argument, owned_by_user=owned_by_user)
    # As those of `--data`: the record has absolute paths, which were allowed when the run started.
    training_config = dataclasses.replace(
        parsed_recipe.training,
        **epochs,
        weights=tuple(map(_without_spans, parsed_recipe.training.weights)),
    )
    config = RunConfig(
        data,
        training_config,
        record.allow_dirs,
        record.schema,
        record.data_digest,
        record.sizes,
    )
    if owned_by_user:
        return config
    sandbox = DataSandbox.from_directories((record.run_dir, *map(SandboxPath.pinned, allow_dirs)))
    return _in_sandbox(config, sandbox)


def load_dataset_schema(run_dir: Path) -> DatasetSchema:
    """Load the schema of the training set of a run; empty if there is no record.

    Raises:
        UsageError: if the record is damaged.
    """
    run_json = SandboxPath(run_dir).joinpath(RUN_JSON)
    if not path_status.is_file(run_json.path):
        return DatasetSchema()
    try:
        return schema_from_dict(JsonObject.read(run_json).get("schema"))
    except (OSError, JsonError) as error:
        raise _invalid_record_error(run_dir, error) from None


def _is_owned_by_user(run_dir: SandboxPath) -> bool:
    """Return whether the record in a pinned directory is the user's or root's, and not for all.

    As with git's `safe.directory`, ownership decides whether a file is trusted.
    """
    try:
        directory_status, file_status = run_dir.root.stat(), run_dir.joinpath(RUN_JSON).status()
    except OSError:
        return False
    # Another directory is in its place by now.
    if (directory_status.st_dev, directory_status.st_ino) != run_dir.identity:
        return False
    # Whoever owns the directory can replace the file in it, so both are checked.
    for status in (file_status, directory_status):
        # Root (0) can write every file anyway.
        if status is None or status.st_uid not in (os.geteuid(), 0):
            return False
        if status.st_mode & stat.S_IWOTH:
            return False
    return True


def _without_spans(value: Any, kind: type[DataPath] = DataPath) -> Any:
    """Return a source, or a field of it, with paths of a kind that may be anywhere."""
    if isinstance(value, DataPath):
        return dataclasses.replace(value, span=None) if isinstance(value, kind) else value
    if isinstance(value, Mapping):
        return {key: _without_spans(item, kind) for key, item in value.items()}
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    fields = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    return dataclasses.replace(
        value, **{key: _without_spans(each, kind) for key, each in fields.items()}
    )


def _in_sandbox(config: RunConfig, sandbox: DataSandbox) -> RunConfig:
    """Return the configuration with data that may only be read from a sandbox."""
    data = config.data
    all_paths = [path for source in data.sources.values() for path in data_paths(source)]
    paths = [Path(each.path) for each in all_paths if each.span is None]
    # The paths of a blueprint are within these.
    if any(each.span is not None for each in all_paths):
        paths = [data.directory or Path(), *config.allow_dirs, *paths]
    if data.cli_argument is not None and is_path_argument(data.cli_argument):
        paths.insert(0, Path(data.cli_argument))
    return dataclasses.replace(
        config,
        data=dataclasses.replace(data, sandbox=sandbox),
        # A pattern is not expanded here. Its files are checked when they are opened, as all are.
        forbidden=tuple(path for path in paths if not sandbox.contains(path)),
    )


def _fields_to_dict(value: object, names: Iterable[str]) -> _JsonDict:
    """Convert fields of a dataclass into a dictionary without those that are None."""
    plain_fields = {name: _value_to_plain(getattr(value, name)) for name in names}
    return {name: each for name, each in plain_fields.items() if each is not None}


def _value_to_plain(value: object) -> PlainData:
    """Convert a value of a recipe into plain data, without its spans."""
    if isinstance(value, StageConfig):
        value = {**value.settings, **value.objective_settings}
    if isinstance(value, Mapping):
        return {key: _value_to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_value_to_plain(item) for item in value]
    if isinstance(value, KerasObject):
        return to_plain(value.tree)
    # Some are absolute, as a path without a span: a run is resumed from anywhere.
    if isinstance(value, DataPath):
        return value.recorded_path
    if isinstance(value, InitialWeightsConfig):
        path = str((value.directory / value.file.path).absolute())
        names = [each.name for each in settings_of(InitialWeightsConfig)]
        fields = {name: each for name, each in _fields_to_dict(value, names).items() if each}
        return {**fields, "file": path}
    if dataclasses.is_dataclass(value):
        return _fields_to_dict(value, section_values(value))
    return cast(PlainData, value)
