"""Loading of a run, or of the run of a model file, without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from archbuilder.cli.common_options import BlueprintRequest
from archbuilder.cli.recipe_options import load_recipe, require_training, select_data
from archbuilder.compiler.ir import Graph
from archbuilder.config.data_schema import DatasetSchema
from archbuilder.config.load import read_recipe_file
from archbuilder.config.run_config import (
    BLUEPRINT_FILE,
    RUN_JSON,
    RunConfig,
    load_dataset_schema,
    load_run_config,
)
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.files import path_status
from archbuilder.files.blueprint_files import read_sandboxed_file
from archbuilder.files.sandbox import SandboxPath

MODEL_SUFFIX: Final = ".keras"
"""Suffix of model files."""


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


def load_run_inputs(run_dir: Path, request: BlueprintRequest) -> RunInputs:
    """Load the blueprint and the recipe of a run.

    Raises:
        UsageError: if the directory is not that of a run.
        BlueprintError: with all errors in the recorded blueprint or recipe.
    """
    blueprint_path = SandboxPath(run_dir).joinpath(BLUEPRINT_FILE)
    if not path_status.exists(run_dir / BLUEPRINT_FILE):
        detail = f": {BLUEPRINT_FILE} is missing" if path_status.is_file(run_dir / RUN_JSON) else ""
        detail = detail if path_status.exists(run_dir) else ": there is no such directory"
        raise UsageError(f"{quote(str(run_dir), 200)} is not a run directory{detail}")
    blueprint = request.load(blueprint_path)
    graphs = blueprint.graphs()
    config = load_run_config(run_dir, graphs, request.limits, allow_dirs=request.allow_dirs)
    text = read_sandboxed_file(blueprint_path, request.limits).decode("utf-8", "replace")
    return RunInputs(blueprint.name, graphs, config, text)


@dataclass(frozen=True, slots=True)
class ModelTarget:
    """Trained networks that a command uses."""

    run: RunInputs
    run_dir: Path | None
    """The run directory; None for a model file with --blueprint."""
    weight_files: Mapping[str, Path] = field(default_factory=dict)
    """Weight files by network, in place of those of the run."""


def load_target(
    path: Path, request: BlueprintRequest, blueprint: str | None, recipe: Path | None
) -> ModelTarget:
    """Load the target of `evaluate` or `predict`: a run directory or a `.keras` file.

    Only weights are read from a `.keras` file: opening it as Keras does would build layers that a
    stranger may have chosen. The network comes from `blueprint`, or else from the run in whose
    directory the file is.

    Raises:
        UsageError: if there is no such run or file, or no blueprint or recipe for it.
        BlueprintError: with all errors in the blueprint or the recipe.
    """
    is_model = path.suffix == MODEL_SUFFIX
    if is_model and not path_status.is_file(path):
        raise UsageError(f"there is no file {quote(str(path), 200)}")
    if is_model and blueprint is not None:
        run = _inputs_from_blueprint(blueprint, request, recipe, load_dataset_schema(path.parent))
        return ModelTarget(run, None, {_network_name(path, run): path})
    if blueprint is not None:
        raise UsageError(
            "--blueprint can only be used with a .keras file: a run has its own blueprint"
        )
    if request.params or request.variant:
        raise UsageError(
            "--set and --variant can only be used with --blueprint: a run has its own parameters"
        )
    run_dir = path.parent if is_model else path
    if is_model and not path_status.is_file(run_dir / RUN_JSON):
        raise UsageError(
            f"{quote(path.name)} is not in a run directory: pass --blueprint to build the network;"
            " only weights are read from the file"
        )
    run = load_run_inputs(run_dir, request)
    if recipe is not None:
        run = _override_recipe(run, recipe, request)
    return ModelTarget(run, run_dir, {_network_name(path, run): path} if is_model else {})


def _inputs_from_blueprint(
    blueprint: str, request: BlueprintRequest, recipe_path: Path | None, schema: DatasetSchema
) -> RunInputs:
    loaded = request.load(blueprint)
    graphs = loaded.graphs(variant=request.select_variant(loaded), **request.params)
    recipe = load_recipe(loaded, graphs, request, recipe_path)
    data, training = select_data(recipe, None), require_training(recipe)
    config = RunConfig(data, training, request.allow_dirs, schema)
    return RunInputs(loaded.name, graphs, config, "")


def _override_recipe(run: RunInputs, path: Path, request: BlueprintRequest) -> RunInputs:
    file_recipe = read_recipe_file(path, run.graphs, request.limits)
    config = run.config
    return replace(
        run,
        config=replace(
            config,
            data=file_recipe.data or config.data,
            training=file_recipe.training or config.training,
            allow_dirs=(*config.allow_dirs, *request.allow_dirs),
            # Both belong to the recorded data. The user chose the data of the file.
            digest=config.digest if file_recipe.data is None else None,
            forbidden=config.forbidden if file_recipe.data is None else (),
        ),
    )


def _network_name(path: Path, run: RunInputs) -> str:
    """Return the network that a weight file belongs to: by its name if there are several."""
    # `train` saves each of several networks as NETWORK.keras.
    if len(run.graphs) > 1 and path.stem not in run.graphs:
        raise UsageError(
            f"{quote(path.name)} must have the name of one of the networks of the blueprint:"
            f" {', '.join(run.graphs)}"
        )
    return path.stem if path.stem in run.graphs else next(iter(run.graphs))
