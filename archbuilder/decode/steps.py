"""Decodes `layers`: every step with its body and what stands beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from archbuilder.decode.form import Form, describe, quoted
from archbuilder.document import (
    Body,
    Branch,
    Branches,
    Broken,
    Call,
    Group,
    Loop,
    Reuse,
    Sources,
    Step,
)
from archbuilder.errors import nearest
from archbuilder.foreign_keys import hint
from archbuilder.tree import Entry, Mapping, Scalar, Sequence, Span, Tree
from archbuilder.values import Value

MODIFIERS: Final = ("name", "from", "repeat", "for", "when", "call")
BODIES: Final = ("layers", "branches", "use")
STEP_KEYS: Final = (*BODIES, "merge", *MODIFIERS)


def decode_steps(form: Form, tree: Tree, what: str = "layers") -> tuple[Step, ...]:
    """The steps of a list; what is no step is reported and becomes a broken one."""
    sequence = form.sequence(tree, f"'{what}'", of="a list of steps, each begun with '-'")
    if sequence is None:
        return (Step(Broken(), tree.span),)
    return tuple(_decode_step(form, item) for item in sequence.items)


def _decode_step(form: Form, tree: Tree) -> Step:
    if isinstance(tree, Scalar) and isinstance(tree.value, str):
        return Step(Call(tree.value, None, tree.span), tree.span)
    if not isinstance(tree, Mapping) or not tree.entries:
        form.wrong(tree, "a step", "the name of a layer or a mapping")
        return Step(Broken(), tree.span)
    modifiers = {entry.key: entry for entry in tree if entry.key in STEP_KEYS}
    calls = [entry for entry in tree if entry.key not in STEP_KEYS]
    return Step(
        body=_decode_body(form, tree, modifiers, calls),
        span=_step_span(tree, modifiers, calls),
        name=_value_of(form, modifiers, "name"),
        sources=_decode_sources(form, modifiers.get("from")),
        repeat=_value_of(form, modifiers, "repeat"),
        loop=_decode_loop(form, modifiers.get("for")),
        condition=_value_of(form, modifiers, "when"),
        call=_value_of(form, modifiers, "call"),
    )


def _step_span(tree: Mapping, modifiers: dict[str, Entry], calls: list[Entry]) -> Span:
    """Where messages about a step point: at what it does, not at what stands beside it."""
    bodies = calls or [modifiers[key] for key in BODIES if key in modifiers]
    return bodies[0].key_span if bodies else tree.span


def _value_of(form: Form, modifiers: dict[str, Entry], key: str) -> Value | None:
    entry = modifiers.get(key)
    return None if entry is None else form.value(entry.value)


def _decode_body(
    form: Form, tree: Mapping, modifiers: dict[str, Entry], calls: list[Entry]
) -> Body:
    bodies = [modifiers[key] for key in BODIES if key in modifiers]
    if "merge" in modifiers and "branches" not in modifiers:
        form.diagnostics.error(
            "wrong-form",
            "'merge' joins 'branches', and this step has none",
            modifiers["merge"].key_span,
        )
    if len(calls) + len(bodies) > 1:
        return _too_many(form, bodies + calls, calls)
    if calls:
        return _decode_call(form, calls[0].key, calls[0].value, calls[0].key_span)
    if not bodies:
        form.diagnostics.error(
            "missing-key",
            "this step has no layer, block, 'layers', 'branches' or 'use'",
            tree.span,
        )
        return Broken()
    return _decode_compound(form, bodies[0], modifiers)


def _decode_compound(form: Form, entry: Entry, modifiers: dict[str, Entry]) -> Body:
    if entry.key == "layers":
        return Group(decode_steps(form, entry.value))
    if entry.key == "branches":
        return _decode_branches(form, entry, modifiers.get("merge"))
    if form.text(entry.value, "'use'") is None:
        return Broken()
    return Reuse(form.value(entry.value))


def _too_many(form: Form, bodies: list[Entry], calls: list[Entry]) -> Body:
    """Report a step with two layers in it; most often a modifier is mistyped."""
    layers = [entry for entry in bodies if entry.key[:1].isupper() or entry.key in BODIES]
    first = layers[0] if layers else bodies[0]
    for entry in bodies:
        if entry is first:
            continue
        foreign = hint(entry.key, "a step")
        near = nearest(entry.key, STEP_KEYS) if entry in calls else None
        suggestion = None if foreign else near
        form.diagnostics.error(
            "unknown-key",
            f"a step does one thing: {quoted(entry.key)} stands beside {quoted(first.key)}",
            entry.key_span,
            suggestion=suggestion,
            notes=() if suggestion else (foreign or "begin another step with '-'",),
        )
    if first in calls:
        return _decode_call(form, first.key, first.value, first.key_span)
    return Broken()


def _decode_call(form: Form, target: str, tree: Tree, span: Span) -> Call:
    empty = isinstance(tree, Scalar) and tree.value is None and not tree.quoted
    return Call(target, None if empty else form.value(tree), span)


def decode_merge(form: Form, tree: Tree) -> Call | None:
    """The merging layer: a name, or a name with arguments."""
    if isinstance(tree, Scalar) and isinstance(tree.value, str):
        return Call(tree.value, None, tree.span)
    if isinstance(tree, Mapping) and len(tree.entries) == 1:
        entry = tree.entries[0]
        return _decode_call(form, entry.key, entry.value, entry.key_span)
    form.wrong(tree, "'merge'", "a merging layer such as Add or {Concatenate: {axis: -1}}")
    return None


def _decode_branches(form: Form, entry: Entry, merge: Entry | None) -> Body:
    branches: list[Branch] = []
    tree = entry.value
    if isinstance(tree, Mapping):
        for branch in tree:
            form.name(branch.key, branch.key_span, "a branch")
            steps = decode_steps(form, branch.value, branch.key)
            branches.append(Branch(branch.key, steps, branch.key_span))
    elif isinstance(tree, Sequence):
        for item in tree.items:
            steps = decode_steps(form, item, "a branch")
            branches.append(Branch(None, steps, item.span))
    else:
        form.wrong(tree, "'branches'", "a list or a mapping of lists of steps")
        return Broken()
    if not branches:
        form.wrong(tree, "'branches'", "at least one list of steps")
        return Broken()
    merge_call = None if merge is None else decode_merge(form, merge.value)
    if merge is not None and merge_call is None:
        return Broken()
    return Branches(tuple(branches), merge_call)


def _decode_sources(form: Form, entry: Entry | None) -> Sources | None:
    if entry is None:
        return None
    tree = entry.value
    if isinstance(tree, Mapping):
        pairs = [(each.key, _source(form, each.value)) for each in tree]
        named = tuple((name, source) for name, source in pairs if source is not None)
        return Sources((), named, tree.span) if named else None
    items = tree.items if isinstance(tree, Sequence) else (tree,)
    inputs = tuple(value for value in (_source(form, item) for item in items) if value is not None)
    if not items:
        form.wrong(tree, "'from'", "the name of a step, a list of names, or a mapping to names")
    return Sources(inputs, (), tree.span) if inputs else None


def _source(form: Form, tree: Tree) -> Value | None:
    """One source: the name of a step, or a list of names for an input that takes a list."""
    items = tree.items if isinstance(tree, Sequence) else (tree,)
    for item in items:
        if not isinstance(item, Scalar) or not isinstance(item.value, str):
            form.wrong(item, "a source in 'from'", "the name of a step")
            return None
    return form.value(tree)


def _decode_loop(form: Form, entry: Entry | None) -> Loop | None:
    if entry is None:
        return None
    mapping = form.mapping(
        entry.value, "'for'", of="a mapping from variables to lists, as in {filters: [64, 128]}"
    )
    if mapping is None:
        return None
    variables: list[tuple[str, Value]] = []
    for variable in mapping:
        form.name(variable.key, variable.key_span, "a variable")
        value = form.value(variable.value)
        if not isinstance(variable.value, Sequence) and value.constant:
            form.diagnostics.error(
                "wrong-form",
                f"'for' takes a list for {quoted(variable.key)}, not {describe(variable.value)}",
                variable.value.span,
            )
            value = replace(value, broken=True)
        variables.append((variable.key, value))
    return Loop(tuple(variables), entry.key_span) if variables else None
