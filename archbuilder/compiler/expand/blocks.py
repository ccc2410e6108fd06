"""The interface of a block that is inlined: its parameters, inputs and outputs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from archbuilder.compiler.expand.block_values import (
    bind_default,
    evaluate_arguments,
    import_values,
    resolve_file_parameters,
)
from archbuilder.compiler.expand.environment import BoundCall, Environment
from archbuilder.compiler.expand.iteration import evaluate_when
from archbuilder.compiler.expand.scope import CallSite, FileScope, Scope, Symbol
from archbuilder.compiler.expand.tensors import ERROR_REFS, TensorRefs
from archbuilder.compiler.ir import TensorRef
from archbuilder.compiler.parameters import (
    ExplicitValues,
    ParameterOwner,
    bind_by_name,
    check_parameter_values,
    check_required,
    resolve_parameters,
)
from archbuilder.compiler.visible_names import block_params
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.expressions import ShapeLookup
from archbuilder.language.ast import Block, InputDeclaration, StepCall
from archbuilder.language.deferred_values import ValueEvaluator, Variables
from archbuilder.language.modules import BlockCallee
from archbuilder.language.parser.fields import describe_value
from archbuilder.yaml.nodes import ScalarNode, is_unknown


def bind_block_parameters(
    callee: BlockCallee,
    bound: BoundCall,
    evaluator: ValueEvaluator,
    input_shapes: ShapeLookup | None = None,
) -> tuple[FileScope, Variables] | None:
    """Bind the parameters of a block; report an error and return None.

    Defaults read `input_shapes`, the shapes of the block's inputs. Returns the file that defines
    the block, with the values of its parameters, and the variables that are visible within the
    block.
    """
    diagnostics = evaluator.diagnostics
    tracker = diagnostics.track_errors()
    params, call, caller = callee.params, bound.call, bound.environment.file
    arguments = evaluate_arguments(bound, block_params(params), next(iter(params), None), evaluator)
    if arguments is None:
        return None
    owner = ParameterOwner(f"block '{call.callee}'", "argument")
    values = check_parameter_values(
        params, bind_by_name(arguments.tree, params), owner, diagnostics, allow_expressions=False
    )
    explicit = ExplicitValues(values, arguments.blocks)
    imported = _imported_values(callee, caller, evaluator)
    if callee.is_file_network:
        # The parameters of a file network are those of its file: the import passes some, and the
        # call takes precedence.
        explicit = ExplicitValues(
            {**imported.trees, **explicit.trees}, {**imported.blocks, **explicit.blocks}
        )
    if tracker.has_errors():
        return None
    if not check_required(params, explicit.names, owner, call.span, diagnostics):
        return None
    if callee.is_file_network:
        network_file = resolve_file_parameters(callee.program, explicit, evaluator)
        return None if network_file is None else (network_file, network_file.variables)
    file: FileScope | None = caller
    if callee.imported is not None:
        file_params = callee.program.document.params
        file_owner = ParameterOwner(f"the file '{callee.imported.file}'", "parameter")
        if not check_required(
            file_params, imported.names, file_owner, callee.imported.span, diagnostics
        ):
            return None
        file = resolve_file_parameters(callee.program, imported, evaluator)
    if file is None:
        return None
    enclosing = bound.environment.enclosing | {callee.block}
    bind = partial(
        bind_default,
        environment=Environment(file, file.variables, None, enclosing, input_shapes),
        diagnostics=diagnostics,
    )
    defaults = replace(evaluator, shapes=input_shapes or evaluator.shapes)
    resolved = resolve_parameters(params, explicit, file.variables, defaults, bind)
    return None if resolved is None else (file, {**file.variables, **resolved})


def _imported_values(
    callee: BlockCallee, caller: FileScope, evaluator: ValueEvaluator
) -> ExplicitValues:
    """Return the parameters that the import of a block passes to its file."""
    if callee.imported is None:
        return ExplicitValues({})
    owner = ParameterOwner(f"the file '{callee.imported.file}'", "parameter")
    params = callee.program.document.params
    values, blocks = import_values(params, callee.imported, caller, evaluator)
    trees = check_parameter_values(
        params, values, owner, evaluator.diagnostics, allow_expressions=False
    )
    return ExplicitValues(trees, blocks)


def active_inputs(
    block: Block, scope: Scope, variables: Variables, evaluator: ValueEvaluator
) -> tuple[InputDeclaration, ...]:
    """Return the inputs whose `when` is true; return none if one has an error or is unknown.

    The other inputs are marked as skipped in `scope`, for the messages about references to them.
    """
    conditions = [evaluate_when(each, variables, evaluator) for each in block.inputs]
    if not all(isinstance(each, bool) for each in conditions):
        # Which of them there are is not known, so references to any of them are not errors.
        for declared in block.inputs:
            scope.symbols[declared.name] = Symbol(ERROR_REFS, declared.span)
        return ()
    if not any(conditions):
        message = f"'{block.name}' has no input: 'when' skips all of them"
        evaluator.diagnostics.error("invalid-inputs", message, block.inputs[0].span)
    inputs = []
    for block_input, is_active in zip(block.inputs, conditions, strict=True):
        if is_active:
            inputs.append(block_input)
        else:
            scope.skipped[block_input.name] = block_input.span
    return tuple(inputs)


def bind_block_inputs(
    callee: BlockCallee,
    call: StepCall,
    call_site: CallSite,
    inner: Scope,
    variables: Variables,
    evaluator: ValueEvaluator,
) -> TensorRefs:
    """Bind the inputs of a block in its scope, and return the input of its first step.

    If the inputs of the call do not match those of the block, this is reported, and all inputs
    become `ERROR_REFS`.
    """
    diagnostics = evaluator.diagnostics
    inputs = active_inputs(callee.block, inner, variables, evaluator)
    if not inputs:
        return ERROR_REFS
    declared = [each.name for each in inputs]
    bindings: dict[str, TensorRefs] = {}
    tracker = diagnostics.track_errors()
    # How many tensors there would be is not known after an error, so none counts as missing.
    if call_site.inputs.positional.has_error:
        bindings = dict.fromkeys(declared, ERROR_REFS)
    for name, tensors in call_site.inputs.keywords:
        if name in declared:
            bindings[name] = tensors
            continue
        diagnostics.error(
            "unknown-argument",
            f"block '{call.callee}' has no input {quote(name)}",
            call_site.span,
            suggestion=closest_match(name, declared),
            notes=(f"its inputs are: {', '.join(declared)}",),
        )
    # Not strict: other numbers of inputs are reported below.
    bindings.update(
        zip(
            declared, (TensorRefs((ref,)) for ref in call_site.inputs.positional.refs), strict=False
        )
    )
    input_count = len(call_site.inputs.positional.refs)
    is_missing = any(name not in bindings for name in declared)
    # After an unknown name, which most likely means one of those that are missing, no other error.
    if not tracker.has_errors() and (input_count > len(declared) or is_missing):
        _report_input_count(call, call_site, declared, diagnostics, is_missing=is_missing)
    if tracker.has_errors():
        bindings = dict.fromkeys(declared, ERROR_REFS)
    for block_input in inputs:
        inner.symbols[block_input.name] = Symbol(bindings[block_input.name], block_input.span)
    return bindings[declared[0]]


def _report_input_count(
    call: StepCall,
    call_site: CallSite,
    declared: list[str],
    diagnostics: Diagnostics,
    *,
    is_missing: bool,
) -> None:
    inputs = call_site.inputs
    input_count = len(inputs.positional.refs)
    outputs = inputs.positional.names
    notes: tuple[str, ...] = ("name them with 'from'",) if is_missing else ()
    if outputs and input_count > len(declared):
        notes = (f"select outputs of the step before, such as from: previous.{outputs[0]}",)
    diagnostics.error(
        "invalid-inputs",
        f"block '{call.callee}' takes {len(declared)} input(s), {', '.join(declared)};"
        f" {input_count or len(inputs.keywords)} given",
        call_site.span,
        notes=notes,
    )


def resolve_block_outputs(
    block: Block,
    scope: Scope,
    last_outputs: TensorRefs,
    variables: Variables,
    evaluator: ValueEvaluator,
) -> TensorRefs:
    """Return the outputs of a block: those declared, or else the output of its last step.

    If there are several outputs, one whose step was skipped by its `when` is left out.
    """
    if block.outputs is None:
        return last_outputs
    refs: list[TensorRef | None] = []
    names: list[str] = []
    for output in block.outputs:
        tree = evaluator.evaluate(output.ref, variables)
        name = tree.value if isinstance(tree, ScalarNode) else None
        if not isinstance(name, str):
            if tree is not None and not is_unknown(tree):
                evaluator.diagnostics.error(
                    "type-mismatch",
                    f"an output must be the name of a step, not {describe_value(tree)}",
                    output.ref.span,
                )
            return ERROR_REFS
        # The only output cannot be left out; `resolve` reports it with the location of the step.
        if scope.is_skipped(name) and len(block.outputs) > 1:
            continue
        names.append(name.rpartition(".")[2] if "$" in output.name else output.name)
        tensors = scope.resolve(name, last_outputs, output.ref.span, evaluator.diagnostics)
        # None marks an error: the other outputs are still checked.
        if tensors.has_error:
            refs.append(None)
        elif len(tensors.refs) == 1 or len(block.outputs) == 1:
            refs.extend(tensors.refs)
        else:
            refs.append(None)
            evaluator.diagnostics.error(
                "unknown-output",
                f"'{name}' has {len(tensors.refs)} outputs; select one",
                output.ref.span,
                notes=(f"for example: {name}.{tensors.names[0] if tensors.names else 0}",),
            )
    valid_refs = tuple(ref for ref in refs if ref is not None)
    if len(valid_refs) < len(refs) or not refs:
        return ERROR_REFS
    # A single output may be a step with several tensors, to which its name does not apply.
    return TensorRefs(valid_refs, tuple(names) if len(names) == len(valid_refs) else ())
