"""The recipe of a blueprint: its `data` and `training`, evaluated, checked and decoded."""

from __future__ import annotations

from collections.abc import Mapping

from archbuilder.api import Blueprint
from archbuilder.errors import Diagnostics
from archbuilder.graph import Graph
from archbuilder.limits import Limits
from archbuilder.recipe.data import decode_data
from archbuilder.recipe.objectives.adversarial import OPPONENTS
from archbuilder.recipe.spec import Adversarial, Recipe, TrainingSpec
from archbuilder.recipe.training import decode_training
from archbuilder.tree import Mapping as MappingTree
from archbuilder.tree import Plain, Tree


def read_recipe(
    blueprint: Blueprint,
    *,
    variant: str | None = None,
    params: Mapping[str, Plain] | None = None,
    limits: Limits | None = None,
) -> Recipe:
    """What a blueprint says of its data and training; nothing where it says nothing.

    Raises:
        BlueprintError: with every mistake in them, or in the blueprint.
    """
    values = params or {}
    graphs = blueprint.graphs(variant=variant, **values)
    data = blueprint.section("data", variant=variant, **values)
    training = blueprint.section("training", variant=variant, **values)
    return decode_recipe(data, training, graphs, limits or Limits())


def decode_recipe(
    data: Tree | None, training: Tree | None, graphs: Mapping[str, Graph], limits: Limits
) -> Recipe:
    """The recipe of two sections for networks.

    Raises:
        BlueprintError: with every mistake in them.
    """
    diagnostics = Diagnostics()
    inputs = [each.name for graph in graphs.values() for each in graph.inputs]
    outputs = [name for graph in graphs.values() for name, _ in graph.outputs]
    recipe = Recipe(
        decode_data(data, limits, diagnostics) if data else None,
        decode_training(training, inputs, outputs, limits, diagnostics) if training else None,
    )
    if training is not None and recipe.training is not None:
        _check_networks(training, recipe.training, graphs, diagnostics)
    diagnostics.raise_errors()
    return recipe


def _check_networks(
    tree: Tree, training: TrainingSpec, graphs: Mapping[str, Graph], diagnostics: Diagnostics
) -> None:
    """Report an objective that trains other networks than there are."""
    if not isinstance(training.objective, Adversarial) or set(graphs) == set(OPPONENTS):
        return
    entry = tree.get("objective") if isinstance(tree, MappingTree) else None
    place = tree if entry is None else entry.value
    diagnostics.error(
        "missing-key",
        f"the objective 'adversarial' trains the networks {' and '.join(map(repr, OPPONENTS))},"
        f" and this blueprint has: {', '.join(graphs)}",
        place.span,
        notes=("as in 'networks: {generator: {...}, discriminator: {...}}'",),
    )
