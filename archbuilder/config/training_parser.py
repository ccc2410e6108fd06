"""Parser of the `training` section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archbuilder import zoo
from archbuilder.compiler.objective_ir import ObjectiveGraph
from archbuilder.config.callbacks import check_learning_rates
from archbuilder.config.objectives import (
    OBJECTIVES,
    BlockObjective,
    ObjectiveConfig,
    StatefulBlockObjective,
)
from archbuilder.config.settings import parse_settings, setting_trees, settings_of
from archbuilder.config.stages import StageConfig
from archbuilder.config.training import TrainingConfig, training_keys
from archbuilder.config.value_types import SectionContext
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.language.parser.fields import FieldReader, describe_value
from archbuilder.language.parser.objectives import OBJECTIVE_KEYS, ONLY_UPDATE
from archbuilder.limits import Limits
from archbuilder.yaml.nodes import MappingEntry, MappingNode, ScalarNode, Tree, is_null


def parse_training(  # noqa: PLR0913 - the last three have defaults
    tree: Tree,
    inputs: Sequence[str],
    outputs: Sequence[str],
    limits: Limits,
    diagnostics: Diagnostics,
    layers: Sequence[str] = (),
    *,
    takes_any_size: bool = False,
    objective: ObjectiveGraph | None = None,
) -> TrainingConfig | None:
    """Parse and check the `training` section; report errors and return None if there are any.

    Args:
        tree: the section, with expressions evaluated.
        inputs: the input names of the network.
        outputs: the output names of the network.
        limits: bounds on what is read.
        diagnostics: receives the errors.
        layers: the paths of the layers, as in `SectionContext`.
        takes_any_size: whether an input takes images of any size.
        objective: the objective that the section has in full, or from a file.
    """
    context = SectionContext(
        FieldReader(limits, diagnostics),
        tuple(inputs),
        tuple(outputs),
        tuple(layers),
        takes_any_size,
        objective,
    )
    mapping = context.fields.expect_mapping(tree, "'training'")
    return None if mapping is None else _parse_training(mapping, context)


def _parse_training(mapping: MappingNode, context: SectionContext) -> TrainingConfig | None:
    tracker = context.diagnostics.track_errors()
    # The objective comes first, since it decides which other keys are known.
    entry = next((entry for entry in mapping if entry.key == "objective"), None)
    objective_class, options_node = _parse_objective(entry, context)
    if tracker.has_errors():
        # Which keys are known depends on it.
        return None
    graph = context.objective
    name = objective_class.name
    title = "'training'" if entry is None else f"'training' with the objective '{name}'"
    loop_keys = training_keys(objective_class)
    loop_settings = [each for each in settings_of(TrainingConfig) if each.name in loop_keys]
    objective_settings = settings_of(objective_class)
    keys = [each for each in objective_settings if not each.is_option]
    options = [each for each in objective_settings if each.is_option]
    names = ("objective", *(each.name for each in (*keys, *loop_settings)))
    trees = context.fields.fields(mapping, names, title)
    if context.objective is not None and ONLY_UPDATE not in context.objective.updates_by_name:
        # Without any entry, each update has the optimizer of the objective.
        trees.setdefault("optimizer", MappingNode((), mapping.span))
    loop_values = parse_settings(loop_settings, trees, title, mapping.span, context)
    values = parse_settings(keys, trees, title, mapping.span, context)
    if options_node is not None:
        option_trees = setting_trees(options, options_node, f"'{name}'", context)
        values |= parse_settings(options, option_trees, f"'{name}'", options_node.span, context)
    if tracker.has_errors():
        return None
    if graph is not None:
        values["graph"] = graph
    objective = objective_class(**values)
    objective.check(context)
    check_learning_rates(
        loop_values.get("callbacks", ()), objective.optimizers, context.diagnostics
    )
    if tracker.has_errors():
        return None
    stage_trees: tuple[MappingNode, ...] = loop_values.pop("stages", ())
    config = TrainingConfig(objective, **loop_values)
    return _with_stages(config, mapping, stage_trees, context) if stage_trees else config


def _with_stages(
    config: TrainingConfig,
    mapping: MappingNode,
    stage_trees: Sequence[MappingNode],
    context: SectionContext,
) -> TrainingConfig | None:
    """Return the settings with stages; report errors and return None if there are any."""
    parsed = [_parse_stage(mapping, each, context) for each in stage_trees]
    stages = tuple(each for each in parsed if each is not None)
    if len(stages) < len(parsed):
        return None
    entry = mapping.get("epochs")
    if entry is not None:
        context.diagnostics.error(
            "invalid-structure",
            "'epochs' stands beside 'stages', each of which has its own",
            entry.key_span,
            label="remove it",
        )
        return None
    return replace(config, epochs=sum(each.epochs for each in stages), stages=stages)


def _parse_stage(
    mapping: MappingNode, tree: MappingNode, context: SectionContext
) -> StageConfig | None:
    """Parse what a stage changes in `training`; report errors and return None if there are any."""
    replaced = {"epochs", "stages", *(each.key for each in tree)}
    entries = (*(each for each in mapping if each.key not in replaced), *tree)
    # All settings are checked again, since they have to fit each other.
    config = _parse_training(MappingNode(entries, tree.span), context)
    if config is None:
        return None
    loop_names = {each.name for each in settings_of(TrainingConfig)}
    names = [each.key for each in tree]
    return StageConfig(
        {name: getattr(config, name) for name in names if name in loop_names},
        {name: getattr(config.objective, name) for name in names if name not in loop_names},
    )


def _report_mapping(value: MappingNode, keys: Sequence[str], diagnostics: Diagnostics) -> None:
    """Report a mapping that is neither an objective in full nor the name of one."""
    note = "an objective is a name, as in 'vae' or '{vae: {beta: 4}}', or has 'layers'"
    near = next((each for each in value if closest_match(each.key, ("layers",))), None)
    if any(each in OBJECTIVE_KEYS for each in keys):
        span = value.span if near is None else near.key_span
        suggestion = None if near is None else "layers"
        message = "the objective has no 'layers'"
        diagnostics.error("missing-key", message, span, suggestion=suggestion, notes=(note,))
    else:
        names = " and ".join(map(quote, keys[:10]))
        message = f"'objective' names one objective, not {names or 'none'}"
        diagnostics.error("invalid-structure", message, value.span, notes=(note,))


def _parse_objective(
    entry: MappingEntry | None, context: SectionContext
) -> tuple[type[ObjectiveConfig], MappingNode | None]:
    """Parse `objective`: return the class of the objective, and its options if there are any.

    Both `objective: ridge` and `objective: {ridge: {alpha: 0.1}}` are valid.
    """
    if context.objective is not None:
        return (
            StatefulBlockObjective if context.objective.has_state else BlockObjective,
            None,
        )
    default = next(iter(OBJECTIVES.values()))
    if entry is None:
        return default, None
    value = entry.value
    options: Tree | None = None
    if isinstance(value, MappingNode) and len(value.entries) == 1:
        name, options = value.entries[0].key, value.entries[0].value
        name_node = ScalarNode(name, value.entries[0].key_span)
    elif isinstance(value, ScalarNode):
        name, name_node = value.value if isinstance(value.value, str) else "", value
    else:
        # A null is not in the enum either, so that check_value below reports it.
        name, name_node = "", ScalarNode(None, value.span)
    if isinstance(value, MappingNode) and name not in OBJECTIVES:
        keys = [each.key for each in value]
        if len(keys) != 1 or keys[0] in OBJECTIVE_KEYS:
            _report_mapping(value, keys, context.diagnostics)
            return default, None
    if name not in OBJECTIVES:
        names = [*OBJECTIVES, *zoo.objective_names()]
        message = f"'objective' must be a name or a mapping, not {describe_value(value)}"
        context.diagnostics.error(
            "invalid-choice" if name else "type-mismatch",
            f"there is no objective {quote(name)}" if name else message,
            name_node.span,
            suggestion=closest_match(name, names),
            notes=(
                f"the objectives are: {', '.join(names)}",
                "an objective of your own has 'layers', or is in a file such as ./mine.yaml",
            ),
        )
        return default, None
    objective_class = OBJECTIVES[name]
    # `{ridge: }` has a null value and means the same as `ridge`.
    if options is None or is_null(options):
        return objective_class, None
    return objective_class, context.fields.expect_mapping(
        options, f"'{name}'", expected="a mapping of options"
    )
