"""An objective that a file describes: steps over the columns of a batch, and what they minimize."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.compiler.objective_ir import NetworkResult, ObjectiveGraph
from archbuilder.compiler.objective_record import objective_to_dict
from archbuilder.config.objectives.base import Command, ObjectiveConfig
from archbuilder.config.optimizers import (
    DEFAULT_OPTIMIZER,
    OptimizerConfig,
    optimizer,
    single_optimizer,
)
from archbuilder.config.settings import setting
from archbuilder.config.value_types import SectionContext, ValueType
from archbuilder.diagnostics.errors import UsageError
from archbuilder.language.parser.objectives import ONLY_UPDATE
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import MappingNode, Tree

if TYPE_CHECKING:
    from archbuilder.trainer.context import TrainableTask, TrainingContext


DEFAULT_NUM_BEAMS: Final = 4
"""Number of beams with which `generate` searches translations."""


def optimizer_by_update() -> ValueType[OptimizerConfig]:
    """Return the type of one optimizer for all updates of an objective, or of one for each."""
    single, by_layer = single_optimizer(), optimizer()

    def parse(tree: Tree, title: str, context: SectionContext) -> OptimizerConfig:
        updates = context.updates
        if updates == (ONLY_UPDATE,):
            return by_layer.parse(tree, title, context)
        if not isinstance(tree, MappingNode) or not any(tree.get(each) for each in updates):
            return dict.fromkeys(updates, single.parse(tree, title, context))
        # An update that the mapping does not name gets the default optimizer.
        optimizers = dict.fromkeys(updates, DEFAULT_OPTIMIZER)
        for entry in context.fields.known_entries(tree, updates, title):
            optimizers[entry.key] = single.parse(entry.value, title, context)
        return optimizers

    return ValueType(by_layer.schema, parse, f"{by_layer.text} or by updates")


@dataclass(frozen=True, slots=True)
class BlockObjective(ObjectiveConfig):
    """An objective of a file, or of the section `training` itself."""

    name = "objective"
    augment = "optional"
    adapts_layers = True

    graph: ObjectiveGraph
    optimizer: OptimizerConfig = setting(
        optimizer_by_update(),
        "Optimizer, or one for each update.",
        default=DEFAULT_OPTIMIZER,
    )

    @property
    def optimizer_configs(self) -> Mapping[str, OptimizerConfig]:
        """The optimizer of each update by its name."""
        if self.graph.updates[0].name == ONLY_UPDATE:
            return {ONLY_UPDATE: self.optimizer}
        if isinstance(self.optimizer, KerasObject):
            return dict.fromkeys((each.name for each in self.graph.updates), self.optimizer)
        return self.optimizer

    def require_command(self, command: Command) -> None:
        """Check that a command can use the trained networks.

        Raises:
            UsageError: if the objective does not say how.
        """
        if command != "sample":
            # Not `super()`, which refers to the class before it got its slots.
            ObjectiveConfig.require_command(self, command)
        elif self.graph.sample is None:
            raise UsageError(
                "the objective of this run has no 'sample', whose steps draw samples with its"
                " networks, as in 'sample: {layers: [{Normal: {input_of: decoder}}, decoder]}'"
            )

    @property
    def result(self) -> NetworkResult | None:
        """The network that predicts; None if the objective names none."""
        return self.graph.result

    @property
    def command(self) -> Command | None:
        """The command that uses the trained networks."""
        return "predict" if self.graph.generates is None else "generate"

    @property
    def default_num_beams(self) -> int | None:
        """The number of beams of `generate`: translations are searched by default."""
        return DEFAULT_NUM_BEAMS if self.graph.generates == "translation" else None

    def recorded(self, _options: Mapping[str, PlainData]) -> PlainData:
        """Return the objective in full, so that a run does not depend on the file."""
        return objective_to_dict(self.graph)

    def make_task(self, context: TrainingContext) -> TrainableTask:
        """Build the networks, and return the task that trains them."""
        from archbuilder.objectives.block import make_block_task

        return make_block_task(context, self)


@dataclass(frozen=True, slots=True)
class StatefulBlockObjective(BlockObjective):
    """An objective that keeps more than the networks, which a stage would start anew."""

    trains_in_stages = False
    evaluation_needs_training_data = True
