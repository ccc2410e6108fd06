"""Blocks as values of parameters: how they are bound, and the arguments of their calls."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial

from archbuilder.compiler.expand.environment import (
    AddedArguments,
    BlockValue,
    BoundCall,
    Environment,
)
from archbuilder.compiler.expand.scope import CallSite, FileScope
from archbuilder.compiler.parameters import ExplicitValues, ParameterValue, resolve_parameters
from archbuilder.diagnostics.errors import Diagnostics, quote
from archbuilder.diagnostics.span import NO_FILE, Span
from archbuilder.language.ast import BlockArgument, ErrorNode, Import, Param, StepCall
from archbuilder.language.block_arguments import wraps_block
from archbuilder.language.deferred_values import Value, ValueEvaluator, Variables
from archbuilder.language.modules import BlockCallee, Program, resolve_callee
from archbuilder.language.parser.fields import FieldReader
from archbuilder.language.parser.steps import decode_block_argument
from archbuilder.limits import Limits
from archbuilder.registry.signatures import Signature
from archbuilder.yaml.nodes import MappingEntry, MappingNode, Tree, to_plain
from archbuilder.yaml.reader import parse_yaml


@dataclass(frozen=True, slots=True)
class EvaluatedArguments:
    """The arguments of a call: plain ones as a tree, and blocks by name."""

    tree: Tree | None
    blocks: Mapping[str, BlockValue | None]


def bind_block(
    block: BlockArgument, environment: Environment, diagnostics: Diagnostics
) -> BlockValue | None:
    """Return the value of a block that is written in an environment; None for null."""
    if block.body is None:
        return None
    if isinstance(block.body, StepCall) and block.body.parameter is not None:
        return held_block(block.body, environment, diagnostics)
    return BlockValue(block.body, environment, block.span)


def held_block(
    call: StepCall, environment: Environment, diagnostics: Diagnostics
) -> BlockValue | None:
    """Return the block of the parameter that `call` names, with the arguments of the call.

    The result is None if the parameter is null. A parameter that holds no block is reported, and
    the result has an `ErrorNode` as its body.
    """
    name = call.parameter or ""
    value = environment.variables.get(name)
    # The semantic check reports an unknown parameter.
    if name in environment.variables and not (value is None or isinstance(value, BlockValue)):
        diagnostics.error("type-mismatch", f"the parameter {quote(name)} is not a block", call.span)
    if name not in environment.variables or not (value is None or isinstance(value, BlockValue)):
        return BlockValue(ErrorNode(), environment, call.span)
    if value is None or call.arguments is None:
        return value
    if isinstance(value.body, StepCall):
        return replace(value, added=(*value.added, AddedArguments(call.arguments, environment)))
    if not isinstance(value.body, ErrorNode):
        diagnostics.error(
            "unknown-argument",
            f"'${name}' is a list of steps here, which takes no arguments",
            call.arguments.span,
            notes=(f"the list is at {value.span}",),
        )
    return BlockValue(ErrorNode(), environment, call.span)


def check_call_of_steps(
    call_site: CallSite, call: StepCall, block: BlockValue | None, diagnostics: Diagnostics
) -> bool:
    """Check a use of a parameter that holds a list of steps or null; report what needs a layer."""
    has_keywords = bool(call_site.inputs.keywords)
    if not has_keywords and call_site.call_constants is None:
        return True
    key = "'from' with names of inputs" if has_keywords else "'call'"
    held = "null" if block is None else "a list of steps"
    diagnostics.error(
        "invalid-structure",
        f"{key} needs a layer or a block, but '{call.callee}' is {held} here",
        call_site.span,
    )
    return False


def wrapped_argument(signature: Signature, bound: BoundCall) -> str | None:
    """Return the argument of a call that is a block where a layer could be; None if there is none.

    A parameter that holds null counts as such a block, too.
    """
    name = signature.block_argument
    if name is None:
        return None
    sources = [(bound.call.arguments, bound.environment)]
    sources += [(each.arguments, each.environment) for each in bound.added]
    for arguments, environment in sources:
        if wraps_block(arguments, name, partial(_is_block, environment=environment)):
            return name
    return None


def _is_block(text: str, environment: Environment) -> bool:
    if text.startswith("$"):
        return isinstance(environment.variables.get(text[1:]), BlockValue)
    return isinstance(resolve_callee(environment.file.program, text), BlockCallee)


def evaluate_arguments(
    bound: BoundCall, block_params: Collection[str], first: str | None, evaluator: ValueEvaluator
) -> EvaluatedArguments | None:
    """Evaluate the arguments of a call; report an error and return None.

    `block_params` are those that take blocks, and `first` is the one that a value without a name
    stands for.
    """
    diagnostics = evaluator.diagnostics
    tracker = diagnostics.track_errors()
    trees: list[Tree] = []
    blocks: dict[str, BlockValue | None] = {}
    sources = [(bound.call.arguments, bound.environment)]
    sources += [(each.arguments, each.environment) for each in bound.added]
    is_complete = True
    for arguments, environment in sources:
        program = environment.file.program
        reader = FieldReader(evaluator.limits, diagnostics, program.document.functions)
        split = program.block_arguments.split(arguments, block_params, first, reader)
        if split.values is not None:
            local = replace(evaluator, shapes=environment.shapes or evaluator.shapes)
            tree = local.evaluate(split.values, environment.variables)
            is_complete = is_complete and tree is not None
            trees += [] if tree is None else [tree]
        for named in split.blocks:
            if named.name in blocks:
                _report_duplicate(named.name, named.span, diagnostics)
            blocks[named.name] = bind_block(named.block, environment, diagnostics)
    merged = _merge(trees, first, diagnostics)
    return EvaluatedArguments(merged, blocks) if is_complete and not tracker.has_errors() else None


def _merge(trees: list[Tree], first: str | None, diagnostics: Diagnostics) -> Tree | None:
    """Return the arguments from several places as one mapping; report those given twice."""
    if len(trees) < 2:
        return trees[0] if trees else None
    entries: dict[str, MappingEntry] = {}
    for tree in trees:
        if isinstance(tree, MappingNode):
            named = tree.entries
        elif first is not None:
            named = (MappingEntry(first, tree, tree.span),)
        else:
            # The check of the arguments reports a value without a name.
            return tree
        for entry in named:
            if entry.key in entries:
                _report_duplicate(entry.key, entry.key_span, diagnostics)
            entries[entry.key] = entry
    return MappingNode(tuple(entries.values()), trees[0].span)


def _report_duplicate(name: str, span: Span, diagnostics: Diagnostics) -> None:
    diagnostics.error(
        "invalid-structure",
        f"the argument {quote(name)} is already set where the block is given",
        span,
        label="remove one of them",
    )


def import_values(
    params: Mapping[str, Param], imported: Import, file: FileScope, evaluator: ValueEvaluator
) -> tuple[list[ParameterValue], dict[str, BlockValue | None]]:
    """Return the parameters that an import passes to its file: plain values, and blocks by name.

    They are written in `file`, the importing one.
    """
    environment = Environment(file, file.variables)
    functions = file.program.document.functions
    reader = FieldReader(evaluator.limits, evaluator.diagnostics, functions)
    values: list[ParameterValue] = []
    blocks: dict[str, BlockValue | None] = {}
    for name, value, span in imported.params:
        if name in params and params[name].is_block:
            block = file.program.block_arguments.decode(value, f"the block {quote(name)}", reader)
            blocks[name] = bind_block(block, environment, evaluator.diagnostics)
            continue
        tree = evaluator.evaluate(value, file.variables)
        if tree is not None:
            values.append(ParameterValue(name, tree, span))
    return values, blocks


def bind_default(
    block: BlockArgument,
    variables: Variables,
    *,
    environment: Environment,
    diagnostics: Diagnostics,
) -> BlockValue | None:
    """Return the value of a default, whose parameters so far are `variables`."""
    return bind_block(block, replace(environment, variables=variables), diagnostics)


def _with_locations(tree: Tree, name: str, limits: Limits) -> Tree:
    """Return a block that comes from Python or the command line with a location for each value.

    Without them, the expressions within it could not be told apart.
    """
    if tree.span is not NO_FILE:
        return tree
    return parse_yaml(json.dumps(to_plain(tree)), f"the parameter {name}", limits)


def resolve_file_parameters(
    program: Program, explicit: ExplicitValues, evaluator: ValueEvaluator
) -> FileScope | None:
    """Return a file with the values of its parameters; report an error and return None.

    Blocks among the plain values, as in a variant, are steps of the file itself.
    """
    params = program.document.params
    # A block of the file reads the parameters when it is used, so it has a reference to them before
    # they have values.
    variables: dict[str, Value] = {}
    file = FileScope(program, variables)
    environment = Environment(file, variables)
    functions = program.document.functions
    reader = FieldReader(evaluator.limits, evaluator.diagnostics, functions)
    tracker = evaluator.diagnostics.track_errors()
    trees = dict(explicit.trees)
    blocks = dict(explicit.blocks)
    for name in [each for each in trees if params[each].is_block]:
        tree = _with_locations(trees.pop(name), name, evaluator.limits)
        block = decode_block_argument(reader, tree, f"the parameter {quote(name)}")
        blocks[name] = bind_block(block, environment, evaluator.diagnostics)
    if tracker.has_errors():
        return None
    values = resolve_parameters(
        params,
        ExplicitValues(trees, blocks),
        {},
        evaluator,
        partial(bind_default, environment=environment, diagnostics=evaluator.diagnostics),
    )
    if values is None:
        return None
    variables.update(values)
    return file
