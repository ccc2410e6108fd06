"""Inputs of a run: the networks, the data and the training settings, without TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Final

from archbuilder.blueprint import Blueprint, BlueprintRequest
from archbuilder.compiler.ir import Graph
from archbuilder.compiler.unparse import unparse
from archbuilder.config.arguments import check_arguments
from archbuilder.config.data_cli import data_from_argument
from archbuilder.config.fingerprint import run_fingerprint
from archbuilder.config.initial_weights import InitialWeightsConfig
from archbuilder.config.load import read_recipe, read_recipe_file
from archbuilder.config.run_config import (
    ADAPTED_FILE,
    BLUEPRINT_FILE,
    RUN_JSON,
    RunConfig,
    load_run_config,
    recipe_to_dict,
)
from archbuilder.config.sources import DataConfig, DataPath
from archbuilder.config.split import SplitConfig
from archbuilder.config.training import Recipe, TrainingConfig
from archbuilder.diagnostics.errors import Diagnostic, UsageError, quote, quote_list
from archbuilder.files import path_status
from archbuilder.files.array_files import ArrayFile
from archbuilder.files.blueprint_files import check_exists, read_sandboxed_file
from archbuilder.files.sandbox import SandboxPath
from archbuilder.language.ast import DataSize
from archbuilder.limits import Limits

_DATA_KEYS: Final = (
    *("batch_size", "distribute", "seed", "shuffle"),
    *("validation_split", "test_split", "train_split"),
)
"""Settings of `training` by which data is read and split before its sizes are known."""


@dataclass(frozen=True, slots=True, eq=False)
class SizesFromData:
    """Parameters of a new run whose values are numbers in its data."""

    sizes: Mapping[str, DataSize]
    """The numbers, by the name of the parameter."""
    resolve: Callable[[Mapping[str, int]], RunInputs]
    """Returns the inputs with values for these parameters."""


@dataclass(frozen=True, slots=True)
class RunInputs:
    """The networks and the configuration of a run."""

    name: str
    graphs: Mapping[str, Graph]
    config: RunConfig
    blueprint_text: str
    """The expanded blueprint; empty if the networks are not those of a run."""
    blueprint_file: Path | None = None
    """The blueprint that the user wrote; None for a run that exists already."""
    warnings: tuple[Diagnostic, ...] = ()
    """Warnings about the recipe of a new run."""
    from_data: SizesFromData | None = None
    """Parameters that have their defaults until the data is loaded; None if there are none."""

    def override(self, overrides: Mapping[str, object], limits: Limits) -> RunInputs:
        """Return the inputs with other settings of `training`, by name; None keeps a setting.

        Raises:
            UsageError: if a value has another type or is out of bounds.
        """
        return self.with_training(check_arguments(overrides, limits))

    def start_from(self, file: Path) -> RunInputs:
        """Return the inputs of a run whose networks start from a weight file or another run.

        Raises:
            UsageError: if there is no such file or directory.
        """
        check_exists(file)
        weights = (InitialWeightsConfig(DataPath(str(file))),)
        # The warnings may be about weights that the recipe lacks.
        return dataclasses.replace(self.with_training({"weights": weights}), warnings=())

    def with_sizes(self, values: Mapping[str, int]) -> RunInputs:
        """Return the inputs with the numbers of the data as values of their parameters.

        Raises:
            BlueprintError: if a value is not valid.
            UsageError: if the data, or how it is read and split, would change with them.
        """
        if self.from_data is None:
            return self
        resolved = self.from_data.resolve(values)
        default_recipe, recipe = (
            recipe_to_dict(each.data, each.training, each.allow_dirs)
            for each in (self.config, resolved.config)
        )
        default_training, training = default_recipe["training"], recipe["training"]
        changed = [] if default_recipe["data"] == recipe["data"] else ["data"]
        if isinstance(default_training, dict) and isinstance(training, dict):
            changed += [key for key in _DATA_KEYS if default_training.get(key) != training.get(key)]
        if changed:
            raise UsageError(
                f"{quote_list(changed)} cannot depend on {quote_list(self.from_data.sizes)}, whose"
                " value is a number of the data"
            )
        return resolved

    def with_fold(self, fold: int, folds: int) -> RunInputs:
        """Return the inputs of a run that is validated on one of several folds.

        The split keeps its groups or classes.

        Raises:
            UsageError: if the validation set is not chosen at random.
        """
        split = self.config.training.validation_split
        config = SplitConfig() if isinstance(split, int | float) else split
        if self.config.data.validation is not None:
            raise UsageError("folds are parts of the training data, and 'data' has a 'validation'")
        if config.last is not None or config.column is not None:
            raise UsageError(
                "folds take the place of 'validation_split', of which they keep 'by' and"
                " 'stratify', but not 'last' and 'column'; remove these"
            )
        fold_config = dataclasses.replace(config, fraction=None, folds=folds, fold=fold)
        return self.with_training({"validation_split": fold_config})

    @property
    def fingerprint(self) -> str:
        """Digest of the blueprint and the recipe, without the settings that a resume may change."""
        config = self.config
        recipe = recipe_to_dict(config.data, config.training, config.allow_dirs)
        return run_fingerprint(self.blueprint_text, recipe)

    def check_same_run(self, recorded: RunInputs, run_dir: Path) -> None:
        """Check that these inputs are those of a run, apart from resumable settings.

        Raises:
            UsageError: if the blueprint or the recipe is another one.
        """
        inputs = self
        if self.from_data is not None:
            # The run knows the numbers of its data, which is not read here.
            names = self.from_data.sizes.keys() & recorded.config.sizes.keys()
            inputs = self.with_sizes({name: recorded.config.sizes[name] for name in names})
        if inputs.fingerprint == recorded.fingerprint:
            return
        if self.name != recorded.name:
            difference = f"another blueprint ({recorded.name}, not {self.name})"
        elif inputs.blueprint_text != recorded.blueprint_text:
            difference = "another version of the blueprint: it has changed since the run started"
        else:
            difference = "another recipe: the data or the training settings are not the same"
        raise UsageError(
            f"{quote(str(run_dir), 200)} is a run of {difference}; choose another --run-dir"
        )

    def with_training(self, values: Mapping[str, Any]) -> RunInputs:
        """Return the inputs with other settings of `training`, whose values are not checked."""
        training = dataclasses.replace(self.config.training, **values)
        config = dataclasses.replace(self.config, training=training)
        from_data = self.from_data
        if from_data is not None:
            resolve = from_data.resolve
            from_data = SizesFromData(
                from_data.sizes, lambda numbers: resolve(numbers).with_training(values)
            )
        return dataclasses.replace(self, config=config, from_data=from_data)


def fold_dir(run_dir: Path, fold: int) -> Path:
    """Return the run directory of a fold, which counts from 1."""
    return run_dir / f"fold-{fold}"


def is_run(run_dir: Path) -> bool:
    """Return whether a directory has the record of a run."""
    # A run writes its record before it trains: without one there is nothing to resume.
    return path_status.is_file(run_dir / RUN_JSON)


def is_cross_validation(run_dir: Path) -> bool:
    """Return whether a directory has the runs of folds, of which at least one has begun."""
    return is_run(fold_dir(run_dir, 1))


def new_run_inputs(
    blueprint: str | PathLike[str] | Blueprint,
    request: BlueprintRequest,
    recipe_file: Path | None = None,
    data_argument: str | None = None,
) -> RunInputs:
    """Load the inputs of a new run from a blueprint, and a recipe file if there is one.

    Raises:
        UsageError: if there is no such blueprint or data, or a section is missing.
        BlueprintError: with all errors in the blueprint or the recipe.
    """
    loaded = request.load(blueprint)
    variant = request.select_variant(loaded)

    def make_inputs(sizes: Mapping[str, int]) -> RunInputs:
        params = {**request.params, **sizes}
        graphs = loaded.graphs(variant=variant, **params)
        sized_request = dataclasses.replace(request, params=params)
        recipe = load_recipe(loaded, graphs, sized_request, recipe_file)
        config = RunConfig(
            select_data(recipe, data_argument), require_training(recipe), request.allow_dirs
        )
        text = unparse(
            graphs, name=loaded.name, title=loaded.title, array_path=ArrayFile.recorded_path
        )
        return RunInputs(loaded.name, graphs, config, text, loaded.files[0], recipe.warnings)

    inputs = make_inputs({})
    sizes = loaded.sizes_from_data(variant=variant, **request.params)
    from_data = SizesFromData(sizes, make_inputs) if sizes else None
    return dataclasses.replace(inputs, from_data=from_data)


def load_run_inputs(
    run_dir: Path, request: BlueprintRequest, *, as_written: bool = False
) -> RunInputs:
    """Load the blueprint and the recipe of a run.

    With `as_written`, layers have not learned anything from the training set of the run.

    Raises:
        UsageError: if the directory is not that of a run.
        BlueprintError: with all errors in the recorded blueprint or recipe.
    """
    blueprint_path = SandboxPath(run_dir).joinpath(BLUEPRINT_FILE)
    check_exists(run_dir)
    if is_cross_validation(run_dir):
        raise UsageError(
            f"{quote(str(run_dir), 200)} has the runs of a cross-validation: pass the directory of"
            f" one of them, such as {fold_dir(run_dir, 1)}"
        )
    for name in (BLUEPRINT_FILE, RUN_JSON):
        if not path_status.exists(run_dir / name):
            detail = f"it has no {name}" if path_status.is_dir(run_dir) else "it is a file"
            raise UsageError(
                f"{quote(str(run_dir), 200)} is not a run directory: {detail}; pass the directory"
                " of a run, such as runs/net-1"
            )
    blueprint = request.load(blueprint_path)
    has_adapted = not as_written and path_status.is_file(run_dir / ADAPTED_FILE)
    adapted_path = blueprint_path.with_name(ADAPTED_FILE)
    graphs = (request.load(adapted_path) if has_adapted else blueprint).graphs()
    config = load_run_config(run_dir, graphs, request.limits, allow_dirs=request.allow_dirs)
    text = read_sandboxed_file(blueprint_path, request.limits).decode("utf-8", "replace")
    return RunInputs(blueprint.name, graphs, config, text)


def load_recipe(
    blueprint: Blueprint, graphs: Mapping[str, Graph], request: BlueprintRequest, path: Path | None
) -> Recipe:
    """Load the recipe of a blueprint; sections of a recipe file replace those of the blueprint."""
    blueprint_recipe = read_recipe(
        blueprint,
        variant=request.select_variant(blueprint),
        params=request.params,
        limits=request.limits,
    )
    if path is None:
        return blueprint_recipe
    file_recipe = read_recipe_file(path, graphs, request.limits, request.allow_dirs)
    # Sections are replaced as a whole: keys of both are not merged.
    return Recipe(
        file_recipe.data or blueprint_recipe.data, file_recipe.training or blueprint_recipe.training
    )


def select_data(recipe: Recipe, data_argument: str | None) -> DataConfig:
    """Return the data of `--data`, or else that of the recipe.

    Raises:
        UsageError: if there is neither.
    """
    if data_argument is not None:
        return data_from_argument(data_argument, recipe.data)
    if recipe.data is None:
        raise UsageError(
            "there is no section 'data' in the blueprint or the recipe; pass --data, or add the"
            " section"
        )
    return recipe.data


def require_training(recipe: Recipe) -> TrainingConfig:
    """Return the training configuration of a recipe.

    Raises:
        UsageError: if the recipe has none.
    """
    if recipe.training is None:
        raise UsageError(
            "there is no section 'training', which needs at least a 'loss', in the blueprint or the"
            " recipe; pass a file with --recipe, or add the section"
        )
    return recipe.training
