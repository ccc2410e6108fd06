"""Everything that an objective receives, and the task that it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import keras

from archbuilder.compiler.ir import Graph
from archbuilder.config.layer_patterns import layer_path_prefix
from archbuilder.config.optimizers import OptimizerConfig
from archbuilder.config.save_best import WeightsChoice
from archbuilder.config.training import TrainingConfig
from archbuilder.data.lookup_tables import lookup_nodes
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.distribution.strategy import DeviceSetup
from archbuilder.keras_backend import build
from archbuilder.keras_backend.dtype_policy import (
    cast_indices_to_float32,
    cast_outputs_to_float32,
    dtype_policy_scope,
)
from archbuilder.limits import Limits
from archbuilder.runs.checkpoint_manager import Checkpoint, CheckpointManager
from archbuilder.runs.run_dir import EpochLogs, RunDir
from archbuilder.runs.state_dict import Arrays, NetworkState, load_network
from archbuilder.trainer.callbacks.progress_bar import ProgressFn
from archbuilder.trainer.callbacks.recipe_callbacks import BestNetworks, BestWeights, EarlyStop
from archbuilder.trainer.execution import ExecutionConfig
from archbuilder.trainer.frozen_layers import freeze_layers
from archbuilder.trainer.initial_weights import InitialWeights
from archbuilder.trainer.log_format import LogFn
from archbuilder.trainer.optimizer import make_optimizer

EvalSet: TypeAlias = Literal["validation", "test"]
"""A set that networks are evaluated on, but not trained."""


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """A stage of a run, and what it takes over from those before it."""

    number: int
    """Counted from 1."""
    count: int
    """Number of stages of the run."""
    first_epoch: int
    """Number of completed epochs when it begins."""
    last_epoch: int
    """The epoch that the run ends with, unless callbacks end a stage earlier."""
    columns: tuple[str, ...]
    """Columns of the history that only some stages have values for."""
    later: tuple[TrainingConfig, ...]
    """The settings of the stages that follow."""
    history: tuple[EpochLogs, ...] = ()
    networks: Mapping[str, NetworkState] = field(default_factory=dict)
    """The values that the variables of each network begin with; empty for the first stage."""
    best: BestNetworks | None = None
    """The best epoch of the stages before; None without `save_best`."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingContext:
    """A run before training.

    `validation_dataset` is None where the validation set is split off from `dataset`.
    """

    graphs: Mapping[str, Graph]
    dataset: SourceDataset
    validation_dataset: SourceDataset | None
    config: TrainingConfig
    devices: DeviceSetup
    execution: ExecutionConfig
    limits: Limits
    run_dir: RunDir
    checkpoints: CheckpointManager
    log: LogFn
    initial_weights: InitialWeights | None = None
    """Files that a new run starts from; None if it resumes, and for evaluation."""
    checkpoint: Checkpoint | None = None
    """The checkpoint that the run resumes from; None for a run that begins."""
    progress: ProgressFn | None = None
    """Shows the progress bar; None outside of a terminal."""
    eval_dataset: SourceDataset | None = None
    """Dataset to evaluate a trained network on, in place of its validation set."""
    test_dataset: SourceDataset | None = None
    """None where the test set is split off from `dataset`, or there is none."""
    stage: Stage | None = None
    """The stage, whose settings are in `config`; None for a run without stages."""

    @property
    def is_last_stage(self) -> bool:
        """Whether the run ends with this stage."""
        return self.stage is None or self.stage.number == self.stage.count

    def build(self, graph: Graph) -> keras.Model:
        """Build the network of a graph as the run trains it.

        It has the dtype policy of the run, the weights that the run begins with, and frozen layers.

        Raises:
            BlueprintError: if the network does not fit the machine, or no weight is left to train.
            RunError: if the weights of a file do not fit the network.
        """
        with dtype_policy_scope(self.execution.dtype_policy):
            model = build(graph, self.limits)
        # Losses and metrics are computed in float32. So are the indices of embeddings: bfloat16 has
        # no integer between 256 and 258.
        cast_outputs_to_float32(graph, model)
        cast_indices_to_float32(graph, model, lookup_nodes(graph))
        path_prefix = layer_path_prefix(graph.name, self.graphs)
        # Before layers are frozen, which changes the order of their weights in files of Keras 2.
        if self.initial_weights is not None:
            self.initial_weights.load(model, graph.name, path_prefix)
        if self.stage is not None and graph.name in self.stage.networks:
            load_network(model, self.stage.networks[graph.name])
        later_stages = () if self.stage is None else self.stage.later
        freeze_layers(model, path_prefix, self.config, later_stages)
        return model

    def make_optimizer(
        self, config: OptimizerConfig, network: keras.Model, steps_per_epoch: int
    ) -> keras.optimizers.Optimizer:
        """Return the optimizer of a network, with the loss scale that the dtype policy needs.

        Its schedule may depend on the number of steps that it takes in the run or its stage.

        Raises:
            BlueprintError: if Keras rejects it, or it does not fit the weights of the network.
        """
        first_epoch = 0 if self.stage is None else self.stage.first_epoch
        total_steps = steps_per_epoch * (self.config.epochs - first_epoch)
        return make_optimizer(config, network, self.execution, total_steps)


@dataclass(frozen=True, slots=True, eq=False)
class TrainingResult:
    """The logs of every epoch, and the final validation metrics."""

    history: tuple[EpochLogs, ...]
    val_metrics: EpochLogs
    early_stop: EarlyStop | None = None
    """How callbacks ended the run; None if they did not."""
    best_weights: BestWeights | None = None
    """The weights of the best epoch; None without `save_best`."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainableTask:
    """Networks by name, with initial weights, and the functions that train and evaluate them."""

    models: Mapping[str, keras.Model]
    train: Callable[[], TrainingResult]
    """Trains the networks, and evaluates them at the end."""
    evaluate: Callable[[EvalSet], EpochLogs]
    """Returns the metrics of a set for the current weights; empty without this set."""
    restore: Callable[[Arrays, WeightsChoice], None] | None = None
    """Loads from a checkpoint what evaluation needs besides the weights; None if nothing."""
    class_weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """The class weights of the training loss, by output and class."""
