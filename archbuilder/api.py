"""The Python API: train networks and use them, as the commands of the same names do.

The functions import TensorFlow when they are called, after the blueprint and the recipe have been
checked. Arguments have the names of the commands' options.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from archbuilder.blueprint import Blueprint, BlueprintRequest
from archbuilder.config.arguments import SAMPLE_TYPES, check_arguments
from archbuilder.config.data_cli import data_from_argument
from archbuilder.config.model_target import ModelTarget, load_target
from archbuilder.config.run_inputs import RunInputs, load_run_inputs, new_run_inputs
from archbuilder.config.training import StrategyName
from archbuilder.diagnostics.errors import UsageError
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.silence_tensorflow import import_tensorflow

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    from archbuilder.distribution.strategy import DeviceSetup
    from archbuilder.inference.evaluate import TrainedRun
    from archbuilder.inference.predict import Prediction
    from archbuilder.runs.run_dir import RunDir
    from archbuilder.trainer.callbacks.progress_bar import ProgressFn
    from archbuilder.trainer.log_format import LogFn
    from archbuilder.training import RunResult
    from archbuilder.weights import Match, MatchMode

FilePath: TypeAlias = str | PathLike[str]
RUNS: Final = Path("runs")
"""Parent of the run directories that have no name."""


def train(  # noqa: PLR0913 - keyword arguments with defaults
    blueprint: FilePath | Blueprint,
    *,
    run_dir: FilePath | None = None,
    data: FilePath | None = None,
    recipe: FilePath | None = None,
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
) -> RunResult:
    """Train the networks of a blueprint, and return the models, the history and the metrics.

    The data and the settings are those of the sections `data` and `training` of the blueprint,
    unless an argument overrides them. The models, checkpoints and a record of the run are saved in
    the run directory. If training is interrupted, `resume` continues it.

    Args:
        blueprint: A file, the name of a blueprint in the library, or a loaded blueprint.
        run_dir: A new or empty directory; by default `runs/NAME-1`, `runs/NAME-2`, ...
        data: Data to use in place of the recipe's: `digits`, `tfds:NAME`, a directory or a file.
        recipe: A YAML file whose sections `data` and `training` replace those of the blueprint.
        epochs: Number of passes over the training set; None for that of the recipe.
        batch_size: Examples per step on all devices together; None for that of the recipe.
        seed: Seed of weights, order and validation split; None for that of the recipe.
        distribute: Strategy of `tf.distribute`; None for that of the recipe.
        variant: A variant of the blueprint.
        params: Parameters of the blueprint by name.
        limits: Bounds for the size of the blueprint and its models.
        allow_dirs: Directories that the blueprint and its data may be read from, besides its own.
        log: Called with each line about the run, such as `print`. With several workers, it is
            called on the chief only.
        progress: Called with each update of the progress bar, a line that replaces the last one.
        command: The command line to record in the run; by default that of the process.

    Raises:
        BlueprintError: with all errors in the blueprint or the recipe.
        UsageError: if an argument is invalid, or the run directory is not empty.
        RunError: if the data is missing, damaged or does not fit, or the training fails.
        RunInterruptedError: if the process received SIGTERM; the run can be resumed.
    """
    request = _request(blueprint, variant, params, limits, allow_dirs)
    overrides = {
        "epochs": epochs, "batch_size": batch_size, "seed": seed, "distribute": distribute
    }  # fmt: skip
    inputs = new_run_inputs(blueprint, request, _path(recipe), None if data is None else str(data))
    inputs = inputs.override(overrides, request.limits)
    output = _Output(log, progress, tuple(sys.argv if command is None else command))
    return _train(inputs, request, output, new_dir=_path(run_dir))


def resume(  # noqa: PLR0913 - keyword arguments with defaults
    run_dir: FilePath,
    *,
    epochs: int | None = None,
    distribute: StrategyName | None = None,
    limits: Limits | None = None,
    allow_dirs: Iterable[FilePath] = (),
    log: LogFn | None = None,
    progress: ProgressFn | None = None,
    command: Sequence[str] | None = None,
) -> RunResult:
    """Resume an interrupted run from its last checkpoint, or train a finished one for longer.

    The result is the same as without the interruption.

    Args:
        run_dir: The directory of the run.
        epochs: Number of passes over the training set, including those that the run has done;
            None for that of the recipe.
        distribute: Strategy of `tf.distribute`; None for that of the recipe.
        limits: Bounds for the size of the blueprint and its models.
        allow_dirs: Directories that the data may be read from if another user wrote the run.
        log: Called with each line about the run, as in `train`.
        progress: Called with each update of the progress bar, as in `train`.
        command: The command line to record in the run; by default that of the process.

    Raises:
        BlueprintError: with all errors in the recorded blueprint or recipe.
        UsageError: if an argument is invalid, or there is no such run.
        RunError: if the data has changed, or the training fails.
        RunInterruptedError: if the process received SIGTERM; the run can be resumed.
    """
    request = _request(None, None, None, limits, allow_dirs)
    inputs = load_run_inputs(Path(run_dir), request)
    inputs.config.check_data()
    inputs = inputs.override({"epochs": epochs, "distribute": distribute}, request.limits)
    output = _Output(log, progress, tuple(sys.argv if command is None else command))
    return _train(inputs, request, output, resume_dir=Path(run_dir))


def evaluate(  # noqa: PLR0913 - keyword arguments with defaults
    run: FilePath,
    *,
    data: FilePath | None = None,
    batch_size: int | None = None,
    distribute: StrategyName = "auto",
    blueprint: FilePath | Blueprint | None = None,
    recipe: FilePath | None = None,
    variant: str | None = None,
    params: Mapping[str, PlainData] | None = None,
    limits: Limits | None = None,
    allow_dirs: Iterable[FilePath] = (),
    log: LogFn | None = None,
) -> dict[str, float]:
    """Return the losses and metrics of a trained network by name.

    Args:
        run: A run directory, or a `.keras` file.
        data: Data to use in place of the validation set, as in `train`; of a directory with MNIST
            files, the test set.
        batch_size: Examples per batch; None for that of the recipe.
        distribute: Strategy of `tf.distribute`.
        blueprint: The blueprint of a `.keras` file that is not in its run directory.
        recipe: A YAML file whose sections replace those of the run or blueprint.
        variant: A variant of `blueprint`.
        params: Parameters of `blueprint` by name.
        limits: Bounds for the size of the blueprint and its models.
        allow_dirs: Directories that the blueprint and its data may be read from, besides its own.
        log: Called with each warning, such as `print`.

    Raises:
        BlueprintError: with all errors in the blueprint or the recipe.
        UsageError: if an argument is invalid, there is no such run, or it has no validation set.
        RunError: if examples or weights are missing, damaged or do not fit.
    """
    request = _request(blueprint, variant, params, limits, allow_dirs)
    options = _DeviceOptions.checked(batch_size, distribute, request.limits)
    target = load_target(Path(run), request, blueprint, _path(recipe))
    eval_data = None if data is None else data_from_argument(str(data), target.run.config.data)
    trained_run, devices = _open_trained_run(Path(run), target, options)
    from archbuilder.inference.evaluate import evaluate as evaluate_run

    with devices.workers.worker_failure_scope():
        metrics = evaluate_run(
            trained_run,
            request.limits,
            devices,
            _chief_log(log, is_chief=devices.workers.is_chief),
            data_source=None if eval_data is None else eval_data.validation or eval_data.train,
            batch_size=options.batch_size,
        )
    return dict(metrics)


def predict(  # noqa: PLR0913 - keyword arguments with defaults
    run: FilePath,
    files: FilePath | Iterable[FilePath] = (),
    *,
    batch_size: int | None = None,
    distribute: StrategyName = "auto",
    blueprint: FilePath | Blueprint | None = None,
    recipe: FilePath | None = None,
    variant: str | None = None,
    params: Mapping[str, PlainData] | None = None,
    limits: Limits | None = None,
    allow_dirs: Iterable[FilePath] = (),
    log: LogFn | None = None,
) -> Iterator[Prediction]:
    """Return an iterator over the predictions of a trained network, one per example, in order.

    Files are read and batches computed as the iterator is read; errors in them are raised then.
    With several workers, each of them must read it to the end.

    Args:
        run: A run directory, or a `.keras` file.
        files: `.npz`, `.npy`, `.csv`, `.parquet`, `.jsonl` and IDX files, images, and directories
            of images. Without files, the validation set of the run is used.
        batch_size: Examples per batch; None for that of the recipe.
        distribute: Strategy of `tf.distribute`.
        blueprint: The blueprint of a `.keras` file that is not in its run directory.
        recipe: A YAML file whose sections replace those of the run or blueprint.
        variant: A variant of `blueprint`.
        params: Parameters of `blueprint` by name.
        limits: Bounds for the size of the blueprint and its models.
        allow_dirs: Directories that the blueprint and its data may be read from, besides its own.
        log: Called with each note about the inputs, such as `print`.

    Raises:
        BlueprintError: with all errors in the blueprint or the recipe.
        UsageError: if an argument is invalid, or there is no such run or file.
        RunError: if an input cannot be read or does not fit, or weights are damaged.
    """
    request = _request(blueprint, variant, params, limits, allow_dirs)
    options = _DeviceOptions.checked(batch_size, distribute, request.limits)
    target = load_target(Path(run), request, blueprint, _path(recipe))
    paths = [Path(files)] if isinstance(files, str | PathLike) else [Path(each) for each in files]
    trained_run, devices = _open_trained_run(Path(run), target, options)
    return _iter_predictions(trained_run, paths, request.limits, devices, log, options)


def generate(  # noqa: PLR0913 - keyword arguments with defaults
    run: FilePath,
    prompt: str = "",
    *,
    max_new_tokens: int = 200,
    temperature: float | None = None,
    top_k: int | None = None,
    num_beams: int | None = None,
    seed: int = 0,
    limits: Limits | None = None,
) -> str:
    """Return text that the language model of a run generates.

    A causal model continues the prompt; a model that was trained on pairs of texts transforms it.

    Args:
        run: A run directory.
        prompt: The text to continue or to transform.
        max_new_tokens: Maximum number of tokens to generate.
        temperature: Sampling temperature; below 1 sharpens the distribution, 0 is greedy. 1 by
            default.
        top_k: Number of the most likely tokens to sample from; all by default.
        num_beams: Beams of beam search, which replaces sampling; 1 is greedy. By default 4 for a
            model that was trained on pairs of texts.
        seed: Seed of sampling.
        limits: Bounds for the size of the blueprint and its models.

    Raises:
        UsageError: if an argument is invalid, there is no such run, it trained no such model, or
            the prompt does not fit.
        RunError: if the files of the run are damaged.
    """
    if num_beams is not None and (temperature is not None or top_k is not None):
        raise UsageError("--num-beams cannot be used with --temperature or --top-k")
    request = _request(None, None, None, limits, ())
    arguments = {"max_new_tokens": max_new_tokens, "temperature": temperature, "top_k": top_k}
    check_arguments({**arguments, "num_beams": num_beams, "seed": seed}, request.limits)
    inputs = load_run_inputs(Path(run), request)
    if temperature is None and top_k is None:
        num_beams = num_beams or inputs.config.training.objective.default_num_beams
    import_tensorflow()
    from archbuilder.inference.generate import GenerationConfig
    from archbuilder.inference.generate import generate as generate_text
    from archbuilder.inference.samplers import SamplingConfig

    # Beam search is deterministic; with one beam it is greedy decoding.
    sampling = None
    if num_beams is None:
        sampling = SamplingConfig(1.0 if temperature is None else temperature, top_k, seed)
    generation = GenerationConfig(max_new_tokens, sampling, num_beams or 1)
    return generate_text(
        Path(run), inputs.graphs, inputs.config, request.limits, prompt, generation
    )


def sample(
    run: FilePath, *, num_samples: int = 64, seed: int = 0, limits: Limits | None = None
) -> NDArray[np.float32]:
    """Return samples of the generator of a run with the objective `adversarial`.

    Args:
        run: A run directory.
        num_samples: Number of samples.
        seed: Seed of the noise.
        limits: Bounds for the size of the blueprint and its models.

    Returns:
        An array `(num_samples, ...)` of the outputs of the generator.

    Raises:
        UsageError: if an argument is invalid, there is no such run, or it trained no generator.
        RunError: if the files of the run are damaged.
    """
    request = _request(None, None, None, limits, ())
    check_arguments({"num_samples": num_samples, "seed": seed}, request.limits, SAMPLE_TYPES)
    inputs = load_run_inputs(Path(run), request)
    import_tensorflow()
    from archbuilder.inference.sample import sample as sample_run

    return sample_run(Path(run), inputs.graphs, inputs.config, request.limits, num_samples, seed)


def load_weights(
    model: keras.Model,
    path: str | PathLike[str],
    *,
    match: MatchMode | None = None,
    skip_mismatch: bool = False,
) -> Match:
    """Load the weights of a file into a compiled model, and return how they match.

    Reads `.weights.h5` and `.keras` files of Keras 3, `.h5` files of Keras 2 (such as those that
    `keras.applications` downloads) and `.safetensors`. Only the values of weights are read, no
    objects are deserialized.

    Args:
        model: A model that is built, such as a compiled blueprint.
        path: The file.
        match: `"name"` pairs weights of the same name, `"order"` those at the same position. Files
            of Keras 3 record the order within each class of layers only, `.safetensors` files
            record none. By default, whichever pairs more weights.
        skip_mismatch: Whether to load the weights that match and leave the others unchanged.

    Raises:
        RunError: if a weight does not match and `skip_mismatch` is False, or if the file is
            damaged. Nothing is loaded then.
        UsageError: if there is no such file, its format is unknown, or `match` is `"order"` and it
            records no order.
    """
    from archbuilder import weights

    return weights.load_weights(model, path, match=match, skip_mismatch=skip_mismatch)


@dataclass(frozen=True, slots=True)
class _Output:
    """Where training reports to, and the command line that it records."""

    log: LogFn | None
    progress: ProgressFn | None
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _DeviceOptions:
    """Checked options of functions that run a trained network."""

    batch_size: int | None
    distribute: StrategyName

    @classmethod
    def checked(
        cls, batch_size: int | None, distribute: StrategyName, limits: Limits
    ) -> _DeviceOptions:
        check_arguments({"batch_size": batch_size, "distribute": distribute}, limits)
        return cls(batch_size, distribute)


def _request(
    blueprint: FilePath | Blueprint | None,
    variant: str | None,
    params: Mapping[str, PlainData] | None,
    limits: Limits | None,
    allow_dirs: Iterable[FilePath],
) -> BlueprintRequest:
    if limits is None:
        limits = blueprint.limits if isinstance(blueprint, Blueprint) else Limits()
    return BlueprintRequest(variant, params or {}, limits, tuple(map(Path, allow_dirs)))


def _path(file: FilePath | None) -> Path | None:
    return None if file is None else Path(file)


def _chief_log(log: LogFn | None, *, is_chief: bool) -> LogFn:
    """Return the function that shows a line; on other workers than the chief, it does nothing."""
    return log if log is not None and is_chief else lambda _line: None


def _train(
    inputs: RunInputs,
    request: BlueprintRequest,
    output: _Output,
    *,
    new_dir: Path | None = None,
    resume_dir: Path | None = None,
) -> RunResult:
    """Resume the run in `resume_dir`, or train in `new_dir`, or else in the next free directory."""
    import_tensorflow()
    from archbuilder.distribution.membership import make_membership
    from archbuilder.distribution.strategy import setup_devices
    from archbuilder.runs.manifest import RunProvenance
    from archbuilder.runs.run_dir import RunDir
    from archbuilder.training import broadcast_run_dir
    from archbuilder.training import train as train_run

    def open_run_dir() -> RunDir:
        if resume_dir is not None:
            return RunDir.open_existing(resume_dir)
        if new_dir is not None:
            return RunDir.create(new_dir)
        return RunDir.create_numbered(RUNS, inputs.name)

    config = inputs.config
    devices = setup_devices(
        config.training.distribute,
        config.training.batch_size,
        membership=make_membership(
            resume_dir or new_dir, inputs.blueprint_text, config.data, config.training
        ),
    )
    # Only the chief opens it: workers that each took the next free directory would take different
    # ones.
    run_dir = broadcast_run_dir(open_run_dir, devices.workers)
    try:
        return train_run(
            inputs.graphs,
            config.data,
            config.training,
            run_dir,
            provenance=RunProvenance(
                inputs.blueprint_text, output.command, config.allow_dirs, inputs.blueprint_file
            ),
            limits=request.limits,
            log=_chief_log(output.log, is_chief=run_dir.is_writer),
            devices=devices,
            progress=output.progress if run_dir.is_writer else None,
        )
    except KeyboardInterrupt as error:
        if run_dir.is_writer:
            error.add_note(f"interrupted; resume with: archbuilder train --resume {run_dir.path}")
        raise


def _open_trained_run(
    path: Path, target: ModelTarget, options: _DeviceOptions
) -> tuple[TrainedRun, DeviceSetup]:
    """Import TensorFlow, set up the devices, and return the run with them.

    Raises:
        RunError: if the devices do not exist, or a batch has less than one example for each.
        ClusterError: if the workers cannot connect, or one of them was lost.
    """
    import_tensorflow()
    from archbuilder.distribution.membership import make_membership
    from archbuilder.distribution.strategy import setup_devices
    from archbuilder.inference.evaluate import TrainedRun

    run, config = target.run, target.run.config
    devices = setup_devices(
        options.distribute,
        options.batch_size or config.training.batch_size,
        membership=make_membership(path, run.blueprint_text, config.data, config.training),
    )
    trained_run = TrainedRun(
        run.graphs, config, run.blueprint_text, target.run_dir, target.weight_files
    )
    return trained_run, devices


def _iter_predictions(
    trained_run: TrainedRun,
    paths: Sequence[Path],
    limits: Limits,
    devices: DeviceSetup,
    log: LogFn | None,
    options: _DeviceOptions,
) -> Iterator[Prediction]:
    from archbuilder.inference.predict import predict as predict_run

    with devices.workers.worker_failure_scope():
        yield from predict_run(
            trained_run,
            paths,
            limits,
            devices,
            _chief_log(log, is_chief=devices.workers.is_chief),
            options.batch_size or trained_run.config.training.batch_size,
        )
        # The last message of a worker is lost if its process exits too early.
        devices.workers.shutdown_barrier()
