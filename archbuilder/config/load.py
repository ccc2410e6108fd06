"""Loading of recipes: the `data` and `training` sections of a blueprint or of a recipe file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archbuilder.blueprint import Blueprint
from archbuilder.compiler.expand.scope import FileScope
from archbuilder.compiler.ir import Graph
from archbuilder.config.data import parse_data
from archbuilder.config.image_size import takes_any_size
from archbuilder.config.layer_patterns import layer_path_prefix, selects
from archbuilder.config.objective_source import expand_for_networks, read_objective
from archbuilder.config.objectives import OBJECTIVES
from archbuilder.config.sources import DataConfig
from archbuilder.config.training import Recipe, TrainingConfig
from archbuilder.config.training_parser import parse_training
from archbuilder.diagnostics.errors import Diagnostics, ExpansionFrame, quote_list
from archbuilder.diagnostics.span import Span
from archbuilder.files.blueprint_files import read_file
from archbuilder.formatting import plural
from archbuilder.language.parser.document import check_version
from archbuilder.language.parser.fields import FieldReader
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import MappingNode, Tree, to_plain
from archbuilder.yaml.reader import parse_yaml


def read_recipe(
    blueprint: Blueprint,
    *,
    variant: str | None = None,
    params: Mapping[str, PlainData] | None = None,
    limits: Limits | None = None,
    graphs: Mapping[str, Graph] | None = None,
) -> Recipe:
    """Load the recipe of a blueprint; a section that the blueprint lacks is None.

    For a check without Keras, `graphs` is the outline of the blueprint.

    Raises:
        BlueprintError: with all errors in the two sections, or in the blueprint.
    """
    values = params or {}
    if graphs is None:
        graphs = blueprint.graphs(variant=variant, **values)
    data = blueprint.evaluate_section("data", variant=variant, **values)
    training = blueprint.evaluate_section("training", variant=variant, **values)
    scope = blueprint.recipe_scope(variant=variant, **values)
    return parse_recipe(
        RecipeSections(
            data,
            training,
            scope,
            allow_dirs=blueprint.allow_dirs,
            frame=blueprint.variant_frame(variant),
        ),
        graphs,
        limits or Limits(),
    )


@dataclass(frozen=True, slots=True, eq=False)
class RecipeSections:
    """The two sections of a recipe before they are parsed, with what they depend on."""

    data: Tree | None
    training: Tree | None
    scope: FileScope | None = None
    """The blueprint with the sections: an objective, and the arguments of one, see its parameters
    and blocks."""
    allow_dirs: Sequence[Path] = ()
    """Directories that files of the objective may be in, besides that of the section."""
    frame: ExpansionFrame | None = None
    """The variant whose values the sections have."""
    is_record: bool = False
    """Whether they are of `run.json`, which has the values of all settings, also of those that a
    set inherits, and the default of `validation_split` beside a source of the validation set."""


def parse_recipe(sections: RecipeSections, graphs: Mapping[str, Graph], limits: Limits) -> Recipe:
    """Parse the two sections of a recipe for the given networks.

    Raises:
        BlueprintError: with all errors in both sections.
    """
    diagnostics = Diagnostics(frame=sections.frame)
    data, training = sections.data, sections.training
    inherits = not sections.is_record
    data_config = parse_data(data, limits, diagnostics, inherits=inherits) if data else None
    training_config = (
        _parse_training(training, sections, graphs, limits, diagnostics) if training else None
    )
    if training and data_config is not None and not sections.is_record:
        _check_held_out(data_config, training, diagnostics)
    diagnostics.raise_errors()
    return Recipe(data_config, training_config, diagnostics.warnings)


def _parse_training(
    training: Tree,
    sections: RecipeSections,
    graphs: Mapping[str, Graph],
    limits: Limits,
    diagnostics: Diagnostics,
) -> TrainingConfig | None:
    """Parse the section `training` with its objective; report errors and return None."""
    tracker = diagnostics.track_errors()
    objective_graph = None
    training, objective = read_objective(
        training, graphs, sections.scope, limits, diagnostics, sections.allow_dirs
    )
    if objective is not None:
        objective_graph = expand_for_networks(objective, graphs, limits, diagnostics)
    # With the wrong number of networks, errors about outputs would only be consequences.
    if tracker.has_errors() or not (
        objective_graph is not None or _check_networks(training, graphs, diagnostics)
    ):
        return None
    # Layers that use the weights of another have its path.
    layer_paths = [
        layer_path_prefix(name, graphs) + node.name
        for name, graph in graphs.items()
        for node in graph.nodes
        if node.weight_owner is None
    ]
    inputs = [each for graph in graphs.values() for each in graph.inputs]
    config = parse_training(
        training,
        [each.name for each in inputs],
        [name for graph in graphs.values() for name, _ in graph.outputs],
        limits,
        diagnostics,
        layer_paths,
        takes_any_size=any(map(takes_any_size, inputs)),
        objective=objective_graph,
    )
    if config is not None and objective_graph is not None and not sections.is_record:
        _warn_of_frozen_networks(
            objective_graph.frozen, config, layer_paths, training.span, diagnostics
        )
    return config


def _check_held_out(data: DataConfig, training: Tree, diagnostics: Diagnostics) -> None:
    """Report a set that has a source and is held out from the training examples as well."""
    for name in ("validation", "test"):
        entry = training.get(f"{name}_split") if isinstance(training, MappingNode) else None
        if entry is not None and name in data.sources and to_plain(entry.value) != 0:
            diagnostics.error(
                "invalid-structure",
                f"'data' has a '{name}', and '{entry.key}' would hold out examples for it too",
                entry.key_span,
                label=f"remove it, or the '{name}' under 'data'",
            )


def _warn_of_frozen_networks(
    names: Sequence[str],
    training: TrainingConfig,
    layer_paths: Sequence[str],
    span: Span,
    diagnostics: Diagnostics,
) -> None:
    """Warn of frozen networks whose random weights no file replaces."""
    for name in names:
        paths = [each for each in layer_paths if each.startswith(f"{name}.")]
        if not any(
            not file.of or any(selects(file.of, path) for path in paths)
            for file in training.weights
        ):
            diagnostics.warning(
                "missing-key",
                f"the frozen network '{name}' keeps its random weights",
                span,
                notes=(f"add 'weights: {{file: runs/{name}, of: {name}}}'",),
            )


def _check_networks(tree: Tree, graphs: Mapping[str, Graph], diagnostics: Diagnostics) -> bool:
    """Return whether the objective in `training` can train these networks; report it if not."""
    entry = tree.get("objective") if isinstance(tree, MappingNode) else None
    node = tree if entry is None else entry.value
    objective = next(iter(OBJECTIVES)) if entry is None else to_plain(node)
    name = next(iter(objective), None) if isinstance(objective, dict) else objective
    objective_class = OBJECTIVES.get(name) if isinstance(name, str) else None
    # parse_training reports an unknown objective.
    if objective_class is None:
        return True
    if len(graphs) > 1:
        diagnostics.error(
            "invalid-choice",
            f"the objective '{name}' trains one network, and this blueprint has"
            f" {plural(len(graphs), 'network')}: {quote_list(graphs)}",
            node.span,
            notes=(
                "to train them together, write them under 'blocks', and one network that uses them",
                "'objective: gan' trains a 'generator' against a 'discriminator'",
            ),
        )
    return len(graphs) == 1


_KEYS: Final = ("archbuilder", "data", "training")


_BLUEPRINT_SECTIONS: Final = ("inputs", "layers", "networks", "blocks")
"""Sections by which a blueprint is recognized that was passed as a recipe."""


def read_recipe_file(
    path: Path, graphs: Mapping[str, Graph], limits: Limits, allow_dirs: Sequence[Path] = ()
) -> Recipe:
    """Load a recipe file, which has `data`, `training` or both.

    Raises:
        BlueprintError: with all errors in the file.
    """
    diagnostics = Diagnostics()
    reader = FieldReader(limits, diagnostics)
    tree = parse_yaml(read_file(path, limits), str(path), limits)
    mapping = reader.expect_mapping(
        tree, "a recipe", expected="a mapping with 'data' and 'training'"
    )
    if mapping is not None and any(entry.key in _BLUEPRINT_SECTIONS for entry in mapping):
        diagnostics.error(
            "invalid-structure",
            "this is a blueprint; a recipe has only the keys 'data' and 'training'",
            mapping.span,
            notes=("move these sections to a file of their own",),
        )
        # Stop here: below, each key of the blueprint would be another error.
        diagnostics.raise_errors()
    sections = reader.fields(mapping, _KEYS, "a recipe")
    if "archbuilder" in sections:
        check_version(reader, sections["archbuilder"])
    diagnostics.raise_errors()
    recipe = RecipeSections(sections.get("data"), sections.get("training"), allow_dirs=allow_dirs)
    return parse_recipe(recipe, graphs, limits)
