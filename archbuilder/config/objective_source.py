"""Where a recipe has its objective: in full, in a file, or in the library of objectives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from archbuilder import zoo
from archbuilder.compiler.expand.block_values import bind_block, resolve_file_parameters
from archbuilder.compiler.expand.environment import Environment
from archbuilder.compiler.expand.objectives import ObjectiveScope, expand_objective
from archbuilder.compiler.expand.scope import FileScope
from archbuilder.compiler.ir import Graph
from archbuilder.compiler.objective_ir import ObjectiveGraph
from archbuilder.compiler.objective_use import ObjectiveUse, diagnostics_at_use
from archbuilder.compiler.parameters import (
    ExplicitValues,
    ParameterOwner,
    bind_by_name,
    check_parameter_values,
    check_required,
)
from archbuilder.compiler.semantic_check import check_program
from archbuilder.config.objectives import OBJECTIVES
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote, quote_list
from archbuilder.diagnostics.span import Span
from archbuilder.expressions import NO_FUNCTIONS, OpaqueValue, TotalBudget
from archbuilder.files.blueprint_files import YAML_SUFFIXES, read_within
from archbuilder.files.sandbox import SandboxPath
from archbuilder.language.deferred_values import ValueEvaluator
from archbuilder.language.document import Document
from archbuilder.language.import_loader import load_program
from archbuilder.language.modules import Program
from archbuilder.language.objective_ast import ObjectiveBlock
from archbuilder.language.objective_operations import objective_callees
from archbuilder.language.parser.fields import FieldReader
from archbuilder.language.parser.objectives import decode_objective, split_objective
from archbuilder.language.parser.steps import decode_block_argument
from archbuilder.limits import Limits
from archbuilder.yaml.nodes import MappingEntry, MappingNode, ScalarNode, Tree, is_null


def expand_for_networks(
    objective: ObjectiveScope,
    graphs: Mapping[str, Graph],
    limits: Limits,
    diagnostics: Diagnostics,
) -> ObjectiveGraph | None:
    """Expand an objective for the networks of a blueprint; report errors and return None."""
    if not _has_networks(objective, graphs, diagnostics):
        return None
    with diagnostics_at_use(objective.use, diagnostics) as located:
        return expand_objective(
            objective, graphs, ValueEvaluator(limits, located, total=TotalBudget(limits))
        )


def _has_networks(
    objective: ObjectiveScope, graphs: Mapping[str, Graph], diagnostics: Diagnostics
) -> bool:
    """Return whether the blueprint has the networks of an objective; report it if not."""
    declared, use = objective.declared, objective.use
    names = [each.name for each in declared.networks]
    # An objective of one network takes the only one of a blueprint.
    if len(names) == len(graphs) == 1:
        return True
    missing = [each for each in declared.networks if each.name not in graphs]
    if missing:
        name = declared.block.name if use is None else use.name
        others = [each for each in graphs if each not in names]
        near = closest_match(missing[0].name, others)
        hint = f"rename the network '{near}'" if near else "write its networks under 'networks'"
        diagnostics.error(
            "missing-key",
            f"the objective '{name}' trains {' and '.join(map(quote, names))}, and this blueprint"
            f" has: {quote_list(graphs)}",
            missing[0].span if use is None else use.span,
            notes=(f"{hint}: the objective calls it '{missing[0].name}'",),
        )
    return not missing


def read_objective(
    training: Tree,
    graphs: Mapping[str, Graph],
    scope: FileScope | None,
    limits: Limits,
    diagnostics: Diagnostics,
    allow_dirs: Sequence[Path],
) -> tuple[Tree, ObjectiveScope | None]:
    """Return the section `training` without its objective, and that objective.

    An objective in Python stays in the section, and the second value is None. So it is after an
    error. `scope` is the blueprint that has the section; None for a recipe or a record.
    """
    if scope is not None and scope.program.document.objective is not None:
        return training, ObjectiveScope(scope.program.document.objective, scope)
    rest, entry = split_objective(training)
    if entry is not None:
        declared = decode_objective(FieldReader(limits, diagnostics), "objective", entry)
        if declared is None:
            return rest, None
        interfaces = dict.fromkeys(graphs, ((), ()))
        callees = objective_callees(interfaces)
        folder = SandboxPath.from_path(Path(declared.span.source.name).parent.resolve())
        program = Program(_document_of(declared), {}, folder, tuple(allow_dirs), callees=callees)
        tracker = diagnostics.track_errors()
        check_program(program, limits, diagnostics)
        objective = ObjectiveScope(declared, FileScope(program, {}))
        return rest, None if tracker.has_errors() else objective
    entry = training.get("objective") if isinstance(training, MappingNode) else None
    if not isinstance(training, MappingNode) or entry is None:
        return training, None
    named = _named_objective(entry)
    if not named.name or named.name in OBJECTIVES:
        return training, None
    file = _objective_file(named.name, named.span, limits, allow_dirs)
    if file is None:
        return training, None
    entries = tuple(each for each in training if each is not entry)
    return (
        MappingNode(entries, training.span),
        _load_objective(file, named, scope, limits, diagnostics, allow_dirs),
    )


def _document_of(declared: ObjectiveBlock) -> Document:
    """Return the document of an objective that is not in a blueprint."""
    return Document(
        name=declared.block.name,
        title="",
        description="",
        references=(),
        params={},
        imports={},
        blocks={},
        networks={},
        is_single_network=False,
        variants={},
        expectations={},
        data=None,
        training=None,
        span=declared.span,
        functions=NO_FUNCTIONS,
        objective=declared,
    )


@dataclass(frozen=True, slots=True)
class _NamedObjective:
    """What a recipe writes for an objective in a file: `vae` or `{vae: {beta: 4}}`."""

    name: str
    arguments: Tree | None
    span: Span


def _named_objective(entry: MappingEntry) -> _NamedObjective:
    """Return the name and the arguments of an objective; the name of another value is empty."""
    value = entry.value
    if isinstance(value, ScalarNode):
        name = value.value if isinstance(value.value, str) else ""
        return _NamedObjective(name, None, value.span)
    if isinstance(value, MappingNode) and len(value.entries) == 1:
        (named,) = value.entries
        arguments = None if is_null(named.value) else named.value
        return _NamedObjective(named.key, arguments, named.key_span)
    return _NamedObjective("", None, value.span)


def _objective_file(
    name: str, span: Span, limits: Limits, allow_dirs: Sequence[Path]
) -> SandboxPath | None:
    """Return the file of a path, or of an objective in the library; None if there is none.

    Raises:
        BlueprintError: if the path leads out of the directory, or the file cannot be read.
    """
    if Path(name).suffix in YAML_SUFFIXES:
        folder = SandboxPath.from_path(Path(span.source.name).parent.resolve())
        # `load_program` would report a missing file without the place that names it.
        return read_within(folder, name, span, limits, allow_dirs=allow_dirs)[0]
    path = zoo.find_objective(name)
    return None if path is None else SandboxPath.from_path(path)


def _load_objective(
    file: SandboxPath,
    named: _NamedObjective,
    scope: FileScope | None,
    limits: Limits,
    diagnostics: Diagnostics,
    allow_dirs: Sequence[Path],
) -> ObjectiveScope | None:
    """Load the objective of a file; report errors and return None.

    Blocks among the arguments may use those of the blueprint that has the recipe, `scope`.
    """
    name, span = named.name, named.span
    tracker = diagnostics.track_errors()
    program = load_program(file, limits, diagnostics, allow_dirs=allow_dirs)
    if program is None:
        return None
    document = program.document
    if document.objective is None:
        diagnostics.error("missing-key", f"the file '{name}' has no 'objective'", span)
        return None
    is_library = Path(name).suffix not in YAML_SUFFIXES
    use = ObjectiveUse(name, span, document.span.source, is_library)
    with diagnostics_at_use(use, diagnostics) as located:
        check_program(program, limits, located)
    owner = ParameterOwner(f"the objective '{name}'", "argument")
    values = check_parameter_values(
        document.params,
        bind_by_name(named.arguments, document.params),
        owner,
        diagnostics,
        allow_expressions=False,
    )
    check_required(document.params, values, owner, span, diagnostics)
    blocks: dict[str, OpaqueValue | None] = {}
    if scope is not None:
        environment = Environment(scope, scope.variables)
        reader = FieldReader(limits, diagnostics, scope.program.document.functions)
        for parameter in [each for each in values if document.params[each].is_block]:
            title = f"the parameter {quote(parameter)}"
            block = decode_block_argument(reader, values.pop(parameter), title)
            blocks[parameter] = bind_block(block, environment, diagnostics)
    if tracker.has_errors():
        return None
    evaluator = ValueEvaluator(limits, diagnostics, total=TotalBudget(limits))
    explicit = ExplicitValues(values, blocks)
    file_scope = resolve_file_parameters(program, explicit, evaluator)
    return None if file_scope is None else ObjectiveScope(document.objective, file_scope, use)
