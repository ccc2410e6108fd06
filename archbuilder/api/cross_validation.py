"""Cross-validation: train the networks of a blueprint once for each fold of the data."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Final, cast

from archbuilder.api.arguments import (
    BLUEPRINT,
    FilePath,
    blueprint_request,
    chief_log,
    optional_path,
    required_path,
)
from archbuilder.api.training import (
    RUNS,
    RunOptions,
    make_devices,
    new_training_inputs,
    run_training,
)
from archbuilder.argument_types import BOOLEAN
from archbuilder.blueprint import Blueprint, BlueprintRequest
from archbuilder.config.run_config import RUN_JSON
from archbuilder.config.run_inputs import (
    RunInputs,
    fold_dir,
    is_cross_validation,
    is_run,
    load_run_inputs,
)
from archbuilder.config.split import MAX_FOLDS, SplitConfig
from archbuilder.config.training import StrategyName
from archbuilder.diagnostics.errors import RunError, UsageError, quote
from archbuilder.files.json import JsonError, JsonObject
from archbuilder.files.sandbox import SandboxPath, os_error_reason
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData

if TYPE_CHECKING:
    from archbuilder.distribution.strategy import DeviceSetup
    from archbuilder.runs.run_dir import RunDir
    from archbuilder.trainer.callbacks.progress_bar import ProgressFn
    from archbuilder.trainer.log_format import LogFn

_RESULT_FILE: Final = "cross_validation.json"


@dataclass(frozen=True, slots=True)
class CrossValidationResult:
    """The metrics of networks that were each validated on another fold of the data."""

    run_dir: Path
    """The directory with a run directory for each fold, `fold-1` and so on."""
    folds: tuple[Mapping[str, float], ...]
    """Metrics of each fold by name: `val_loss`, and `test_loss` if there is a test set."""

    @property
    def mean(self) -> Mapping[str, float]:
        """The mean of each metric over the folds."""
        return {name: fmean(self._values(name)) for name in self._names()}

    @property
    def std(self) -> Mapping[str, float]:
        """The standard deviation of each metric over the folds, as of `numpy.std`."""
        # pstdev() fails for NaN and infinity.
        return {
            name: pstdev(values) if all(map(math.isfinite, values)) else math.nan
            for name, values in ((each, self._values(each)) for each in self._names())
        }

    def __str__(self) -> str:
        std = self.std
        return " - ".join(
            f"{name}: {mean:.4f} ± {std[name]:.4f}" for name, mean in self.mean.items()
        )

    def _names(self) -> list[str]:
        return [name for name in self.folds[0] if all(name in each for each in self.folds)]

    def _values(self, name: str) -> list[float]:
        return [each[name] for each in self.folds]


def cross_validate(  # noqa: PLR0913 - keyword arguments with defaults
    blueprint: FilePath | Blueprint,
    *,
    folds: int = 5,
    run_dir: FilePath | None = None,
    auto_resume: bool = False,
    data: FilePath | None = None,
    recipe: FilePath | None = None,
    weights: FilePath | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    distribute: StrategyName | None = None,
    variant: str | None = None,
    params: Mapping[str, PlainData] | None = None,
    limits: Limits | None = None,
    allow_dirs: Iterable[FilePath] = (),
    log: LogFn | None = None,
    progress: ProgressFn | None = None,
    command: Sequence[str] | None = None,
) -> CrossValidationResult:
    """Train the networks of a blueprint once for each fold, and return the metrics of all folds.

    Each run is validated on one of several equal parts of the training data, and trained on the
    others. With `validation_split: {by: ...}` or `{stratify: true}` in the recipe, the parts keep
    groups together, or have the same share of each class.

    Args:
        blueprint: A file, the name of a blueprint in the library, or a loaded blueprint.
        folds: Number of folds.
        run_dir: A new or empty directory for the run directories of the folds; by default
            `runs/NAME-1`, `runs/NAME-2`, ...
        auto_resume: Whether to go on with the folds that `run_dir` has, if it has any.
        data: As in `train`.
        recipe: As in `train`.
        weights: As in `train`.
        epochs: As in `train`.
        batch_size: As in `train`.
        seed: As in `train`; also decides which example is in which fold.
        distribute: As in `train`.
        variant: As in `train`.
        params: As in `train`.
        limits: As in `train`.
        allow_dirs: As in `train`.
        log: As in `train`.
        progress: As in `train`.
        command: As in `train`.

    Raises:
        BlueprintError: with all errors in the blueprint or the recipe.
        UsageError: if an argument is invalid, the directory is not empty, or the data has a
            validation set.
        RunError: if the data is missing, damaged or does not fit, or a training fails.
        RunInterruptedError: if the process received SIGTERM; `resume_cross_validation` goes on.
    """
    BLUEPRINT.check("blueprint", blueprint)
    if type(folds) is not int or not 2 <= folds <= MAX_FOLDS:
        raise UsageError(f"'folds' must be an integer from 2 to {MAX_FOLDS:,}, not {quote(folds)}")
    request = blueprint_request(blueprint, variant, params, limits=limits, allow_dirs=allow_dirs)
    overrides = {
        "epochs": epochs, "batch_size": batch_size, "seed": seed, "distribute": distribute
    }  # fmt: skip
    inputs = new_training_inputs(blueprint, request, overrides, recipe, data, weights)
    inputs = inputs.with_fold(1, folds)
    path = optional_path("run_dir", run_dir)
    BOOLEAN.check("auto_resume", auto_resume)
    has_begun = auto_resume and path is not None and is_cross_validation(path)
    if has_begun and path is not None:
        first_dir = fold_dir(path, 1)
        inputs.check_same_run(load_run_inputs(first_dir, request), first_dir)
    options = RunOptions(request.limits, log, progress, command)
    devices = make_devices(inputs, path)
    parent = _open_parent(inputs, path, devices, is_new=not has_begun)
    return _Folds(inputs, folds, parent, request, devices, options, {}).train()


def resume_cross_validation(  # noqa: PLR0913 - keyword arguments with defaults
    run_dir: FilePath,
    *,
    epochs: int | None = None,
    distribute: StrategyName | None = None,
    limits: Limits | None = None,
    allow_dirs: Iterable[FilePath] = (),
    log: LogFn | None = None,
    progress: ProgressFn | None = None,
    command: Sequence[str] | None = None,
) -> CrossValidationResult:
    """Train the folds that an interrupted cross-validation has left, and resume the current one.

    The result is the same as without the interruption.

    Args:
        run_dir: The directory with the run directories of the folds.
        epochs: Number of passes over the training set, also for the folds that are finished; None
            for that of the recipe.
        distribute: As in `resume`.
        limits: As in `resume`.
        allow_dirs: As in `resume`.
        log: As in `resume`.
        progress: As in `resume`.
        command: As in `resume`.

    Raises:
        BlueprintError: with all errors in the recorded blueprint or recipe.
        UsageError: if an argument is invalid, or no fold has begun in the directory.
        RunError: if the data has changed, or a training fails.
        RunInterruptedError: if the process received SIGTERM; it can be resumed again.
    """
    path = required_path("run_dir", run_dir)
    request = blueprint_request(limits=limits, allow_dirs=allow_dirs)
    inputs = load_run_inputs(fold_dir(path, 1), request, as_written=True)
    inputs.config.check_data()
    split = inputs.config.training.validation_split
    folds = split.folds if isinstance(split, SplitConfig) else None
    if folds is None:
        raise UsageError(f"{quote(str(fold_dir(path, 1)), 200)} is not the run of a fold")
    overrides = {"epochs": epochs, "distribute": distribute}
    inputs = inputs.override(overrides, request.limits)
    is_complete = all(is_run(fold_dir(path, fold)) for fold in range(1, folds + 1))
    if inputs.config.sizes and not is_complete:
        raise UsageError(
            "the networks of each fold have sizes from its data, which the other folds do not"
            " know: repeat the command that began the cross-validation, with --auto-resume"
        )
    options = RunOptions(request.limits, log, progress, command)
    devices = make_devices(inputs, path)
    parent = _open_parent(inputs, path, devices, is_new=False)
    return _Folds(inputs, folds, parent, request, devices, options, overrides).train()


def _open_parent(
    inputs: RunInputs, path: Path | None, devices: DeviceSetup, *, is_new: bool
) -> RunDir:
    """Open the directory of all folds on the chief, and return it on every worker.

    Raises:
        UsageError: if a new one is not empty.
        RunError: if it cannot be created or opened.
    """
    from archbuilder.runs.run_dir import RunDir
    from archbuilder.training import broadcast_run_dir

    def open_dir() -> RunDir:
        if path is None:
            return RunDir.create_numbered(RUNS, inputs.name)
        if is_new:
            return RunDir.create(path)
        try:
            return RunDir(path, pinned_root=SandboxPath.pinned(path))
        except OSError as error:
            name = quote(str(path), 200)
            raise RunError(f"cannot resume in {name}: {os_error_reason(error)}") from error

    return broadcast_run_dir(open_dir, devices.workers)


@dataclass(frozen=True, slots=True)
class _Folds:
    """The runs of all folds, one after the other on the same devices."""

    inputs: RunInputs
    folds: int
    parent: RunDir
    request: BlueprintRequest
    devices: DeviceSetup
    options: RunOptions
    overrides: Mapping[str, object]
    """Settings of `training` that replace those of runs that have begun; None keeps one."""

    def train(self) -> CrossValidationResult:
        """Train what is left, and record the metrics of all folds."""
        log = chief_log(self.options.log, is_chief=self.parent.is_writer)
        metrics = []
        for fold in range(1, self.folds + 1):
            log(f"Fold {fold} of {self.folds}")
            metrics.append(self._train_fold(fold))
        result = CrossValidationResult(self.parent.path, tuple(metrics))
        if not result.folds[0]:
            return result
        record = {"folds": metrics, "mean": {**result.mean}, "std": {**result.std}}
        self.parent.write_json(_RESULT_FILE, cast(PlainData, record))
        log(f"{self.folds} folds - {result}")
        return result

    def _train_fold(self, fold: int) -> dict[str, float]:
        """Train what is left of a fold, and return its metrics."""
        from archbuilder.runs.run_dir import RunDir

        path = fold_dir(self.parent.path, fold)
        record = RunDir(path).previous_manifest() if self.parent.is_writer else None
        status = self._broadcast("new" if record is None else str(record.get("status")))
        if status == "new":
            inputs = self.inputs.with_fold(fold, self.folds)
            run_training(inputs, self.options, new_dir=path, devices=self.devices)
        # Another number of epochs is for all folds.
        elif status != "finished" or any(each is not None for each in self.overrides.values()):
            inputs = load_run_inputs(path, self.request)
            inputs = inputs.override(self.overrides, self.request.limits)
            run_training(inputs, self.options, resume_dir=path, devices=self.devices)
        record = RunDir(path).previous_manifest() if self.parent.is_writer else None
        metrics = {} if record is None else _recorded_metrics(record, path)
        return JsonObject.parse(self._broadcast(json.dumps(metrics)).encode()).numbers()

    def _broadcast(self, text: str) -> str:
        """Return the text of the chief, whose directory other machines need not have."""
        return self.devices.workers.broadcast(text.encode()).decode()


def _recorded_metrics(record: JsonObject, path: Path) -> dict[str, float]:
    """Return the metrics in the record of a run, named as in histories.

    Raises:
        RunError: if the record is damaged.
    """
    metrics: dict[str, float] = {}
    try:
        for prefix, key in (("val_", "validation_metrics"), ("test_", "test_metrics")):
            if key in record.values:
                values = record.object(key).numbers()
                metrics |= {prefix + name: value for name, value in values.items()}
    except JsonError as error:
        raise RunError(f"{quote(str(path / RUN_JSON), 200)} is damaged: {error}") from error
    return metrics
