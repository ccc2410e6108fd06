"""The inputs of a step: the output of the step before it, or the tensors named by `from`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archbuilder.compiler.expand.scope import PREVIOUS, CallSite, Scope, StepSite
from archbuilder.compiler.expand.tensors import ERROR_REFS, CallInputs, TensorRefs
from archbuilder.compiler.ir import Argument
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.diagnostics.span import Span
from archbuilder.formatting import plural
from archbuilder.plain_data import UnknownValue
from archbuilder.registry.signatures import Signature
from archbuilder.yaml.nodes import ScalarNode, SequenceNode, Tree


def resolve_inputs(
    site: StepSite, previous: TensorRefs, *, from_previous_iteration: bool
) -> CallInputs:
    """Resolve the inputs of one iteration of a step.

    `from` feeds the first iteration that is not skipped. In each later one
    (`from_previous_iteration`), `previous` is the output of the iteration before it. If `from` does
    not read `previous`, that output replaces its first entry; the others stay the same.
    """
    sources = site.step.input_refs
    if sources is None:
        return CallInputs(previous, ())

    keywords = sources.keywords
    values = [value for _, value in keywords] if keywords else sources.inputs
    trees = [site.evaluate(value) for value in values]
    replaces_first = from_previous_iteration and not any(map(_reads_previous, trees))
    resolved = [
        previous
        if replaces_first and index == 0
        else _resolve_source(tree, site.scope, previous, site.evaluator.diagnostics)
        for index, tree in enumerate(trees)
    ]
    if keywords:
        names = [name for name, _ in keywords]
        return CallInputs(TensorRefs(()), tuple(zip(names, resolved, strict=True)))
    return CallInputs(concat_refs(resolved), ())


def _resolve_source(
    tree: Tree | None, scope: Scope, previous: TensorRefs, diagnostics: Diagnostics
) -> TensorRefs:
    """Resolve an entry of `from`: the name of a step, or a list of names for one input.

    The tree is None after an error in an expression.
    """
    tensors: list[TensorRefs] = []
    for name, span in _source_names(tree):
        if isinstance(name, UnknownValue):
            tensors.append(ERROR_REFS)
        elif isinstance(name, str):
            tensors.append(scope.resolve(name, previous, span, diagnostics))
        else:
            message = f"'from' needs the name of a step, not {quote(name)}"
            diagnostics.error("type-mismatch", message, span)
            tensors.append(ERROR_REFS)
    return ERROR_REFS if tree is None else concat_refs(tensors)


def _reads_previous(tree: Tree | None) -> bool:
    return any(
        isinstance(name, str) and name.partition(".")[0] == PREVIOUS
        for name, _ in _source_names(tree)
    )


def _source_names(tree: Tree | None) -> Iterator[tuple[object, Span]]:
    """Yield the names in an entry of `from`, of which an expression may be something else."""
    items: Iterable[Tree | None] = tree.items if isinstance(tree, SequenceNode) else (tree,)
    for item in items:
        if item is not None:
            yield item.value if isinstance(item, ScalarNode) else None, item.span


def concat_refs(tensors: list[TensorRefs]) -> TensorRefs:
    """Concatenate references to tensors; the names of the outputs of several steps are dropped."""
    if len(tensors) == 1:
        return tensors[0]
    if any(each.has_error for each in tensors):
        return ERROR_REFS
    return TensorRefs(tuple(ref for each in tensors for ref in each.refs))


def check_inputs(
    signature: Signature,
    arguments: Iterable[Argument] | None,
    call_site: CallSite,
    diagnostics: Diagnostics,
) -> bool:
    """Check the number and the names of the inputs of a layer; report it if they do not match.

    `arguments` may contain numbers in place of inputs, as in `ops.subtract: {x1: 1}`. It is None
    after an error in the arguments.
    """
    if not signature.tensor_arguments:
        if call_site.inputs_span is not None:
            diagnostics.error(
                "invalid-inputs",
                f"{signature.name} takes no inputs: it does not depend on other steps",
                call_site.inputs_span,
                label="remove it",
            )
        return call_site.inputs_span is None
    # Without the arguments it is unknown which inputs they replace.
    if arguments is None and any(
        name in signature.arguments for name in signature.tensor_arguments
    ):
        return False
    constants = {argument.name for argument in arguments or ()}
    tensors = signature.open_tensor_arguments(constants)
    unknown_names = [name for name, _ in call_site.inputs.keywords if name not in tensors]
    for name in unknown_names:
        is_duplicate = name in signature.tensor_arguments
        message = (
            f"the input '{name}' of {signature.name} is set to a number and also under 'from'"
            if is_duplicate
            else f"{signature.name} has no input {quote(name)}"
        )
        diagnostics.error(
            "invalid-inputs" if is_duplicate else "unknown-argument",
            message,
            call_site.span,
            suggestion=None if is_duplicate else closest_match(name, tensors),
            notes=(f"its inputs are: {', '.join(tensors)}",),
        )
    if unknown_names:
        return False
    # How many tensors a list needs is checked by `keras_backend.node_checks`.
    return signature.accepts_list or _check_input_count(signature, tensors, call_site, diagnostics)


def _check_input_count(
    signature: Signature, tensors: tuple[str, ...], call_site: CallSite, diagnostics: Diagnostics
) -> bool:
    """Check the number of inputs; `tensors` names those that no number replaces."""
    refs = call_site.inputs.positional.refs
    keyword_names = {name for name, _ in call_site.inputs.keywords}
    required = [
        name for name in signature.tensor_arguments[: signature.min_inputs] if name in tensors
    ]
    missing = [name for name in required[len(refs) :] if name not in keyword_names]
    if missing and not call_site.inputs.has_error:
        notes = [f"name them: from: {{{', '.join(f'{name}: ...' for name in required)}}}"]
        if missing[0] in signature.arguments:
            notes.append(f"or set one to a number: {signature.name}: {{{missing[0]}: 2}}")
        diagnostics.error(
            "invalid-inputs",
            f"{signature.name} needs the inputs {', '.join(required)};"
            f" nothing is given for {missing[0]}",
            call_site.span,
            notes=tuple(notes),
        )
        return False
    if len(refs) > len(tensors):
        names = ", ".join(str(ref) for ref in refs[:6])
        constants = [name for name in signature.tensor_arguments if name not in tensors]
        suffix = f" beside {' and '.join(constants)}" if constants else ""
        diagnostics.error(
            "invalid-inputs",
            f"{signature.name} takes {plural(len(tensors), 'input')}{suffix}, not"
            f" {len(refs)}: {names}",
            call_site.span,
            notes=() if constants else ("join them first, for example with Concatenate or Add",),
        )
        return False
    return True
