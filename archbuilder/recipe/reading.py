"""The recipe of a blueprint: its `data` and `training`, evaluated, checked and decoded."""

from __future__ import annotations

from collections.abc import Mapping

from archbuilder.api import Blueprint
from archbuilder.errors import Diagnostics, listed
from archbuilder.graph import Graph
from archbuilder.limits import Limits
from archbuilder.recipe.data import decode_data
from archbuilder.recipe.objectives import FORMS
from archbuilder.recipe.spec import Recipe
from archbuilder.recipe.training import decode_training
from archbuilder.tables import plural
from archbuilder.tree import Mapping as MappingTree
from archbuilder.tree import Plain, Tree, plain


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
    spec = decode_data(data, limits, diagnostics) if data else None
    trained = None
    # What else is written of outputs could not be right for several networks.
    if training and _trains(training, graphs, diagnostics):
        trained = decode_training(training, inputs, outputs, limits, diagnostics)
    diagnostics.raise_errors()
    return Recipe(spec, trained)


def _trains(tree: Tree, graphs: Mapping[str, Graph], diagnostics: Diagnostics) -> bool:
    """Return whether the objective in `training` trains these networks; report it if not."""
    entry = tree.get("objective") if isinstance(tree, MappingTree) else None
    place = tree if entry is None else entry.value
    written = next(iter(FORMS)) if entry is None else plain(place)
    name = next(iter(written), None) if isinstance(written, dict) else written
    form = FORMS.get(name) if isinstance(name, str) else None
    if form is None:
        return True
    if form.networks:
        fits = set(graphs) == set(form.networks)
        wanted = f"the networks {' and '.join(map(repr, form.networks))}"
        notes: tuple[str, ...] = ("as in 'networks: {generator: {...}, discriminator: {...}}'",)
    else:
        fits = len(graphs) == 1
        wanted = "one network"
        notes = (
            "to train them together, write them under 'blocks', and one network that uses them",
            "'objective: adversarial' trains a 'generator' against a 'discriminator'",
        )
    if not fits:
        diagnostics.error(
            "missing-key" if form.networks else "unknown-value",
            f"the objective '{name}' trains {wanted}, and this blueprint has"
            f" {plural(len(graphs), 'network')}: {listed(graphs)}",
            place.span,
            notes=notes,
        )
    return fits
