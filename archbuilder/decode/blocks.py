"""Decodes blocks: parameters, inputs, steps and outputs, of a named block or of a whole file."""

from __future__ import annotations

from typing import Final

from archbuilder.decode.declarations import decode_params
from archbuilder.decode.form import Form, quoted
from archbuilder.decode.steps import STEP_KEYS, decode_steps
from archbuilder.document import Block, Input, Output, Step
from archbuilder.tree import Entry, Mapping, Scalar, Sequence, Span, Tree

BLOCK_KEYS: Final = ("params", "description", "inputs", "layers", "outputs")
INPUT_KEYS: Final = ("shape", "dtype", "when")
DEFAULT_INPUT: Final = "input"


def decode_blocks(form: Form, tree: Tree) -> tuple[dict[str, Block], frozenset[str]]:
    """The blocks by name, and the names of those that could not be decoded."""
    return _decode_named(form, tree, "blocks", network=False)


def decode_networks(form: Form, tree: Tree) -> tuple[dict[str, Block], frozenset[str]]:
    """The networks by name, and the names of those that could not be decoded."""
    return _decode_named(form, tree, "networks", network=True)


def _decode_named(
    form: Form, tree: Tree, key: str, *, network: bool
) -> tuple[dict[str, Block], frozenset[str]]:
    blocks: dict[str, Block] = {}
    broken: set[str] = set()
    one = "network" if network else "block"
    for entry in form.mapping(tree, f"'{key}'", of=f"a mapping from names to {key}") or ():
        named = form.name(entry.key, entry.key_span, f"a {one}", lower=True)
        if named and entry.key in STEP_KEYS:
            form.diagnostics.error(
                "invalid-name",
                f"{quoted(entry.key)} is a key of steps and cannot be the name of a {one}",
                entry.key_span,
            )
        body = form.mapping(entry.value, f"the {one} {quoted(entry.key)}")
        if body is None:
            broken.add(entry.key)
            continue
        for each in body:
            if each.key not in BLOCK_KEYS:
                form.unknown_key(each, BLOCK_KEYS, f"the {one} {quoted(entry.key)}")
        blocks[entry.key] = decode_block(form, entry.key, body, entry.key_span, network=network)
    return blocks, frozenset(broken)


def decode_block(form: Form, name: str, body: Mapping, span: Span, *, network: bool) -> Block:
    """The block that `body` describes; keys that are no block's are left to the caller.

    `network` tells that it is a whole network, whose inputs have shapes.
    """
    layers = body.get("layers")
    if layers is None:
        form.diagnostics.error(
            "missing-key",
            f"the {'network' if network else 'block'} {quoted(name)} has no 'layers'",
            span,
        )
    params = body.get("params")
    outputs = body.get("outputs")
    steps: tuple[Step, ...] = () if layers is None else decode_steps(form, layers.value)
    return Block(
        name=name,
        params={} if params is None else decode_params(form, params.value),
        inputs=_decode_inputs(form, body, span, network=network),
        steps=steps,
        outputs=None if outputs is None else _decode_outputs(form, outputs),
        span=span,
    )


def _decode_inputs(form: Form, body: Mapping, span: Span, *, network: bool) -> tuple[Input, ...]:
    entry = body.get("inputs")
    if entry is None:
        if network:
            form.diagnostics.error(
                "missing-key",
                "a network names its 'inputs' with their shapes",
                span,
                notes=("write, for example: inputs: {image: [224, 224, 3]}",),
            )
        return (Input(DEFAULT_INPUT, None, None, span),)
    tree = entry.value
    if network:
        mapping = form.mapping(
            tree, "'inputs'", of="a mapping from names to shapes, as in {image: [224, 224, 3]}"
        )
        inputs = tuple(_decode_input(form, each) for each in mapping or ())
    else:
        inputs = _decode_block_inputs(form, tree)
    empty = isinstance(tree, Mapping) and not tree.entries
    if empty or (isinstance(tree, Sequence) and not tree.items):
        form.diagnostics.error("wrong-form", "'inputs' names at least one input", tree.span)
    return inputs or (Input(DEFAULT_INPUT, None, None, span),)


def _decode_block_inputs(form: Form, tree: Tree) -> tuple[Input, ...]:
    if isinstance(tree, Mapping):
        form.wrong(
            tree,
            "'inputs' of a block",
            "a list of names",
            note="a block takes whatever shape it is given",
        )
        return tuple(Input(entry.key, None, None, entry.key_span) for entry in tree)
    sequence = form.sequence(tree, "'inputs' of a block", of="a list of names")
    inputs: dict[str, Input] = {}
    for item in sequence.items if sequence else ():
        name = form.text(item, "an input")
        if name is None or not form.name(name, item.span, "an input"):
            continue
        if name in inputs:
            form.diagnostics.error(
                "duplicate-name", f"the input {quoted(name)} stands here twice", item.span
            )
        inputs[name] = Input(name, None, None, item.span)
    return tuple(inputs.values())


def _decode_input(form: Form, entry: Entry) -> Input:
    form.name(entry.key, entry.key_span, "an input")
    tree = entry.value
    if not isinstance(tree, Mapping):
        return Input(entry.key, form.value(tree), None, entry.key_span)
    given = {
        each.key: form.value(each.value)
        for each in form.known(tree, INPUT_KEYS, f"the input {quoted(entry.key)}")
    }
    shape = given.get("shape")
    if shape is None:
        form.diagnostics.error(
            "missing-key", f"the input {quoted(entry.key)} has no 'shape'", entry.key_span
        )
    return Input(entry.key, shape, given.get("dtype"), entry.key_span, given.get("when"))


def _decode_outputs(form: Form, entry: Entry) -> tuple[Output, ...]:
    tree = entry.value
    if isinstance(tree, Mapping):
        outputs = []
        for each in tree:
            form.name(each.key, each.key_span, "an output")
            if form.text(each.value, f"the output {quoted(each.key)}") is not None:
                outputs.append(Output(each.key, form.value(each.value)))
        return tuple(outputs)
    items = tree.items if isinstance(tree, Sequence) else (tree,)
    targets: dict[str, Output] = {}
    for item in items:
        text = form.text(item, "an output")
        if text is None:
            continue
        if text in targets:
            form.diagnostics.error(
                "duplicate-name", f"the output {quoted(text)} stands here twice", item.span
            )
        targets[text] = Output(text.rpartition(".")[2], form.value(item))
    if not targets and not (isinstance(tree, Scalar)):
        form.wrong(tree, "'outputs'", "the name of a step, a list, or a mapping to names")
    return tuple(targets.values())
