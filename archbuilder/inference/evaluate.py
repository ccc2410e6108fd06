"""Evaluate trained networks on the validation set of their run, or on another dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras

from archbuilder.compiler.ir import Graph
from archbuilder.config.fingerprint import run_fingerprint
from archbuilder.config.run_config import RunConfig, recipe_to_dict
from archbuilder.config.save_best import WeightsChoice
from archbuilder.config.sources import DataConfig, DataSource
from archbuilder.data.digest import dataset_digest
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import (
    FittedPreprocessing,
    SourceDatasets,
    preprocessing_from_schema,
)
from archbuilder.data.sources import load_datasets, load_source
from archbuilder.data.text.tokenizer import TOKENIZER_DIR
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.distribution.strategy import DeviceSetup
from archbuilder.files.sandbox import SandboxPath
from archbuilder.inference.load_run import load_run_tokenizer, load_run_weights
from archbuilder.limits import Limits
from archbuilder.runs.checkpoint_manager import CheckpointManager
from archbuilder.runs.run_dir import EpochLogs, RunDir
from archbuilder.trainer.context import EvalSet, TrainingContext
from archbuilder.trainer.execution import choose_execution
from archbuilder.trainer.log_format import LogFn
from archbuilder.trainer.random_state import preserve_random_state
from archbuilder.trainer.step_errors import translate_tf_errors
from archbuilder.weights import restore_weights


@dataclass(frozen=True, slots=True, eq=False)
class TrainedRun:
    """Trained networks, with the recipe of their run and the devices to use them on."""

    graphs: Mapping[str, Graph]
    config: RunConfig
    blueprint: str
    """Text of the blueprint, as recorded by the run."""
    limits: Limits
    devices: DeviceSetup
    log: LogFn
    """Shows a line to the user."""
    run_dir: Path | None = None
    """The run directory; None for a model without one."""
    weight_files: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    """Weight files by network, which replace those of the run."""
    weights: WeightsChoice = "last"
    """Which weights of the run."""
    network: str | None = None
    """The network that predicts, such as `encoder`, or its output, such as `encoder.features`; None
    for the only one, or the result of the objective."""


@preserve_random_state()
def evaluate(
    trained_run: TrainedRun,
    *,
    data_source: DataSource | None = None,
    batch_size: int | None = None,
    eval_set: EvalSet = "validation",
) -> EpochLogs:
    """Return the losses and metrics of the recipe, on a set of the run or another dataset.

    They are the same as those that training reports after an epoch.

    Raises:
        UsageError: if there is no such set, the run is not finished, or the other dataset is
            of another kind.
        RunError: if examples or weights are missing, damaged or do not fit.
        BlueprintError: if a network does not fit the machine, or a data file may not be read.
    """
    context = make_eval_context(trained_run, data_source, batch_size)
    task = context.config.objective.make_task(context)
    if task.restore is not None:
        checkpoint = None
        if trained_run.run_dir is not None and not trained_run.weight_files:
            checkpoint = context.checkpoints.latest(context.log)
        if checkpoint is None:
            raise UsageError(
                "this objective needs more than the network to evaluate it: give the run directory,"
                " with its checkpoints"
            )
        task.restore(checkpoint.arrays, trained_run.weights)
    for name in trained_run.graphs:
        load_trained_weights(trained_run, task.models[name], name)
    with translate_tf_errors("the evaluation", trained_run.graphs.values()):
        metrics = task.evaluate(eval_set)
    # The last message of a worker is lost if its process exits too early.
    trained_run.devices.workers.shutdown_barrier()
    if not metrics:
        raise UsageError(f"the run has no {eval_set} set; give examples with --data")
    return metrics


def make_eval_context(
    trained_run: TrainedRun,
    data_source: DataSource | None = None,
    batch_size: int | None = None,
) -> TrainingContext:
    """Return the context of a run as in training, to evaluate its networks.

    `data_source` is the dataset to evaluate on, in place of the validation set.

    Raises:
        UsageError: if `data_source` is of another kind, or the data of the run may not be read.
        RunError: if examples are missing or damaged.
        BlueprintError: if a data file may not be read.
    """
    training = trained_run.config.training
    size = batch_size or training.batch_size
    # The other options only change how the steps of training are executed.
    eval_training = dataclasses.replace(
        training,
        batch_size=size,
        # The saved kernels are merged.
        lora=None,
        steps_per_execution=1,
        jit_compile=False,
        gradient_accumulation_steps=1,
    )
    datasets = _load_datasets(trained_run, data_source)
    # The validation split follows from the seed and the number of examples: with other data, it may
    # contain examples of the training set.
    recorded_digest = trained_run.config.digest if data_source is None else None
    if recorded_digest is not None and recorded_digest != dataset_digest(datasets):
        trained_run.log(
            "warning: the data has changed since the run started; the validation set may contain"
            " training examples"
        )
    config, run_dir = trained_run.config, trained_run.run_dir or Path()
    recipe = recipe_to_dict(config.data, config.training, config.allow_dirs)
    keras.utils.set_random_seed(training.seed)
    return TrainingContext(
        graphs=trained_run.graphs,
        dataset=datasets.train,
        validation_dataset=datasets.validation,
        test_dataset=datasets.test,
        config=eval_training,
        devices=trained_run.devices,
        execution=choose_execution(eval_training, trained_run.devices.num_replicas, ()),
        limits=trained_run.limits,
        run_dir=RunDir(run_dir, is_writer=False),
        checkpoints=CheckpointManager(
            SandboxPath(run_dir),
            run_fingerprint(trained_run.blueprint, recipe),
            trained_run.devices.workers,
        ),
        log=trained_run.log,
        eval_dataset=datasets.validation if data_source is not None else None,
    )


def _load_datasets(trained_run: TrainedRun, data_source: DataSource | None) -> SourceDatasets:
    """Load the training data, and the data to evaluate on if it has its own source.

    If the run recorded the preprocessing, `data_source` replaces the training data too, which is
    then not read.
    """
    data = trained_run.config.data
    # Without the sandbox of the run: the user chose these data.
    opener = DataFileOpener(data.directory or Path(), trained_run.config.allow_dirs)
    config, run_dir = trained_run.config, trained_run.run_dir
    if data_source is not None:
        # Text is evaluated on the same kind of text, and nothing else is.
        has_text = data.train.is_text or data_source.is_text
        if type(data.train) is not type(data_source) and has_text:
            hint = f"; give a {data.train.file_suffix} file" if data.train.is_text else ""
            raise UsageError(
                f"the run was trained on the source {quote(data.train.key)}, not on"
                f" {quote(data_source.key)}{hint}"
            )
        if run_dir is not None and not config.training.objective.evaluation_needs_training_data:
            tokenizer = load_run_tokenizer(run_dir) if data.train.is_text else None
            preprocessing = FittedPreprocessing(config.schema, tokenizer)
            eval_dataset = load_source(data_source, opener, preprocessing)
            return SourceDatasets(eval_dataset, eval_dataset)
    config.check_data()
    tokenizer_dir = None if run_dir is None else SandboxPath(run_dir).joinpath(TOKENIZER_DIR)
    cache_dir = tokenizer_dir if tokenizer_dir is not None and tokenizer_dir.is_dir() else None
    run_opener = DataFileOpener(
        data.directory or Path(), config.allow_dirs, cache_dir, sandbox=data.sandbox
    )
    fitted = preprocessing_from_schema(config.schema)
    if data_source is None:
        return load_datasets(data, config.training, run_opener, fitted)
    train = load_datasets(DataConfig(data.train), config.training, run_opener, fitted).train
    # Without `run_opener`: the tokens in the run directory are those of its own texts.
    return SourceDatasets(train, load_source(data_source, opener, train.preprocessing))


def load_trained_weights(trained_run: TrainedRun, model: keras.Model, name: str) -> None:
    """Load the trained weights of a network.

    Raises:
        UsageError: if the run is not finished, or there are no weights of this network.
        RunError: if they are damaged or do not fit.
    """
    if name in trained_run.weight_files:
        restore_weights(model, trained_run.weight_files[name])
    elif trained_run.run_dir is not None:
        load_run_weights(trained_run.run_dir, model, name, trained_run.weights)
    else:
        raise UsageError(f"there are no weights of the network '{name}'")
