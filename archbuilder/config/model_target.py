"""Trained networks: those of a run directory, or of a `.keras` file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path

from archbuilder.blueprint import Blueprint, BlueprintRequest
from archbuilder.config.load import read_recipe_file
from archbuilder.config.run_config import BEST_SUFFIX, MODEL_SUFFIX, RUN_JSON, load_dataset_schema
from archbuilder.config.run_inputs import RunInputs, load_run_inputs, new_run_inputs
from archbuilder.config.save_best import WeightsChoice
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.files import path_status
from archbuilder.files.blueprint_files import check_exists


@dataclass(frozen=True, slots=True)
class ModelTarget:
    """Trained networks, and where their weights are."""

    run: RunInputs
    run_dir: Path | None
    """The run directory; None for a model file with --blueprint."""
    weight_files: Mapping[str, Path] = field(default_factory=dict)
    """Weight files by network, in place of those of the run."""
    weights: WeightsChoice = "last"
    """Which weights of the run."""


def load_target(
    path: Path,
    request: BlueprintRequest,
    blueprint: str | PathLike[str] | Blueprint | None,
    recipe: Path | None,
    weights: WeightsChoice = "last",
) -> ModelTarget:
    """Load trained networks from a run directory or a `.keras` file.

    Only weights are read from a `.keras` file: opening it as Keras does would build layers that a
    stranger may have chosen. The network comes from `blueprint`, or else from the run in whose
    directory the file is.

    Raises:
        UsageError: if there is no such run or file, or no blueprint or recipe for it.
        BlueprintError: with all errors in the blueprint or the recipe.
    """
    is_model = path.suffix == MODEL_SUFFIX
    check_exists(path)
    if is_model and weights == "best":
        raise UsageError(
            "--weights can only be used with a run directory: a .keras file has one set of weights"
        )
    if is_model and blueprint is not None:
        schema = load_dataset_schema(path.parent)
        run = new_run_inputs(blueprint, request, recipe)
        # The text is what a run recorded, and there is no run.
        run = replace(run, config=replace(run.config, schema=schema), blueprint_text="")
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
    weight_files = {_network_name(path, run): path} if is_model else {}
    return ModelTarget(run, run_dir, weight_files, weights)


def _override_recipe(run: RunInputs, path: Path, request: BlueprintRequest) -> RunInputs:
    file_recipe = read_recipe_file(path, run.graphs, request.limits, request.allow_dirs)
    config = replace(run.config, training=file_recipe.training or run.config.training)
    if file_recipe.data is not None:
        # What the record says about its data does not hold for the data of the file. Its
        # `allow_dirs` least of all: another user may have written the record.
        config = replace(
            config,
            data=file_recipe.data,
            allow_dirs=request.allow_dirs,
            digest=None,
            forbidden=(),
        )
    return replace(run, config=config)


def _network_name(path: Path, run: RunInputs) -> str:
    """Return the network that a weight file belongs to: by its name if there are several."""
    # `train` saves each of several networks as NETWORK.keras, and its best weights as
    # NETWORK.best.keras.
    stem = path.stem.removesuffix(BEST_SUFFIX)
    if len(run.graphs) > 1 and stem not in run.graphs:
        raise UsageError(
            f"{quote(path.name)} must have the name of one of the networks of the blueprint:"
            f" {', '.join(run.graphs)}"
        )
    return stem if stem in run.graphs else next(iter(run.graphs))
