"""What all objectives have in common: their features, what they need, and how they train."""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from archbuilder.compiler.ir import Node
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.compiler.objective_ir import NetworkResult
from archbuilder.config.optimizers import OptimizerConfig
from archbuilder.config.output_types import ClassNumbers
from archbuilder.config.settings import ObjectiveFeature
from archbuilder.config.value_types import SectionContext
from archbuilder.diagnostics.errors import UsageError
from archbuilder.plain_data import PlainData

if TYPE_CHECKING:
    from archbuilder.keras_backend import UninitializedModel
    from archbuilder.trainer.context import TrainableTask, TrainingContext


Command: TypeAlias = Literal["predict", "generate", "sample"]


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """What outputs are compared with: losses, metrics and weights by output."""

    outputs: Collection[str] = ()
    losses: Mapping[str, KerasObject] = field(default_factory=dict)
    metrics: Mapping[str, Sequence[KerasObject]] = field(default_factory=dict)
    feed_targets_to_inputs: Mapping[str, str] = field(default_factory=dict)
    """Inputs that receive the target of an output."""
    target_from_input: Mapping[str, str] = field(default_factory=dict)
    """Outputs whose target is an input."""
    class_weight: Mapping[str, ClassNumbers] = field(default_factory=dict)
    sampling: Mapping[str, ClassNumbers] = field(default_factory=dict)
    """How often training examples are drawn by their class, for at most one output."""


@dataclass(frozen=True, slots=True)
class ObjectiveConfig(abc.ABC):
    """An objective with its settings.

    A field that is declared by `setting` is a key of `training`, and one that is declared by
    `option` is a key under the name of the objective: `objective: {ridge: {alpha: 0.1}}`.
    """

    name: ClassVar[str]
    """The name in a recipe."""
    takes_steps: ClassVar[bool] = True
    """Whether it trains by gradient descent, in steps."""
    trains_in_stages: ClassVar[bool] = True
    """Whether its networks have no state besides, which a stage would start anew."""
    accumulates_gradients: ClassVar[bool] = True
    """Whether a batch can be computed in parts."""
    augments: ClassVar[bool] = False
    """Whether training images may be transformed at random, by the layers of the key `augment`."""
    evaluation_needs_training_data: ClassVar[bool] = False
    """Whether another dataset cannot be evaluated without the training set."""

    @property
    def optimizers(self) -> Mapping[str, KerasObject]:
        """The optimizers by the networks and layers that they train; empty without steps.

        The name of the only optimizer is empty. Others are in the order in which the model of the
        objective has them.
        """
        config: OptimizerConfig | Mapping[str, OptimizerConfig] = getattr(self, "optimizer", {})
        if isinstance(config, KerasObject):
            return {"": config}
        optimizers: dict[str, KerasObject] = {}
        for name, value in config.items():
            if isinstance(value, KerasObject):
                optimizers[name] = value
            else:
                optimizers |= {f"{name}.{pattern}": each for pattern, each in value.items()}
        return optimizers

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The steps of its own."""
        return ()

    def optimizer_of(self, network: str) -> OptimizerConfig | None:
        """Return the optimizer of a network, or of each part of it; None without steps.

        The name of the only network is of no account.
        """
        del network
        config: OptimizerConfig | None = getattr(self, "optimizer", None)
        return config

    @property
    def logged_optimizers(self) -> tuple[str, ...]:
        """The optimizers whose learning rates the history has: none if a network has only one."""
        optimizers = self.optimizers
        return tuple(optimizers) if len(optimizers) > 1 else ()

    @property
    def schedules(self) -> Mapping[str, Sequence[KerasObject]]:
        """What may have schedules, by what these are schedules of."""
        return {"the learning rate": tuple(self.optimizers.values())}

    @property
    def command(self) -> Command:
        """The command that uses the trained networks."""
        return "predict"

    @property
    def default_num_beams(self) -> int | None:
        """The number of beams of `generate` by default; None if it samples."""
        return None

    @classmethod
    def features(cls) -> Iterator[ObjectiveFeature]:
        """Yield what the objective supports; settings of `training` may require it."""
        if cls.takes_steps:
            yield "steps"
            if cls.trains_in_stages:
                yield "stages"
            if cls.accumulates_gradients:
                yield "accumulation"
        if cls.augments:
            yield "augmentation"

    def recorded(self, options: Mapping[str, PlainData]) -> PlainData:
        """Return the value of `objective` in the record of a run, with these options."""
        return {self.name: dict(options)} if options else self.name

    def target_spec(self) -> TargetSpec:
        """Return what the outputs are compared with; nothing if there are no targets."""
        return TargetSpec()

    @property
    def result(self) -> NetworkResult | None:
        """The network that predicts; None if the objective names none."""
        return None

    def require_command(self, command: Command) -> None:
        """Check that a command can use the trained networks.

        Raises:
            UsageError: if it cannot, with the command that can.
        """
        if self.command != command:
            raise UsageError(
                f"'archbuilder {command}' cannot use a run with the objective '{self.name}'; use"
                f" 'archbuilder {self.command}'"
            )

    def check_shapes(self, models: Mapping[str, UninitializedModel]) -> None:
        """Check shapes besides those of networks, which have no values for weights yet.

        Raises:
            BlueprintError: if a step of the objective does not take its inputs.
        """
        del models

    @abc.abstractmethod
    def make_task(self, context: TrainingContext) -> TrainableTask:
        """Build the networks, and return the task that trains them.

        Raises:
            UsageError: if the blueprint has other networks than the objective trains.
            BlueprintError: if a network does not fit the machine.
            RunError: if the examples do not fit the networks.
        """

    def check(self, context: SectionContext) -> None:  # noqa: B027 - few objectives need it
        """Report settings that do not fit each other."""
