"""What an objective is given, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import keras

from archbuilder.compiler.ir import Graph
from archbuilder.config.training import TrainingConfig
from archbuilder.data.dataset import Dataset
from archbuilder.data.indices import lookup_nodes
from archbuilder.diagnostics.errors import InternalError
from archbuilder.distribution.strategy import DeviceSetup
from archbuilder.keras_backend import build
from archbuilder.keras_backend.dtype_policy import (
    cast_indices_to_float32,
    cast_outputs_to_float32,
    dtype_policy_scope,
)
from archbuilder.limits import Limits
from archbuilder.runs.checkpoint_manager import CheckpointManager
from archbuilder.runs.run_dir import EpochLogs, RunDir
from archbuilder.runs.state_dict import Arrays
from archbuilder.trainer.callbacks.progress_bar import ProgressFn
from archbuilder.trainer.execution import ExecutionConfig
from archbuilder.trainer.log_format import LogFn
from archbuilder.trainer.optimizer import make_optimizer
from archbuilder.yaml.nodes import Tree

_Objective = TypeVar("_Objective")


@dataclass(frozen=True, slots=True, eq=False)
class TrainingContext:
    """A run that is about to begin. `validation` is None where a share of the examples is used."""

    graphs: Mapping[str, Graph]
    examples: Dataset
    validation: Dataset | None
    config: TrainingConfig
    devices: DeviceSetup
    execution: ExecutionConfig
    limits: Limits
    run_dir: RunDir
    checkpoints: CheckpointManager
    log: LogFn
    progress: ProgressFn | None = None
    """Takes how far the run is, where a terminal shows it."""
    eval_dataset: Dataset | None = None
    """Examples that a trained network is judged by, in place of those that were held out."""

    def build(self, graph: Graph) -> keras.Model:
        """The network of a graph, which computes in the precision of the run.

        Raises:
            BlueprintError: if it does not fit the machine.
        """
        with dtype_policy_scope(self.execution.dtype_policy):
            model = build(graph, self.limits)
        cast_outputs_to_float32(graph, model)
        cast_indices_to_float32(graph, model, lookup_nodes(graph))
        return model

    def make_optimizer(self, tree: Tree) -> keras.optimizers.Optimizer:
        """The optimizer that a recipe names, with what the run adds to it.

        Raises:
            BlueprintError: if Keras refuses it.
            UsageError: if it is to do itself what the run does.
        """
        return make_optimizer(tree, self.execution)

    def objective_config(self, config_type: type[_Objective]) -> _Objective:
        """The objective of the recipe, which is of this kind.

        Raises:
            InternalError: if it is another one.
        """
        if not isinstance(self.config.objective, config_type):
            raise InternalError(f"the objective is no {config_type.__name__}")
        return self.config.objective


@dataclass(frozen=True, slots=True, eq=False)
class TrainingResult:
    """The numbers of every epoch, and those of the held-out examples."""

    history: tuple[EpochLogs, ...]
    val_metrics: EpochLogs


@dataclass(frozen=True, slots=True, eq=False)
class TrainableTask:
    """Networks by name with what they are trained and judged by; so far they have first weights."""

    models: Mapping[str, keras.Model]
    train: Callable[[], TrainingResult]
    """Trains them, and judges them in the end."""
    evaluate: Callable[[], EpochLogs]
    """The numbers of the held-out examples by the weights of now; none where none are held out."""
    restore: Callable[[Arrays], None] | None = None
    """Gives back what their own weights do not tell, where there is something, of a checkpoint."""


ObjectiveFactory: TypeAlias = Callable[[TrainingContext], TrainableTask]
