"""What an objective is given, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import keras

from archbuilder.backend import build
from archbuilder.backend.precision import computing_in, widen_indices, widen_outputs
from archbuilder.errors import InternalError
from archbuilder.graph import Graph
from archbuilder.limits import Limits
from archbuilder.recipe.spec import TrainingSpec
from archbuilder.training.checkpoints import Checkpoints
from archbuilder.training.distribution import Placement
from archbuilder.training.examples import Examples
from archbuilder.training.indices import tables_of
from archbuilder.training.optimizing import make_optimizer
from archbuilder.training.pace import Pace
from archbuilder.training.progress import Show
from archbuilder.training.run import Row, RunFolder
from archbuilder.training.state import Arrays
from archbuilder.training.watching import Report
from archbuilder.tree import Tree

_Objective = TypeVar("_Objective")


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """A run that is about to begin. `validation` is None where a share of the examples is used."""

    graphs: Mapping[str, Graph]
    examples: Examples
    validation: Examples | None
    spec: TrainingSpec
    placement: Placement
    pace: Pace
    limits: Limits
    run: RunFolder
    checkpoints: Checkpoints
    report: Report
    show: Show | None = None
    """Takes how far the run is, where a terminal shows it."""
    judged: Examples | None = None
    """Examples that a trained network is judged by, in place of those that were held out."""

    def build(self, graph: Graph) -> keras.Model:
        """The network of a graph, which computes in the precision of the run.

        Raises:
            BlueprintError: if it does not fit the machine.
        """
        with computing_in(self.pace.policy):
            model = build(graph, self.limits)
        widen_outputs(graph, model)
        widen_indices(graph, model, tables_of(graph))
        return model

    def optimizer(self, tree: Tree) -> keras.optimizers.Optimizer:
        """The optimizer that a recipe names, with what the run adds to it.

        Raises:
            BlueprintError: if Keras refuses it.
            UsageError: if it is to do itself what the run does.
        """
        return make_optimizer(tree, self.pace)

    def objective(self, kind: type[_Objective]) -> _Objective:
        """The objective of the recipe, which is of this kind.

        Raises:
            InternalError: if it is another one.
        """
        if not isinstance(self.spec.objective, kind):
            raise InternalError(f"the objective is no {kind.__name__}")
        return self.spec.objective


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The numbers of every epoch, and those of the held-out examples."""

    history: tuple[Row, ...]
    held_out: Row


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Networks by name with what they are trained and judged by; so far they have first weights."""

    models: Mapping[str, keras.Model]
    train: Callable[[], Outcome]
    """Trains them, and judges them in the end."""
    judge: Callable[[], Row]
    """The numbers of the held-out examples by the weights of now; none where none are held out."""
    restore: Callable[[Arrays], None] | None = None
    """Gives back what their own weights do not tell, where there is something, of a checkpoint."""


Objective: TypeAlias = Callable[[Session], Prepared]
