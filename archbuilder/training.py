"""Run a training: load the data, set up the devices, train, save the models, record the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import keras

from archbuilder.compiler.ir import Graph, array_files
from archbuilder.compiler.relative_steps import has_relative_steps
from archbuilder.config.fingerprint import run_fingerprint
from archbuilder.config.image_size import sized_graphs
from archbuilder.config.run_config import BLUEPRINT_FILE
from archbuilder.config.run_inputs import RunInputs
from archbuilder.config.save_best import WeightsChoice
from archbuilder.config.sources import DataConfig
from archbuilder.config.training import TrainingConfig
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.position_inputs import unchecked_positions
from archbuilder.data.sizes import measure
from archbuilder.data.source_dataset import FittedPreprocessing, SourceDatasets
from archbuilder.data.sources import load_datasets
from archbuilder.data.text.tokenizer import TOKENIZER_DIR
from archbuilder.data.vocabularies import input_vocabularies
from archbuilder.diagnostics.errors import CheckpointedInterrupt, RunInterruptedError
from archbuilder.distribution.collectives import WorkerGroup
from archbuilder.distribution.strategy import DeviceSetup, setup_devices
from archbuilder.keras_backend.saving import write_model
from archbuilder.limits import Limits
from archbuilder.runs.checkpoint_manager import CheckpointManager
from archbuilder.runs.manifest import RunManifest, RunProvenance
from archbuilder.runs.run_dir import EpochLogs, RunDir, translate_write_errors
from archbuilder.trainer.adapted_layers import adapt_layers
from archbuilder.trainer.callbacks.progress_bar import ProgressFn
from archbuilder.trainer.callbacks.recipe_callbacks import BestEpoch
from archbuilder.trainer.callbacks.tensorboard import plot_history
from archbuilder.trainer.context import TrainableTask, TrainingContext, TrainingResult
from archbuilder.trainer.execution import choose_execution
from archbuilder.trainer.frozen_layers import trainable_note
from archbuilder.trainer.initial_weights import InitialWeights
from archbuilder.trainer.log_format import LogFn, format_metrics
from archbuilder.trainer.random_state import preserve_random_state
from archbuilder.trainer.stages import train_stages
from archbuilder.trainer.step_errors import translate_tf_errors


def broadcast_run_dir(open_run_dir: Callable[[], RunDir], workers: WorkerGroup) -> RunDir:
    """Open the run directory on the chief, and return it on every worker.

    Raises:
        UsageError: if the directory cannot be used for a run.
        RunError: if it cannot be created.
    """
    with workers.worker_failure_scope():
        if workers.is_chief:
            run_dir = open_run_dir()
            workers.broadcast(str(run_dir.path.absolute()).encode())
            return run_dir
        return RunDir(Path(workers.broadcast(b"").decode()), is_writer=False)


@contextmanager
def _wait_for_chief_on_stop(workers: WorkerGroup) -> Iterator[None]:
    """Make every worker wait, when a run is interrupted, until the chief has written all files.

    A scheduler may kill the remaining tasks as soon as the first one exits.

    Raises:
        ClusterError: if a worker is lost.
    """
    with workers.worker_failure_scope():
        try:
            yield
        except (RunInterruptedError, CheckpointedInterrupt):
            workers.shutdown_barrier()
            raise


@dataclass(frozen=True, slots=True, eq=False)
class RunResult:
    """The models, files and metrics of a finished run."""

    run_dir: Path
    models: Mapping[str, keras.Model]
    """The trained networks by name."""
    files: Mapping[str, Path]
    """Path of the file of each network."""
    history: tuple[EpochLogs, ...]
    """Logs of every epoch."""
    val_metrics: EpochLogs
    """Validation metrics of the trained networks; empty without a validation set."""
    best_epoch: BestEpoch | None = None
    """The epoch whose weights are in `best_files`; None without `save_best`."""
    best_files: Mapping[str, Path] = field(default_factory=dict)
    """Path of the file of each network with the weights of the best epoch."""
    test_metrics: EpochLogs = field(default_factory=dict)
    """Test metrics of the best weights with `save_best`, else of the last; empty without a test
    set."""


@preserve_random_state()
def train(  # noqa: PLR0913 - all but the first four have defaults
    graphs: Mapping[str, Graph],
    data: DataConfig,
    training: TrainingConfig,
    run_dir: RunDir,
    *,
    provenance: RunProvenance | None = None,
    limits: Limits | None = None,
    log: LogFn = print,
    devices: DeviceSetup | None = None,
    from_data: RunInputs | None = None,
    progress: ProgressFn | None = None,
) -> RunResult:
    """Train the networks of a blueprint, and save them in a run directory.

    The seed determines the initial weights, the order of the examples and the validation split. In
    the directory of an interrupted run, training resumes from the newest checkpoint. On a CPU, the
    weights are then the same as without the interruption.

    Args:
        graphs: The networks by name.
        data: The `data` section of the recipe.
        training: The `training` section of the recipe.
        run_dir: A new run directory, or that of an interrupted run.
        provenance: The blueprint and command line to record.
        limits: Limits on the size of the networks.
        log: Shows a line to the user.
        devices: The devices to train on; by default those that `training.distribute` selects.
        from_data: The inputs of a new run whose networks have sizes that its data decides.
        progress: Shows the progress bar; None for no bar.

    Raises:
        BlueprintError: if a network does not fit the machine, or the data names a forbidden file.
        UsageError: if the objective cannot train these networks, or another run uses the directory.
        RunError: if the data is missing, damaged or does not fit, or the training fails.
        RunInterruptedError: if the process received SIGTERM; the run can be resumed.
        CheckpointedInterrupt: the same after Ctrl-C.
    """
    run = _Run(
        graphs,
        data,
        training,
        run_dir,
        provenance or RunProvenance(),
        limits or Limits(),
        log,
        devices or setup_devices(training.distribute, training.smallest_batch_size),
        progress,
    )
    datasets: SourceDatasets | None = None
    workers = run.devices.workers
    with _wait_for_chief_on_stop(workers), run_dir.lock(), run_dir.delete_unless_started():
        if from_data is not None:
            # Before run.json, whose presence means that the networks of the run are known.
            datasets = run.load_datasets(None)
            run = run.with_sizes(from_data, datasets)
        manifest = run.start()
        with manifest.track_status():
            context = run.make_context(manifest, datasets)
            task, result = _run_objective(context, manifest)
            with translate_tf_errors("the evaluation", run.graphs.values()):
                run_result = _finish_result(run_dir, task, result)
            # If a worker was lost, the run fails here, and is not recorded as finished.
            workers.shutdown_barrier()
        manifest.finish(
            result.val_metrics, run_result.test_metrics, result.early_stop, run_result.best_epoch
        )
    _log_result(run_result, log)
    return run_result


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """A run before its data is loaded: the arguments of `train`."""

    graphs: Mapping[str, Graph]
    data: DataConfig
    training: TrainingConfig
    run_dir: RunDir
    provenance: RunProvenance
    limits: Limits
    log: LogFn
    devices: DeviceSetup
    progress: ProgressFn | None

    def load_datasets(self, preprocessing: FittedPreprocessing | None) -> SourceDatasets:
        """Load the data, with the preprocessing of a run that is resumed."""
        return _load_datasets(
            self.data,
            self.training,
            self.run_dir,
            self.provenance,
            self.devices.workers,
            preprocessing,
        )

    def with_sizes(self, inputs: RunInputs, datasets: SourceDatasets) -> _Run:
        """Return the run of the networks whose sizes are those of the data."""
        if inputs.from_data is None:
            return self
        sizes = measure(datasets, inputs.from_data.sizes)
        values = (f"{name} = {each:,}" for name, each in sizes.items())
        self.log(f"From the data: {', '.join(values)}")
        resolved = inputs.with_sizes(sizes)
        return replace(
            self,
            graphs=resolved.graphs,
            training=resolved.config.training,
            provenance=replace(self.provenance, blueprint=resolved.blueprint_text, sizes=sizes),
        )

    def start(self) -> RunManifest:
        """Log the devices and the directory, and write the blueprint and the manifest."""
        self.log(
            f"Device{'s' if self.devices.num_replicas > 1 else ''}: {self.devices.description}"
        )
        self.log(f"Run directory: {self.run_dir.path}")
        for graph in self.graphs.values():
            for sentence in unchecked_positions(graph, self.data.train):
                self.log(f"warning: {sentence}")
        if self.provenance.blueprint:
            # Before run.json, whose presence means that the run can be resumed.
            nodes = [node for graph in self.graphs.values() for node in graph.nodes]
            for array in array_files((*nodes, *self.training.objective.nodes)):
                self.run_dir.write_bytes(array.recorded_path(), array.read())
            self.run_dir.write_text(BLUEPRINT_FILE, self.provenance.blueprint)
        return RunManifest(
            self.run_dir, self.data, self.training, self.provenance, self.devices.description
        )

    def make_context(
        self, manifest: RunManifest, datasets: SourceDatasets | None
    ) -> TrainingContext:
        """Load the data unless it is, and the newest checkpoint, for the objective."""
        workers = self.devices.workers
        datasets = datasets or self.load_datasets(manifest.preprocessing)
        manifest.record_data(datasets)
        _warn_of_changed_schedule(manifest.previous_epochs, self.training, self.log)
        fingerprint = run_fingerprint(self.provenance.blueprint, manifest.recipe)
        checkpoints = CheckpointManager(self.run_dir.root, fingerprint, workers)
        checkpoint = checkpoints.latest(self.log)
        # The weights of a resumed run are those of its checkpoint.
        initial_weights = InitialWeights(
            self.training.weights if checkpoint is None else (),
            self.provenance.allow_dirs,
            self.data.sandbox,
            workers,
            self.log,
            input_vocabularies(datasets.train),
        )
        return TrainingContext(
            graphs=self.graphs,
            dataset=datasets.train,
            validation_dataset=datasets.validation,
            test_dataset=datasets.test,
            config=self.training,
            devices=self.devices,
            execution=choose_execution(
                self.training, self.devices.num_replicas, self.graphs.values()
            ),
            limits=self.limits,
            run_dir=self.run_dir,
            checkpoints=checkpoints,
            log=self.log,
            initial_weights=initial_weights,
            checkpoint=checkpoint,
            progress=self.progress,
        )


def _warn_of_changed_schedule(
    previous_epochs: int | None, training: TrainingConfig, log: LogFn
) -> None:
    """Warn if a schedule depends on the length of a run, and the run is resumed with another."""
    stages = training.stages
    last = training if stages is None else stages[-1].apply(training, training.epochs)
    owners = [
        owner
        for owner, scheduled in last.objective.schedules.items()
        if any(map(has_relative_steps, scheduled))
    ]
    if owners and previous_epochs not in (None, training.epochs):
        log(
            f"warning: the schedule of {' and that of '.join(owners)} now spans"
            f" {training.epochs:,} epochs instead of {previous_epochs:,}; training continues with"
            " what the new schedule has at this step"
        )


def _finish_result(run_dir: RunDir, task: TrainableTask, result: TrainingResult) -> RunResult:
    """Save the models with their last and their best weights, and evaluate the test set."""
    files, best_files, best = _save_models(task.models, run_dir, "last"), {}, result.best_weights
    with nullcontext() if best is None else best.loaded():
        if best is not None:
            best_files = _save_models(task.models, run_dir, "best")
        test_metrics = task.evaluate("test")
    plot_history(run_dir, result.history)
    return RunResult(
        run_dir.path,
        task.models,
        files,
        result.history,
        result.val_metrics,
        None if best is None else best.best_epoch,
        best_files,
        test_metrics,
    )


def _log_result(result: RunResult, log: LogFn) -> None:
    """Log the metrics of the final weights, and the files that have them."""
    if result.val_metrics:
        log(f"Validation - {format_metrics(result.val_metrics)}")
    if result.test_metrics:
        log(f"Test - {format_metrics(result.test_metrics)}")
    for path in (*result.files.values(), *result.best_files.values()):
        log(f"Saved {path}")


def _save_models(
    models: Mapping[str, keras.Model], run_dir: RunDir, weights: WeightsChoice
) -> dict[str, Path]:
    """Save the models of a run on the chief, and return their paths by network."""
    model_files = {name: run_dir.model_file(name, weights) for name in models}
    for name, model_file in model_files.items() if run_dir.is_writer else ():
        with translate_write_errors(model_file), model_file.atomic_write() as file:
            write_model(models[name], file)
    return {name: each.path for name, each in model_files.items()}


def _load_datasets(
    data: DataConfig,
    training: TrainingConfig,
    run_dir: RunDir,
    provenance: RunProvenance,
    workers: WorkerGroup,
    preprocessing: FittedPreprocessing | None,
) -> SourceDatasets:
    """Load the data, first on the chief.

    The chief trains the tokenizer and writes the tokens to the run directory. Workers that share
    its disk then read them.
    """
    token_dir = run_dir.root.joinpath(TOKENIZER_DIR)
    # These two calls are one collective operation: it ends for the other workers when the chief
    # has loaded the data.
    if not workers.is_chief:
        workers.any_and_chief(any_flag=False, chief_flag=False)
    cache_dir = token_dir if workers.is_chief or token_dir.is_dir() else None
    # A machine that does not share the disk of the chief has no run directory.
    spill_dir = run_dir.path if run_dir.path.is_dir() else None
    data_files = DataFileOpener(
        data.directory or Path(), provenance.allow_dirs, cache_dir, spill_dir, data.sandbox
    )

    datasets = load_datasets(data, training, data_files, preprocessing)
    if workers.is_chief:
        workers.any_and_chief(any_flag=False, chief_flag=True)
    return datasets


def _run_objective(
    context: TrainingContext, manifest: RunManifest
) -> tuple[TrainableTask, TrainingResult]:
    """Build and train the networks of a run, from the seed of its recipe."""
    # Ridge regression is solved in closed form, without steps.
    if context.config.objective.takes_steps:
        context.log(f"Execution: {context.execution.description}")
    with translate_tf_errors("the training", context.graphs.values()):
        return train_stages(adapt_layers(context), partial(_train_stage, manifest))


def _train_stage(
    manifest: RunManifest, context: TrainingContext
) -> tuple[TrainableTask, TrainingResult]:
    """Build and train the networks with the settings of a stage, or of a run without stages."""
    graphs = sized_graphs(context.graphs, context.config.image_size)
    context = replace(context, graphs=graphs)
    keras.utils.set_random_seed(context.config.seed)
    task = context.config.objective.make_task(context)
    if context.initial_weights is not None:
        manifest.record_weights(context.initial_weights.digests)
    manifest.record_class_weights(task.class_weights)
    config = context.config
    if any(each is not None for each in (config.trainable, config.frozen, config.lora)):
        for name in context.graphs:
            context.log(trainable_note(task.models[name]))
    return task, task.train()
