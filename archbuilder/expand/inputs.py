"""What a step is used on: the step before it, or what its `from` names."""

from __future__ import annotations

from collections.abc import Iterable

from archbuilder.catalogue.signatures import Signature
from archbuilder.document import Step
from archbuilder.errors import Diagnostics, nearest, shown
from archbuilder.expand.flow import BROKEN, Flow, Inputs
from archbuilder.expand.scope import Scope, Use
from archbuilder.graph import Argument
from archbuilder.tree import Scalar, Sequence
from archbuilder.values import Evaluator, Value, Variables


def step_inputs(
    step: Step,
    scope: Scope,
    previous: Flow,
    variables: Variables,
    evaluator: Evaluator,
    *,
    later: bool,
) -> Inputs:
    """The inputs of one round of a step.

    In the `later` rounds of a loop, the round before takes the place of the first source: rounds
    stand one behind the other, and the other sources stay.
    """
    sources = step.sources
    if sources is None:
        return Inputs(previous, ())

    def find(source: Value, place: int) -> Flow:
        if later and place == 0:
            return previous
        return _find(source, scope, previous, variables, evaluator)

    if sources.keywords:
        return Inputs(
            Flow(()),
            tuple(
                (name, find(source, place)) for place, (name, source) in enumerate(sources.keywords)
            ),
        )
    flows = [find(source, place) for place, source in enumerate(sources.inputs)]
    return Inputs(flows[0] if len(flows) == 1 else join(flows), ())


def join(flows: list[Flow]) -> Flow:
    """Several flows as one of several tensors."""
    if any(flow.broken for flow in flows):
        return BROKEN
    return Flow(tuple(ref for flow in flows for ref in flow.refs))


def _find(
    source: Value,
    scope: Scope,
    previous: Flow,
    variables: Variables,
    evaluator: Evaluator,
) -> Flow:
    tree = evaluator.evaluate(source, variables)
    if tree is None:
        return BROKEN
    items = tree.items if isinstance(tree, Sequence) else (tree,)
    flows = []
    for item in items:
        name = item.value if isinstance(item, Scalar) else None
        if isinstance(name, str):
            flows.append(scope.find(name, previous, item.span, evaluator.diagnostics))
        else:
            evaluator.diagnostics.error(
                "wrong-type", f"'from' takes the name of a step, not {shown(name)}", item.span
            )
            flows.append(BROKEN)
    return flows[0] if len(flows) == 1 else join(flows)


def check_tensors(
    signature: Signature,
    arguments: Iterable[Argument] | None,
    use: Use,
    diagnostics: Diagnostics,
) -> bool:
    """Whether a layer takes as many inputs as it is given, by these names; reports where not.

    Among the `arguments` may be numbers that stand for an input, as in `ops.subtract: {x1: 1}`;
    None stands for arguments with a mistake.
    """
    if arguments is None and any(name in signature.arguments for name in signature.tensors):
        return False
    constants = {argument.name for argument in arguments or ()}
    tensors = signature.open_tensors(constants)
    if not _check_named(signature, tensors, use, diagnostics):
        return False
    count = len(use.inputs.flow.refs)
    named = {name for name, _ in use.inputs.keywords}
    needed = [name for name in signature.tensors[: signature.needed] if name in tensors]
    missing = [] if signature.takes_list else [name for name in needed[count:] if name not in named]
    if missing and not use.inputs.broken:
        _report_missing(signature, needed, missing[0], use, diagnostics)
        return False
    if not signature.takes_list and count > _most(signature, tensors):
        _report_too_many(signature, tensors, constants, use, diagnostics)
        return False
    return True


def _most(signature: Signature, tensors: tuple[str, ...]) -> int:
    """How many inputs it may have; one layer without a named input still takes one."""
    return len(tensors) if signature.tensors else 1


def _check_named(
    signature: Signature, tensors: tuple[str, ...], use: Use, diagnostics: Diagnostics
) -> bool:
    fits = True
    for name, _ in use.inputs.keywords:
        if name not in tensors:
            fits = False
            twice = name in signature.tensors
            what = (
                f"the input '{name}' of {signature.name} is a number and also named by 'from'"
                if twice
                else f"{signature.name} has no input {shown(name)}"
            )
            diagnostics.error(
                "wrong-inputs" if twice else "unknown-argument",
                what,
                use.span,
                suggestion=None if twice else nearest(name, tensors),
                notes=(f"its inputs are: {', '.join(tensors)}",),
            )
    return fits


def _report_missing(
    signature: Signature, needed: list[str], missing: str, use: Use, diagnostics: Diagnostics
) -> None:
    notes = [f"name them: from: {{{', '.join(f'{name}: ...' for name in needed)}}}"]
    if missing in signature.arguments:
        notes.append(f"or give a number for one: {signature.name}: {{{missing}: 2}}")
    diagnostics.error(
        "wrong-inputs",
        f"{signature.name} needs the inputs {', '.join(needed)}; nothing is given for {missing}",
        use.span,
        notes=tuple(notes),
    )


def _report_too_many(
    signature: Signature,
    tensors: tuple[str, ...],
    constants: set[str],
    use: Use,
    diagnostics: Diagnostics,
) -> None:
    refs = use.inputs.flow.refs
    names = ", ".join(str(ref) for ref in refs[:6])
    most = _most(signature, tensors)
    numbers = [name for name in signature.tensors if name in constants]
    beside = f" beside {' and '.join(numbers)}" if numbers else ""
    diagnostics.error(
        "wrong-inputs",
        f"{signature.name} takes {most} input{'s' if most != 1 else ''}{beside}, not"
        f" {len(refs)}: {names}",
        use.span,
        notes=() if numbers else ("join them first, for example with Concatenate or Add",),
    )
