"""Parser of blocks and networks: parameters, inputs, steps and outputs."""

from __future__ import annotations

from typing import Final

from archbuilder.diagnostics.span import Span
from archbuilder.language.ast import Block, InputDeclaration, OutputDeclaration, Step
from archbuilder.language.parser.declarations import decode_params
from archbuilder.language.parser.fields import FieldReader, is_empty, quoted
from archbuilder.language.parser.steps import STEP_KEYS, decode_steps
from archbuilder.yaml.nodes import MappingEntry, MappingNode, SequenceNode, Tree

BLOCK_KEYS: Final = ("params", "description", "inputs", "layers", "outputs")
INPUT_KEYS: Final = ("shape", "dtype", "when")
DEFAULT_INPUT: Final = "input"


def decode_blocks(
    reader: FieldReader, tree: Tree | None
) -> tuple[dict[str, Block], frozenset[str]]:
    """Return the blocks by name, and the names of those that could not be decoded."""
    return _decode_block_mapping(reader, tree, "blocks", is_network=False)


def decode_networks(
    reader: FieldReader, tree: Tree | None
) -> tuple[dict[str, Block], frozenset[str]]:
    """Return the networks by name, and the names of those that could not be decoded."""
    return _decode_block_mapping(reader, tree, "networks", is_network=True)


def _decode_block_mapping(
    reader: FieldReader, tree: Tree | None, key: str, *, is_network: bool
) -> tuple[dict[str, Block], frozenset[str]]:
    blocks: dict[str, Block] = {}
    invalid: set[str] = set()
    noun = "network" if is_network else "block"
    for entry in (
        reader.expect_mapping(tree, f"'{key}'", expected=f"a mapping from names to {key}") or ()
    ):
        is_valid_name = reader.check_name(entry.key, entry.key_span, f"a {noun}", lower=True)
        # In a step, such a name would be read as the key, and the block could not be used.
        if is_valid_name and entry.key in STEP_KEYS:
            reader.diagnostics.error(
                "invalid-name",
                f"{quoted(entry.key)} is a key of a step, so it cannot be the name of a {noun}",
                entry.key_span,
            )
        body = reader.expect_mapping(entry.value, f"the {noun} {quoted(entry.key)}")
        if body is None:
            invalid.add(entry.key)
            continue
        for field in body:
            if field.key not in BLOCK_KEYS:
                reader.report_unknown_key(field, BLOCK_KEYS, f"the {noun} {quoted(entry.key)}")
        blocks[entry.key] = decode_block(
            reader, entry.key, body, entry.key_span, is_network=is_network
        )
    return blocks, frozenset(invalid)


def decode_block(
    reader: FieldReader, name: str, body: MappingNode, span: Span, *, is_network: bool
) -> Block:
    """Decode the block described by `body`; unknown keys are reported by the caller.

    Args:
        reader: Reports errors.
        name: The name of the block.
        body: The mapping with `layers`, `inputs`, `outputs` and `params`.
        span: The location for errors about the block as a whole.
        is_network: Whether the inputs are declared with shapes.
    """
    layers = body.get("layers")
    if layers is None and not reader.is_misspelled(body, "layers", BLOCK_KEYS):
        reader.diagnostics.error(
            "missing-key",
            f"the {'network' if is_network else 'block'} {quoted(name)} has no 'layers'",
            span,
        )
    entry = body.get("params")
    params = {} if entry is None else decode_params(reader, entry.value)
    for param in params.values():
        if param.from_data is not None:
            reader.diagnostics.error(
                "invalid-structure",
                f"the parameter {quoted(param.name)} of the block {quoted(name)} has 'from_data',"
                " which only parameters of a file can have",
                param.from_data.span,
                notes=("pass one of them to the block",),
            )
    outputs = body.get("outputs")
    steps: tuple[Step, ...] = () if layers is None else decode_steps(reader, layers.value)
    return Block(
        name=name,
        params=params,
        inputs=_decode_inputs(reader, body, span, is_network=is_network),
        steps=steps,
        outputs=None if outputs is None else _decode_outputs(reader, outputs),
        span=span,
    )


