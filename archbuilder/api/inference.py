"""Use trained networks: evaluate them, and compute predictions, text and samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from archbuilder.api.arguments import (
    FilePath,
    blueprint_request,
    chief_log,
    data_argument,
    optional_path,
    required_path,
)
from archbuilder.argument_types import BOOLEAN, PATH, STRING, ArgumentClasses, path_list
from archbuilder.blueprint import Blueprint
from archbuilder.config.arguments import SAMPLE_TYPES, check_arguments
from archbuilder.config.data_cli import data_from_argument
from archbuilder.config.image_size import sized_graphs
from archbuilder.config.model_target import ModelTarget, load_target
from archbuilder.config.run_inputs import load_run_inputs
from archbuilder.config.save_best import WeightsChoice
from archbuilder.config.sources import DataSource
from archbuilder.config.training import StrategyName
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.silence_tensorflow import import_tensorflow

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    from archbuilder.inference.evaluate import TrainedRun
    from archbuilder.inference.predict import Prediction
    from archbuilder.trainer.log_format import LogFn
    from archbuilder.weights import Match, MatchMode


def evaluate(  # noqa: PLR0913 - keyword arguments with defaults
    run: FilePath,
    *,
    data: FilePath | None = None,
    test: bool = False,
    weights: WeightsChoice = "last",
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
        test: Whether to use the test set of the run in place of its validation set.
        weights: Which weights of the run: "last", or "best" of a run with `save_best`.
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
    request = blueprint_request(blueprint, variant, params, limits=limits, allow_dirs=allow_dirs)
    arguments = {"weights": weights, "batch_size": batch_size, "distribute": distribute}
    batch_size = check_arguments(arguments, request.limits).get("batch_size")
    path = required_path("run", run)
    target = load_target(path, request, blueprint, optional_path("recipe", recipe), weights)
    data_text = data_argument(data)
    BOOLEAN.check("test", test)
    if test and data_text is not None:
        raise UsageError("'test' cannot be used with 'data'")
    eval_source = _eval_source(data_text, target)
    trained_run = _open_trained_run(path, target, request.limits, log, batch_size, distribute)
    from archbuilder.inference.evaluate import evaluate as evaluate_run

    with trained_run.devices.workers.worker_failure_scope():
        metrics = evaluate_run(
            trained_run,
            data_source=eval_source,
            batch_size=batch_size,
            eval_set="test" if test else "validation",
        )
    return dict(metrics)


def predict(  # noqa: PLR0913 - keyword arguments with defaults
    run: FilePath,
    files: FilePath | Iterable[FilePath] = (),
    *,
    weights: WeightsChoice = "last",
    batch_size: int | None = None,
    distribute: StrategyName = "auto",
    blueprint: FilePath | Blueprint | None = None,
    recipe: FilePath | None = None,
    variant: str | None = None,
    params: Mapping[str, PlainData] | None = None,
    limits: Limits | None = None,
    allow_dirs: Iterable[FilePath] = (),
    log: LogFn | None = None,
    network: str | None = None,
    raw: bool = False,
) -> Iterator[Prediction]:
    """Return an iterator over the predictions of a trained network, one per example, in order.

    Files are read and batches computed as the iterator is read; errors in them are raised then.
    With several workers, each of them must read it to the end.

    Args:
        run: A run directory, or a `.keras` file.
        files: `.npz`, `.npy`, `.csv`, `.parquet`, `.jsonl` and IDX files, images, and directories
            of images; text files and their directories for a run with the source `text_files`.
            Without files, the validation set of the run is used.
        weights: Which weights of the run: "last", or "best" of a run with `save_best`.
        batch_size: Examples per batch; None for that of the recipe.
        distribute: Strategy of `tf.distribute`.
        blueprint: The blueprint of a `.keras` file that is not in its run directory.
        recipe: A YAML file whose sections replace those of the run or blueprint.
        variant: A variant of `blueprint`.
        params: Parameters of `blueprint` by name.
        limits: Bounds for the size of the blueprint and its models.
        allow_dirs: Directories that the blueprint and its data may be read from, besides its own.
        log: Called with each note about the inputs, such as `print`.
        network: The network that predicts, or its output, such as `encoder.features`; by default
            the only one, or the result of the objective.
        raw: Whether to return the outputs of the network: logits instead of probabilities, and
            numbers without the units of the column that they were compared with.

    Raises:
        BlueprintError: with all errors in the blueprint or the recipe.
        UsageError: if an argument is invalid, or there is no such run or file.
        RunError: if an input cannot be read or does not fit, or weights are damaged.
    """
    request = blueprint_request(blueprint, variant, params, limits=limits, allow_dirs=allow_dirs)
    arguments = {"weights": weights, "batch_size": batch_size, "distribute": distribute}
    batch_size = check_arguments(arguments, request.limits).get("batch_size")
    if network is not None:
        STRING.check("network", network)
    path = required_path("run", run)
    target = load_target(path, request, blueprint, optional_path("recipe", recipe), weights)
    paths = path_list("files", [files] if isinstance(files, str | PathLike) else files, "files")
    trained_run = _open_trained_run(path, target, request.limits, log, batch_size, distribute)
    return _iter_predictions(replace(trained_run, network=network), paths, batch_size, raw=raw)


def generate(  # noqa: PLR0913 - keyword arguments with defaults
    run: FilePath,
    prompt: str = "",
    *,
    weights: WeightsChoice = "last",
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
        weights: Which weights of the run: "last", or "best" of a run with `save_best`.
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
        raise UsageError("'num_beams' cannot be used with 'temperature' or 'top_k'")
    request = blueprint_request(limits=limits)
    arguments = {
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "num_beams": num_beams,
        "seed": seed,
        "weights": weights,
    }
    values = check_arguments(arguments, request.limits)
    STRING.check("prompt", prompt)
    path = required_path("run", run)
    inputs = load_run_inputs(path, request)
    import_tensorflow()
    from archbuilder.inference.generate import GenerationConfig
    from archbuilder.inference.generate import generate as generate_text

    default_num_beams = inputs.config.training.objective.default_num_beams
    generation = GenerationConfig.from_arguments(values, default_num_beams)
    return generate_text(
        path, inputs.graphs, inputs.config, request.limits, prompt, generation, weights
    )


def sample(
    run: FilePath,
    *,
    data: FilePath | None = None,
    weights: WeightsChoice = "last",
    num_samples: int = 64,
    seed: int = 0,
    limits: Limits | None = None,
    log: LogFn | None = None,
) -> NDArray[np.float32]:
    """Return samples that the networks of a run draw, as the `sample` of its objective says.

    Args:
        run: A run directory.
        data: Data whose first examples the samples depend on, as in `train`; by default, the
            validation set of the run.
        weights: Which weights of the run: "last", or "best" of a run with `save_best`.
        num_samples: Number of samples.
        seed: Seed of the noise.
        limits: Bounds for the size of the blueprint and its models.
        log: Called with each warning, such as `print`.

    Returns:
        An array `(num_samples, ...)`.

    Raises:
        UsageError: if an argument is invalid, there is no such run, or its objective has no
            `sample`.
        RunError: if the files of the run, or examples, are missing or damaged.
    """
    request = blueprint_request(limits=limits)
    arguments = {"weights": weights, "num_samples": num_samples, "seed": seed}
    values = check_arguments(arguments, request.limits, SAMPLE_TYPES)
    path = required_path("run", run)
    target = load_target(path, request, None, None, weights)
    eval_source = _eval_source(data_argument(data), target)
    trained_run = _open_trained_run(path, target, request.limits, log, None, "none")
    from archbuilder.inference.sample import sample as sample_run

    return sample_run(trained_run, values["num_samples"], values["seed"], eval_source)


def _eval_source(data: str | None, target: ModelTarget) -> DataSource | None:
    """Return the source that takes the place of the validation set of a run."""
    if data is None:
        return None
    config = data_from_argument(data, target.run.config.data)
    return config.validation or config.test or config.train


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
    PATH.check("path", path)
    if match not in (None, "name", "order"):
        raise UsageError(f"'match' must be 'name' or 'order', not {quote(match)}")
    import_tensorflow()
    import keras

    from archbuilder import weights

    ArgumentClasses("a Keras model", (keras.Model,)).check("model", model)
    return weights.load_weights(model, path, match=match, skip_mismatch=skip_mismatch)


def _open_trained_run(
    path: Path,
    target: ModelTarget,
    limits: Limits,
    log: LogFn | None,
    batch_size: int | None,
    distribute: StrategyName,
) -> TrainedRun:
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
        distribute,
        batch_size or config.training.batch_size,
        membership=make_membership(path, run.blueprint_text, config.data, config.training),
    )
    return TrainedRun(
        sized_graphs(run.graphs, config.training.final_image_size),
        config,
        run.blueprint_text,
        limits,
        devices,
        chief_log(log, is_chief=devices.workers.is_chief),
        target.run_dir,
        target.weight_files,
        target.weights,
    )


def _iter_predictions(
    trained_run: TrainedRun, paths: Sequence[Path], batch_size: int | None, *, raw: bool
) -> Iterator[Prediction]:
    from archbuilder.inference.predict import predict as predict_run

    workers = trained_run.devices.workers
    with workers.worker_failure_scope():
        size = batch_size or trained_run.config.training.batch_size
        yield from predict_run(trained_run, paths, size, raw=raw)
        # The last message of a worker is lost if its process exits too early.
        workers.shutdown_barrier()
