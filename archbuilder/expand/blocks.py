"""Going into a block and out of it: its variables, its inputs and its outputs."""

from __future__ import annotations

from archbuilder.document import Block, Call, Import, Input
from archbuilder.errors import nearest, shown
from archbuilder.expand.flow import BROKEN, Flow
from archbuilder.expand.rounds import is_kept
from archbuilder.expand.scope import FileScope, Named, Scope, Use
from archbuilder.graph import Ref
from archbuilder.params import Given, Owner, check_given, check_required, given_by_name, resolve
from archbuilder.program import BlockTarget
from archbuilder.tree import Scalar, Tree
from archbuilder.values import Evaluator, Variables


def block_variables(
    target: BlockTarget,
    call: Call,
    caller: FileScope,
    variables: Variables,
    evaluator: Evaluator,
) -> tuple[FileScope, Variables] | None:
    """The file of a block and what the block sees; None after a mistake, which is reported.

    `caller` is the file of the call, `variables` what the call sees.
    """
    errors = evaluator.diagnostics.error_count
    written: Tree | None = None
    if call.arguments is not None:
        written = evaluator.evaluate(call.arguments, variables)
        if written is None:
            return None
    owner = Owner(f"block '{call.target}'", "argument")
    arguments = given_by_name(written, target.params)
    given = check_given(target.params, arguments, owner, evaluator.diagnostics, formulas=False)
    imported = _imported_values(target, caller, evaluator)
    if target.is_whole_file:
        given = {**imported, **given}
    if evaluator.diagnostics.error_count > errors:
        return None
    if not check_required(target.params, given, owner, call.span, evaluator.diagnostics):
        return None
    if target.is_whole_file:
        values = resolve(target.params, given, {}, evaluator)
        return None if values is None else (FileScope(target.program, values), values)
    file = caller
    if target.imported is not None:
        found = _file_scope(target, target.imported, imported, evaluator)
        if found is None:
            return None
        file = found
    values = resolve(target.params, given, file.variables, evaluator)
    return None if values is None else (file, {**file.variables, **values})


def _imported_values(
    target: BlockTarget,
    caller: FileScope,
    evaluator: Evaluator,
) -> dict[str, Tree]:
    """What the import that a block comes through gives to its file."""
    if target.imported is None:
        return {}
    given = []
    for name, value, span in target.imported.params:
        tree = evaluator.evaluate(value, caller.variables)
        if tree is not None:
            given.append(Given(name, tree, span))
    owner = Owner(f"the file '{target.imported.file}'", "parameter")
    params = target.program.document.params
    return check_given(params, given, owner, evaluator.diagnostics, formulas=False)


def _file_scope(
    target: BlockTarget,
    imported: Import,
    given: dict[str, Tree],
    evaluator: Evaluator,
) -> FileScope | None:
    params = target.program.document.params
    owner = Owner(f"the file '{imported.file}'", "parameter")
    if not check_required(params, given, owner, imported.span, evaluator.diagnostics):
        return None
    values = resolve(params, given, {}, evaluator)
    return None if values is None else FileScope(target.program, values)


def kept_inputs(
    block: Block, scope: Scope, variables: Variables, evaluator: Evaluator
) -> tuple[Input, ...]:
    """The inputs that their `when` keeps; none after a mistake, which is reported."""
    answers = [is_kept(each, variables, evaluator) for each in block.inputs]
    if None in answers:
        return ()
    if not any(answers):
        message = f"'{block.name}' has no input: each is left out by its 'when'"
        evaluator.diagnostics.error("wrong-inputs", message, block.inputs[0].span)
    kept = []
    for each, answer in zip(block.inputs, answers, strict=True):
        if answer:
            kept.append(each)
        else:
            scope.left_out[each.name] = each.span
    return tuple(kept)


def block_inputs(
    target: BlockTarget,
    call: Call,
    use: Use,
    inner: Scope,
    variables: Variables,
    evaluator: Evaluator,
) -> Flow:
    """Bind the inputs of a block in its scope, and give what its first step starts from.

    Inputs that do not fit are reported and become broken flows.
    """
    diagnostics = evaluator.diagnostics
    inputs = kept_inputs(target.block, inner, variables, evaluator)
    if not inputs:
        return BROKEN
    declared = [each.name for each in inputs]
    flows: dict[str, Flow] = {}
    if use.inputs.flow.broken:
        flows = dict.fromkeys(declared, BROKEN)
    for name, flow in use.inputs.keywords:
        if name in declared:
            flows[name] = flow
            continue
        diagnostics.error(
            "unknown-argument",
            f"block '{call.target}' has no input {shown(name)}",
            use.span,
            suggestion=nearest(name, declared),
            notes=(f"its inputs are: {', '.join(declared)}",),
        )
    flows.update(zip(declared, (Flow((ref,)) for ref in use.inputs.flow.refs), strict=False))
    given = len(use.inputs.flow.refs)
    missing = [name for name in declared if name not in flows]
    if given > len(declared) or missing:
        told = f"{given or len(use.inputs.keywords)} given"
        diagnostics.error(
            "wrong-inputs",
            f"block '{call.target}' takes {len(declared)} input(s), {', '.join(declared)}; {told}",
            use.span,
            notes=("name them with 'from'",) if missing else (),
        )
        flows = dict.fromkeys(declared, BROKEN)
    for each in inputs:
        inner.named[each.name] = Named(flows[each.name], each.span)
    return flows[declared[0]]


def block_outputs(
    block: Block,
    scope: Scope,
    last: Flow,
    variables: Variables,
    evaluator: Evaluator,
) -> Flow:
    """What a block gives: its `outputs`, or else what its last step gives.

    An output whose step was left out by its `when` is left out as well.
    """
    if block.outputs is None:
        return last
    refs: list[Ref | None] = []
    names: list[str] = []
    for output in block.outputs:
        tree = evaluator.evaluate(output.target, variables)
        name = tree.value if isinstance(tree, Scalar) else None
        if not isinstance(name, str):
            return BROKEN
        if scope.is_left_out(name) and len(block.outputs) > 1:
            continue
        names.append(output.name)
        flow = scope.find(name, last, output.target.span, evaluator.diagnostics)
        if flow.broken:
            refs.append(None)
        elif len(flow.refs) == 1 or len(block.outputs) == 1:
            refs.extend(flow.refs)
        else:
            refs.append(None)
            evaluator.diagnostics.error(
                "unknown-output",
                f"'{name}' has {len(flow.refs)} outputs; name one of them",
                output.target.span,
                notes=(f"for example: {name}.{flow.names[0] if flow.names else 0}",),
            )
    whole = tuple(ref for ref in refs if ref is not None)
    if len(whole) < len(refs) or not refs:
        return BROKEN
    return Flow(whole, tuple(names) if len(names) == len(whole) else ())
