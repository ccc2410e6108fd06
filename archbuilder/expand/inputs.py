"""What a step is used on: the step before it, or what its `from` names."""

from __future__ import annotations

from archbuilder.catalogue.signatures import Signature
from archbuilder.document import Step
from archbuilder.errors import Diagnostics, nearest, shown
from archbuilder.expand.flow import BROKEN, Flow, Inputs
from archbuilder.expand.scope import Scope, Use
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


def check_tensors(signature: Signature, use: Use, diagnostics: Diagnostics) -> bool:
    """Whether a layer takes as many inputs as it is given, by these names; reports where not."""
    fits = True
    for name, _ in use.inputs.keywords:
        if name not in signature.tensors:
            fits = False
            diagnostics.error(
                "unknown-argument",
                f"{signature.name} has no input {shown(name)}",
                use.span,
                suggestion=nearest(name, signature.tensors),
                notes=(f"its inputs are: {', '.join(signature.tensors)}",),
            )
    count = len(use.inputs.flow.refs)
    named = {name for name, _ in use.inputs.keywords}
    missing = [name for name in signature.tensors[count : signature.needed] if name not in named]
    if missing and not use.inputs.broken and fits:
        fits = False
        needed = ", ".join(signature.tensors[: signature.needed])
        diagnostics.error(
            "wrong-inputs",
            f"{signature.name} needs the inputs {needed}; nothing is given for {missing[0]}",
            use.span,
            notes=(f"name them: from: {{{needed.replace(',', ': ...,')}: ...}}",),
        )
    if not signature.takes_list and count > max(len(signature.tensors), 1):
        fits = False
        told = ", ".join(str(ref) for ref in use.inputs.flow.refs[:6])
        most = max(len(signature.tensors), 1)
        diagnostics.error(
            "wrong-inputs",
            f"{signature.name} takes {most} input{'s' if most > 1 else ''}, not {count}: {told}",
            use.span,
            notes=("join them first, for example with Concatenate or Add",),
        )
    return fits
