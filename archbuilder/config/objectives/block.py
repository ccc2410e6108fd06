"""An objective that a file describes: steps over the columns of a batch, and what they minimize."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from archbuilder.compiler.expand.objectives import OWN_LAYERS
from archbuilder.compiler.ir import Node
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.compiler.objective_ir import (
    NetworkResult,
    ObjectiveGraph,
    Update,
    networks_by_name,
)
from archbuilder.compiler.objective_record import objective_to_dict
from archbuilder.compiler.objective_use import errors_at_use
from archbuilder.config.objectives.base import Command, ObjectiveConfig
from archbuilder.config.optimizers import (
    DEFAULT_OPTIMIZER,
    OptimizerConfig,
    names_optimizers,
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
    from archbuilder.keras_backend import UninitializedModel
    from archbuilder.trainer.context import TrainableTask, TrainingContext


DEFAULT_NUM_BEAMS: Final = 4
"""Number of beams with which `generate` searches translations."""


def optimizer_by_update() -> ValueType[OptimizerConfig | Mapping[str, OptimizerConfig]]:
    """Return the type of one optimizer for all updates of an objective, or of one for each."""
    any_optimizer = optimizer()

    def parse(
        tree: Tree, title: str, context: SectionContext
    ) -> OptimizerConfig | Mapping[str, OptimizerConfig]:
        updates = {} if context.objective is None else context.objective.updates_by_name
        if ONLY_UPDATE in updates:
            return any_optimizer.parse(tree, title, context)
        if not isinstance(tree, MappingNode) or (
            tree.entries and not any(map(tree.get, updates)) and not names_optimizers(tree)
        ):
            return dict.fromkeys(updates, single_optimizer().parse(tree, title, context))
        trees = context.fields.fields(tree, [*updates], title)
        optimizers: dict[str, OptimizerConfig] = {}
        for name, update in updates.items():
            declared = trees.get(name, update.optimizer)
            optimizers[name] = (
                DEFAULT_OPTIMIZER
                if declared is None
                else any_optimizer.parse(declared, title, _of_update(update, context))
            )
        return optimizers

    return ValueType(any_optimizer.schema, parse, f"{any_optimizer.text}, or a mapping by updates")


def _of_update(update: Update, context: SectionContext) -> SectionContext:
    """Return the context with the layers of an update, whose paths begin within its network."""
    prefixes = tuple(f"{each}." for each in update.networks)
    layers = tuple(each for each in context.layers if each.startswith(prefixes))
    if len(update.networks) == 1:
        layers = tuple(each.removeprefix(prefixes[0]) for each in layers)
    return replace(context, layers=layers or context.layers)


@dataclass(frozen=True, slots=True)
class BlockObjective(ObjectiveConfig):
    """An objective of a file, or of the section `training` itself."""

    name = "objective"
    augments = True

    graph: ObjectiveGraph
    optimizer: OptimizerConfig | Mapping[str, OptimizerConfig] = setting(
        optimizer_by_update(), "Optimizer, or one for each update.", default=DEFAULT_OPTIMIZER
    )

    @property
    def optimizer_configs(self) -> Mapping[str, OptimizerConfig]:
        """The optimizer of each update by its name."""
        if ONLY_UPDATE in self.graph.updates_by_name:
            return {ONLY_UPDATE: cast(OptimizerConfig, self.optimizer)}
        return cast("Mapping[str, OptimizerConfig]", self.optimizer)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The steps of its own, with those of samples."""
        return self.graph.nodes + (() if self.graph.sample is None else self.graph.sample.nodes)

    def optimizer_of(self, network: str) -> OptimizerConfig | None:
        """Return the optimizer of the update that trains a network alone; None if none does."""
        for update in self.graph.updates:
            trained = [each for each in update.networks if each != OWN_LAYERS]
            if trained == [network] or (len(trained) == 1 and not network):
                return self.optimizer_configs[update.name]
        return None

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
    def schedules(self) -> Mapping[str, Sequence[KerasObject]]:
        """What may have schedules: optimizers, and the numbers of the objective."""
        numbers = [term.weight for update in self.graph.updates for term in update.losses]
        numbers += [each.momentum for each in self.graph.copies]
        return {
            "the learning rate": tuple(self.optimizers.values()),
            "the objective": tuple(each for each in numbers if not isinstance(each, float)),
        }

    @property
    def command(self) -> Command:
        """The command that uses the trained networks."""
        return "predict" if self.graph.generates is None else "generate"

    @property
    def default_num_beams(self) -> int | None:
        """The number of beams of `generate`: translations are searched by default."""
        return DEFAULT_NUM_BEAMS if self.graph.generates == "translation" else None

    def recorded(self, _options: Mapping[str, PlainData]) -> PlainData:
        """Return the objective in full, so that a run does not depend on the file."""
        return objective_to_dict(self.graph)

    def check_shapes(self, models: Mapping[str, UninitializedModel]) -> None:
        """Check what is known without data about the shapes of steps.

        Raises:
            BlueprintError: if a step does not take its inputs.
        """
        from archbuilder.objectives.shape_check import check_objective_shapes

        with errors_at_use(self.graph.use):
            check_objective_shapes(self.graph, networks_by_name(self.graph.networks, models))

    def make_task(self, context: TrainingContext) -> TrainableTask:
        """Build the networks, and return the task that trains them."""
        from archbuilder.objectives.block import make_block_task

        with errors_at_use(self.graph.use):
            return make_block_task(context, self)


@dataclass(frozen=True, slots=True)
class StatefulBlockObjective(BlockObjective):
    """An objective that keeps more than the networks, which a stage would start anew."""

    trains_in_stages = False
    evaluation_needs_training_data = True