def _decode_inputs(
    reader: FieldReader, body: MappingNode, span: Span, *, is_network: bool
) -> tuple[InputDeclaration, ...]:
    inputs_entry = body.get("inputs")
    if inputs_entry is None:
        if is_network and not reader.is_misspelled(body, "inputs", BLOCK_KEYS):
            reader.diagnostics.error(
                "missing-key",
                "a network needs 'inputs' with their shapes",
                span,
                notes=("for example: inputs: {image: [224, 224, 3]}",),
            )
        # Also after the error: the steps of the block are then still checked.
        return (InputDeclaration(DEFAULT_INPUT, None, None, span),)
    tree = inputs_entry.value
    if is_network:
        mapping = reader.expect_mapping(
            tree,
            "'inputs'",
            expected="a mapping from names to shapes, as in {image: [224, 224, 3]}",
        )
        inputs = []
        for entry in mapping or ():
            reader.check_name(entry.key, entry.key_span, "an input")
            title = f"the input {quoted(entry.key)}"
            if isinstance(entry.value, MappingNode):
                fields = {
                    each.key: reader.decode_value(each.value)
                    for each in reader.known_entries(entry.value, INPUT_KEYS, title)
                }
            else:
                fields = {"shape": reader.decode_value(entry.value)}
            if "shape" not in fields and not (
                isinstance(entry.value, MappingNode)
                and reader.is_misspelled(entry.value, "shape", INPUT_KEYS)
            ):
                reader.diagnostics.error("missing-key", f"{title} has no 'shape'", entry.key_span)
            shape, dtype, condition = (fields.get(key) for key in INPUT_KEYS)
            inputs.append(InputDeclaration(entry.key, shape, dtype, entry.key_span, condition))
    else:
        inputs = _decode_block_inputs(reader, tree)
    if is_empty(tree):
        reader.diagnostics.error(
            "invalid-structure", "'inputs' must name at least one input", tree.span
        )
    return tuple(inputs) or (InputDeclaration(DEFAULT_INPUT, None, None, span),)


def _decode_block_inputs(reader: FieldReader, tree: Tree) -> list[InputDeclaration]:
    if isinstance(tree, MappingNode):
        # Shapes belong to networks. The names are kept, so that references to them resolve.
        reader.report_unexpected(
            tree,
            "'inputs' of a block",
            "a list of names",
            note="a block accepts inputs of any shape",
        )
        return [InputDeclaration(entry.key, None, None, entry.key_span) for entry in tree]
    sequence = reader.expect_sequence(tree, "'inputs' of a block", expected="a list of names")
    inputs: dict[str, InputDeclaration] = {}
    for item in sequence.items if sequence else ():
        name = reader.expect_text(item, "an input")
        if name is None or not reader.check_name(name, item.span, "an input"):
            continue
        if name in inputs:
            reader.diagnostics.error(
                "duplicate-name", f"the input {quoted(name)} is defined twice", item.span
            )
        inputs[name] = InputDeclaration(name, None, None, item.span)
    return list(inputs.values())


def _decode_outputs(reader: FieldReader, entry: MappingEntry) -> tuple[OutputDeclaration, ...]:
    tree = entry.value
    if is_empty(tree):
        reader.diagnostics.error(
            "invalid-structure", "'outputs' must name at least one output", tree.span
        )
    outputs: list[OutputDeclaration] = []
    if isinstance(tree, MappingNode):
        for output in tree:
            reader.check_name(output.key, output.key_span, "an output")
            if reader.expect_text(output.value, f"the output {quoted(output.key)}") is not None:
                outputs.append(OutputDeclaration(output.key, reader.decode_value(output.value)))
        return tuple(outputs)
    names: set[str] = set()
    for item in tree.items if isinstance(tree, SequenceNode) else (tree,):
        text = reader.expect_text(item, "an output")
        if text is None:
            continue
        # The output 'encoder.skip' of a step becomes the output 'skip' of the block.
        name = text.rpartition(".")[2]
        if name in names:
            reader.diagnostics.error(
                "duplicate-name",
                f"the output {quoted(name)} is listed twice",
                item.span,
                notes=("name the outputs, as in {first: a.skip, second: b.skip}",),
            )
        names.add(name)
        outputs.append(OutputDeclaration(name, reader.decode_value(item)))
    return tuple(outputs)
