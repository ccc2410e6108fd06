"""Where a recipe has its objective: in full, in a file, or in the library of objectives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from archbuilder import zoo
from archbuilder.compiler.expand.block_values import resolve_file_parameters
from archbuilder.compiler.expand.objectives import ObjectiveScope, expand_objective
from archbuilder.compiler.expand.scope import FileScope
from archbuilder.compiler.ir import Graph
from archbuilder.compiler.objective_ir import ObjectiveGraph
from archbuilder.compiler.parameters import (
    ExplicitValues,
    ParameterOwner,
    bind_by_name,
    check_parameter_values,
    check_required,
)
from archbuilder.compiler.semantic_check import check_program
from archbuilder.config.objectives import OBJECTIVES
from archbuilder.diagnostics.errors import Diagnostics, quote, quote_list
from archbuilder.diagnostics.span import Span
from archbuilder.expressions import NO_FUNCTIONS, TotalBudget
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
from archbuilder.limits import Limits
from archbuilder.yaml.nodes import MappingEntry, MappingNode, ScalarNode, Tree


def expand_for_networks(
    objective: ObjectiveScope,
    graphs: Mapping[str, Graph],
    limits: Limits,
    diagnostics: Diagnostics,
) -> ObjectiveGraph | None:
    """Expand an objective for the networks of a blueprint; report errors and return None."""
    if not _has_networks(objective.declared, graphs, diagnostics):
        return None
    return expand_objective(
        objective, graphs, ValueEvaluator(limits, diagnostics, total=TotalBudget(limits))
    )


def _has_networks(
    declared: ObjectiveBlock, graphs: Mapping[str, Graph], diagnostics: Diagnostics
) -> bool:
    """Return whether the blueprint has the networks of an objective; report it if not."""
    names = [each.name for each in declared.networks]
    # An objective of one network takes the only one of a blueprint.
    if len(names) == len(graphs) == 1:
        return True
    missing = [each for each in declared.networks if each.name not in graphs]
    if missing:
        diagnostics.error(
            "missing-key",
            f"the objective '{declared.block.name}' trains"
            f" {' and '.join(map(quote, names))}, and this blueprint has: {quote_list(graphs)}",
            missing[0].span,
        )
    return not missing


def read_objective(
    training: Tree,
    graphs: Mapping[str, Graph],
    limits: Limits,
    diagnostics: Diagnostics,
    allow_dirs: Sequence[Path],
) -> tuple[Tree, ObjectiveScope | None]:
    """Return the section `training` without its objective, and that objective.

    An objective in Python stays in the section, and the second value is None. So it is after an
    error.
    """
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
        scope = ObjectiveScope(declared, FileScope(program, {}))
        return rest, None if tracker.has_errors() else scope
    entry = training.get("objective") if isinstance(training, MappingNode) else None
    if not isinstance(training, MappingNode) or entry is None:
        return training, None
    name, arguments, span = _named_objective(entry)
    if not name or name in OBJECTIVES:
        return training, None
    file = _objective_file(name, span, limits, allow_dirs)
    if file is None:
        return training, None
    entries = tuple(each for each in training if each is not entry)
    return (
        MappingNode(entries, training.span),
        _load_objective(file, name, arguments, span, limits, diagnostics, allow_dirs),
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


def _named_objective(entry: MappingEntry) -> tuple[str, Tree | None, Span]:
    """Return the name and the arguments of `vae` or `{vae: {beta: 4}}`, or no name."""
    value = entry.value
    if isinstance(value, ScalarNode):
        return (value.value if isinstance(value.value, str) else ""), None, value.span
    if isinstance(value, MappingNode) and len(value.entries) == 1:
        (named,) = value.entries
        empty = isinstance(named.value, ScalarNode) and named.value.value is None
        return named.key, None if empty else named.value, named.key_span
    return "", None, value.span


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
    name: str,
    arguments: Tree | None,
    span: Span,
    limits: Limits,
    diagnostics: Diagnostics,
    allow_dirs: Sequence[Path],
) -> ObjectiveScope | None:
    """Load the objective of a file; report errors and return None."""
    tracker = diagnostics.track_errors()
    program = load_program(file, limits, diagnostics, allow_dirs=allow_dirs)
    if program is None:
        return None
    document = program.document
    if document.objective is None:
        diagnostics.error("missing-key", f"the file '{name}' has no 'objective'", span)
        return None
    check_program(program, limits, diagnostics)
    owner = ParameterOwner(f"the objective '{name}'", "argument")
    values = check_parameter_values(
        document.params,
        bind_by_name(arguments, document.params),
        owner,
        diagnostics,
        allow_expressions=False,
    )
    check_required(document.params, values, owner, span, diagnostics)
    if tracker.has_errors():
        return None
    evaluator = ValueEvaluator(limits, diagnostics, total=TotalBudget(limits))
    file_scope = resolve_file_parameters(program, ExplicitValues(values), evaluator)
    return None if file_scope is None else ObjectiveScope(document.objective, file_scope)
