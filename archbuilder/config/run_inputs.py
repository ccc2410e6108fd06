"""Inputs of a run: the networks, the data and the training settings, without TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from archbuilder.blueprint import Blueprint, BlueprintRequest
from archbuilder.compiler.ir import Graph
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
from archbuilder.config.training import Recipe, TrainingConfig
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.files import path_status
from archbuilder.files.blueprint_files import check_exists, read_sandboxed_file
from archbuilder.files.sandbox import SandboxPath
from archbuilder.limits import Limits


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

    def override(self, overrides: Mapping[str, object], limits: Limits) -> RunInputs:
        """Return the inputs with other settings of `training`, by name; None keeps a setting.

        Raises:
            UsageError: if a value has another type or is out of bounds.
        """
        values = check_arguments(overrides, limits)
        training = dataclasses.replace(self.config.training, **values)
        return self._with_training(training)

    def start_from(self, file: Path) -> RunInputs:
        """Return the inputs of a run whose networks start from a weight file or another run.

        Raises:
            UsageError: if there is no such file or directory.
        """
        check_exists(file)
        weights = (InitialWeightsConfig(DataPath(str(file))),)
        return self._with_training(dataclasses.replace(self.config.training, weights=weights))

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
        if self.fingerprint == recorded.fingerprint:
            return
        if self.name != recorded.name:
            difference = f"another blueprint ({recorded.name}, not {self.name})"
        elif self.blueprint_text != recorded.blueprint_text:
            difference = "another version of the blueprint: it has changed since the run started"
        else:
            difference = "another recipe: the data or the training settings are not the same"
        raise UsageError(
            f"{quote(str(run_dir), 200)} is a run of {difference}; choose another --run-dir"
        )

    def _with_training(self, training: TrainingConfig) -> RunInputs:
        return dataclasses.replace(self, config=dataclasses.replace(self.config, training=training))


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
    graphs = loaded.graphs(variant=variant, **request.params)
    recipe = load_recipe(loaded, graphs, request, recipe_file)
    config = RunConfig(
        select_data(recipe, data_argument), require_training(recipe), request.allow_dirs
    )
    text = loaded.expand(variant=variant, **request.params)
    return RunInputs(loaded.name, graphs, config, text, loaded.files[0])


def load_run_inputs(run_dir: Path, request: BlueprintRequest) -> RunInputs:
    """Load the blueprint and the recipe of a run.

    Raises:
        UsageError: if the directory is not that of a run.
        BlueprintError: with all errors in the recorded blueprint or recipe.
    """
    blueprint_path = SandboxPath(run_dir).joinpath(BLUEPRINT_FILE)
    check_exists(run_dir)
    for name in (BLUEPRINT_FILE, RUN_JSON):
        if not path_status.exists(run_dir / name):
            detail = f"it has no {name}" if path_status.is_dir(run_dir) else "it is a file"
            raise UsageError(
                f"{quote(str(run_dir), 200)} is not a run directory: {detail}; pass the directory"
                " of a run, such as runs/net-1"
            )
    blueprint = request.load(blueprint_path)
    has_adapted = path_status.is_file(run_dir / ADAPTED_FILE)
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
    file_recipe = read_recipe_file(path, graphs, request.limits)
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
