"""Parser of `layers`: the steps, each with its body and its modifiers."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from archbuilder import registry
from archbuilder.diagnostics.errors import closest_match
from archbuilder.diagnostics.span import Span
from archbuilder.expressions import parse_formula
from archbuilder.language.ast import (
    BlockArgument,
    Body,
    Branch,
    Branches,
    ErrorNode,
    InputRefs,
    Sequential,
    SharedCall,
    Step,
    StepCall,
)
from archbuilder.language.deferred_values import DeferredValue
from archbuilder.language.foreign_keys import key_hint
from archbuilder.language.formulas import Formula
from archbuilder.language.parser.fields import FieldReader, is_empty, quoted
from archbuilder.language.parser.loops import decode_loop, decode_repeat
from archbuilder.yaml.nodes import (
    MappingEntry,
    MappingNode,
    ScalarNode,
    SequenceNode,
    Tree,
    is_null,
)

STEP_MODIFIERS: Final = ("name", "from", "repeat", "for", "when", "else", "call")
STEP_BODIES: Final = ("layers", "branches", "reuse", "formula")
_NOT_BESIDE_FORMULA: Final = {
    "from": "a formula names the tensors that it reads; remove 'from'",
    "call": "'call' needs a layer in the step",
}
STEP_KEYS: Final = (*STEP_BODIES, "merge", *STEP_MODIFIERS)


def decode_steps(reader: FieldReader, tree: Tree, title: str = "layers") -> tuple[Step, ...]:
    """Decode a list of steps; one that is not valid is reported and becomes an `ErrorNode`."""
    sequence = reader.expect_sequence(
        tree, f"'{title}'", expected="a list of steps, each starting with '-'"
    )
    if sequence is None:
        return (Step(ErrorNode(), tree.span),)
    steps: list[Step] = []
    for item in sequence.items:
        if isinstance(item, ScalarNode) and isinstance(item.value, str):
            steps.append(Step(StepCall(item.value, None, item.span), item.span))
            continue
        if not isinstance(item, MappingNode) or not item.entries:
            reader.report_unexpected(item, "a step", "the name of a layer or a mapping")
            steps.append(Step(ErrorNode(), item.span))
            continue
        modifiers = {entry.key: entry for entry in item if entry.key in STEP_KEYS}
        bodies = [modifiers[key] for key in STEP_BODIES if key in modifiers]
        calls = [entry for entry in item if entry.key not in STEP_KEYS]
        steps.append(
            Step(
                body=_decode_body(reader, item, modifiers, bodies, calls),
                # Messages about a step point to its body rather than to its modifiers.
                span=(calls or bodies)[0].key_span if calls or bodies else item.span,
                name=_modifier_value(reader, modifiers, "name"),
                input_refs=_decode_input_refs(reader, modifiers.get("from")),
                repeat=decode_repeat(reader, modifiers.get("repeat")),
                loop=decode_loop(reader, modifiers.get("for")),
                condition=_modifier_value(reader, modifiers, "when"),
                alternative=_decode_alternative(reader, modifiers),
                call_constants=_modifier_value(reader, modifiers, "call"),
            )
        )
    return tuple(steps)


def _modifier_value(
    reader: FieldReader, modifiers: dict[str, MappingEntry], key: str
) -> DeferredValue | None:
    entry = modifiers.get(key)
    return None if entry is None else reader.decode_value(entry.value)


def _decode_alternative(
    reader: FieldReader, modifiers: dict[str, MappingEntry]
) -> Sequential | None:
    entry = modifiers.get("else")
    if entry is None:
        return None
    if "when" not in modifiers:
        reader.diagnostics.error(
            "invalid-structure", "'else' needs 'when' in the same step", entry.key_span
        )
    return Sequential(decode_steps(reader, entry.value, "else"))


def _decode_body(
    reader: FieldReader,
    tree: MappingNode,
    modifiers: dict[str, MappingEntry],
    bodies: list[MappingEntry],
    calls: list[MappingEntry],
) -> Body:
    """Decode the body of a step: a call, or the value of one key of `STEP_BODIES`."""
    if "merge" in modifiers and "branches" not in modifiers:
        reader.diagnostics.error(
            "invalid-structure",
            "'merge' needs 'branches' in the same step",
            modifiers["merge"].key_span,
        )
        if not calls and not bodies:
            return ErrorNode()
    if len(calls) + len(bodies) > 1:
        if _report_cut_formula(reader, modifiers.get("formula")):
            return ErrorNode()
        return _report_multiple_layers(reader, bodies + calls, calls)
    if calls:
        return _decode_call(reader, calls[0].key, calls[0].value, calls[0].key_span)
    if not bodies:
        reader.diagnostics.error(
            "missing-key",
            "this step needs a layer, a block, 'layers', 'branches', 'reuse' or 'formula'",
            tree.span,
        )
        return ErrorNode()
    return _decode_body_key(reader, bodies[0], modifiers)


def _decode_body_key(
    reader: FieldReader, entry: MappingEntry, modifiers: dict[str, MappingEntry]
) -> Body:
    """Decode the value of one key of `STEP_BODIES`."""
    if entry.key == "layers":
        return Sequential(decode_steps(reader, entry.value))
    if entry.key == "branches":
        return _decode_branches(reader, entry, modifiers.get("merge"))
    if entry.key == "formula":
        return _decode_formula(reader, entry.value, modifiers)
    is_text = reader.expect_text(entry.value, "'reuse'") is not None
    return SharedCall(reader.decode_value(entry.value)) if is_text else ErrorNode()


def _report_multiple_layers(
    reader: FieldReader, bodies: list[MappingEntry], calls: list[MappingEntry]
) -> Body:
    """Report a step with two bodies, and return the one that was most likely meant.

    Most often, a modifier is mistyped (`nmae: x`) and read as a block. So a key that looks like a
    layer is taken for the body, and the others are reported.
    """
    layers = [entry for entry in bodies if entry.key[:1].isupper() or entry.key in STEP_BODIES]
    first = layers[0] if layers else bodies[0]
    arguments = _misplaced_arguments(first, calls)
    if arguments:
        braces = f"{first.key}: {{{', '.join(f'{each.key}: ...' for each in arguments)}}}"
        reader.diagnostics.error(
            "unknown-key",
            f"{quoted(arguments[0].key)} is an argument of {first.key}, but stands beside it",
            arguments[0].key_span,
            notes=(f"indent the arguments more than the layer, or write '{braces}'",),
        )
    for entry in bodies:
        if entry is first or entry in arguments:
            continue
        foreign_hint = key_hint(entry.key, "a step")
        near = closest_match(entry.key, STEP_KEYS) if entry in calls else None
        suggestion = None if foreign_hint else near
        reader.diagnostics.error(
            "unknown-key",
            f"a step can have only one layer or block: {quoted(entry.key)} is beside"
            f" {quoted(first.key)}",
            entry.key_span,
            suggestion=suggestion,
            notes=() if suggestion else (foreign_hint or "start another step with '-'",),
        )
    # Its arguments may have errors of their own, which the later stages report.
    if first in calls:
        is_bare = is_null(first.value)
        value = MappingNode(arguments, first.key_span) if arguments and is_bare else first.value
        return _decode_call(reader, first.key, value, first.key_span)
    return ErrorNode()


def _misplaced_arguments(
    layer: MappingEntry, calls: list[MappingEntry]
) -> tuple[MappingEntry, ...]:
    """Return the keys beside a layer that are arguments of it, with too little indentation."""
    signature = registry.load().signature(layer.key) if layer in calls else None
    return tuple(entry for entry in calls if signature and entry.key in signature.arguments)


def _decode_call(reader: FieldReader, callee: str, tree: Tree, span: Span) -> StepCall:
    # `- Flatten:` is the same as `- Flatten`.
    empty = isinstance(tree, ScalarNode) and tree.value is None and not tree.quoted
    return StepCall(callee, None if empty else reader.decode_value(tree), span)


def decode_block_argument(reader: FieldReader, tree: Tree, title: str) -> BlockArgument:
    """Decode a block that is a value: a layer or block, a list of steps, or null.

    One that is not valid is reported and has an `ErrorNode` as its body.
    """
    if is_null(tree):
        return BlockArgument(None, tree.span)
    if isinstance(tree, SequenceNode):
        return BlockArgument(Sequential(decode_steps(reader, tree)), tree.span)
    call = _decode_bare_call(reader, tree)
    if call is None:
        reader.report_unexpected(
            tree, title, "a layer or block such as {Dense: {units: 10}}, or a list of steps"
        )
        return BlockArgument(ErrorNode(), tree.span)
    if call.callee in STEP_KEYS:
        reader.diagnostics.error(
            "invalid-structure",
            f"{title} must be a layer, a block or a list of steps; {quoted(call.callee)} is a key"
            " of a step",
            call.span,
            notes=("put the step into a list",),
        )
        return BlockArgument(ErrorNode(), tree.span)
    return BlockArgument(call, tree.span)


def _decode_bare_call(reader: FieldReader, tree: Tree) -> StepCall | None:
    """Decode a name, or a mapping of one name to its arguments; return None for anything else."""
    if isinstance(tree, ScalarNode) and isinstance(tree.value, str):
        return StepCall(tree.value, None, tree.span)
    if isinstance(tree, MappingNode) and len(tree.entries) == 1:
        entry = tree.entries[0]
        return _decode_call(reader, entry.key, entry.value, entry.key_span)
    return None


def _decode_branches(reader: FieldReader, entry: MappingEntry, merge: MappingEntry | None) -> Body:
    branches: list[Branch] = []
    tree = entry.value
    if isinstance(tree, MappingNode):
        for branch in tree:
            reader.check_name(branch.key, branch.key_span, "a branch")
            steps = decode_steps(reader, branch.value, branch.key)
            branches.append(Branch(branch.key, steps, branch.key_span))
    elif isinstance(tree, SequenceNode):
        for item in tree.items:
            steps = decode_steps(reader, item, "a branch")
            branches.append(Branch(None, steps, item.span))
    else:
        reader.report_unexpected(tree, "'branches'", "a list or a mapping of lists of steps")
        return ErrorNode()
    if not branches:
        reader.report_unexpected(tree, "'branches'", "at least one list of steps")
        return ErrorNode()
    # Without the merge, the outputs of all branches would go to the next step, which would report
    # a wrong number of inputs.
    merge_call = None if merge is None else _decode_bare_call(reader, merge.value)
    if merge is not None and merge_call is None:
        reader.report_unexpected(
            merge.value, "'merge'", "a merging layer such as Add or {Concatenate: {axis: -1}}"
        )
        return ErrorNode()
    return Branches(tuple(branches), merge_call)


def _report_cut_formula(reader: FieldReader, entry: MappingEntry | None) -> bool:
    """Report a formula that YAML ends at a comma: `{formula: where(x, 0, y)}`."""
    text = entry.value.value if entry is not None and isinstance(entry.value, ScalarNode) else None
    if entry is None or not isinstance(text, str):
        return False
    open_count = sum(text.count(bracket) for bracket in "([")
    if open_count <= sum(text.count(bracket) for bracket in ")]"):
        return False
    message = "the formula ends at a comma, because it stands in {}"
    notes = ('put it in quotes: {formula: "maximum(a, b)"}',)
    reader.diagnostics.error("expression-syntax", message, entry.value.span, notes=notes)
    return True


def _decode_formula(
    reader: FieldReader, tree: Tree, modifiers: dict[str, MappingEntry]
) -> Formula | ErrorNode:
    for key, reason in _NOT_BESIDE_FORMULA.items():
        if key in modifiers:
            reader.diagnostics.error("invalid-structure", reason, modifiers[key].key_span)
    if not isinstance(tree, ScalarNode) or not isinstance(tree.value, str):
        expected = "a text such as x * 0.5 + 1, with the names of steps"
        reader.report_unexpected(tree, "'formula'", expected)
        return ErrorNode()
    template = parse_formula(tree, reader.limits, reader.diagnostics, reader.functions)
    return ErrorNode() if template is None else Formula(template)


def _decode_input_refs(reader: FieldReader, entry: MappingEntry | None) -> InputRefs | None:
    if entry is None:
        return None
    tree = entry.value
    if is_empty(tree):
        reader.diagnostics.error(
            "invalid-structure", "'from' must name at least one step", tree.span
        )
        return InputRefs((replace(reader.decode_value(tree), invalid=True),), (), tree.span)
    if isinstance(tree, MappingNode):
        keywords = tuple((each.key, _decode_input_ref(reader, each.value)) for each in tree)
        return InputRefs((), keywords, tree.span)
    items = tree.items if isinstance(tree, SequenceNode) else (tree,)
    return InputRefs(tuple(_decode_input_ref(reader, item) for item in items), (), tree.span)


def _decode_input_ref(reader: FieldReader, tree: Tree) -> DeferredValue:
    """Decode one input: the name of a step, or a list of names for an input that takes a list.

    One that is not valid is reported and kept, so that the step does not lack an input as well.
    """
    items = tree.items if isinstance(tree, SequenceNode) else (tree,)
    for item in items:
        if not isinstance(item, ScalarNode) or not isinstance(item.value, str):
            reader.report_unexpected(
                item,
                "a source in 'from'",
                "the name of a step",
                note="the step before is 'previous'; 'name' gives a name to another one",
            )
            return replace(reader.decode_value(tree), invalid=True)
    return reader.decode_value(tree)
