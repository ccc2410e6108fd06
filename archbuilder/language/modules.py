"""Programs (a blueprint and its imports), and the resolution of names in their steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, Union

from archbuilder import registry
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.files.sandbox import SandboxPath
from archbuilder.language.ast import Block, Import, Param, StepCall
from archbuilder.language.block_arguments import BlockArguments
from archbuilder.language.document import Document
from archbuilder.language.foreign_keys import object_hint
from archbuilder.language.parser.steps import STEP_KEYS
from archbuilder.registry.signatures import Signature

OPERATION_PREFIX: Final = "ops."


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A document and the programs that it imports, by alias.

    An import that could not be read is missing from `imports`. Files that the document names are
    below `directory`, or below one of `allow_dirs`, which the user chose.
    """

    document: Document
    imports: Mapping[str, Program]
    directory: SandboxPath
    allow_dirs: tuple[Path, ...]
    block_arguments: BlockArguments = field(default_factory=BlockArguments)
    """The blocks among the arguments of the calls in the document."""
    callees: Mapping[str, Callee] = field(default_factory=dict)
    """What steps may call besides, such as the networks in an objective."""

    def iter_programs(self) -> Iterator[Program]:
        """Yield this program and all that it imports, directly or indirectly, each once."""
        # Two aliases of one file share one `Program`, see `import_loader`.
        seen: set[int] = set()
        stack = [self]
        while stack:
            program = stack.pop()
            if id(program) not in seen:
                seen.add(id(program))
                yield program
                stack.extend(program.imports.values())


@dataclass(frozen=True, slots=True)
class LayerCallee:
    """A layer of Keras or of `archbuilder.keras_ext`, a function of `keras.ops`, or a network.

    A network is one where an objective calls it: it is not expanded.
    """

    signature: Signature
    is_network: bool = False
    outputs: tuple[str, ...] = ()
    """The names of several outputs."""

    @property
    def is_source(self) -> bool:
        """Whether a step without `from` has no input."""
        return self.signature.is_source


@dataclass(frozen=True, slots=True)
class BlockCallee:
    """A block or a network, with the program of the file that defines it.

    `imported` is the import through which it was found, or None for a block of the same file.
    """

    program: Program
    block: Block
    imported: Import | None

    @property
    def is_file_network(self) -> bool:
        """Whether the callee is the network of a whole file rather than a block within it."""
        document = self.program.document
        return document.is_single_network and self.block is document.networks.get(document.name)

    @property
    def params(self) -> Mapping[str, Param]:
        """Parameters that a caller may pass; those of the file if the callee is its network."""
        return self.program.document.params if self.is_file_network else self.block.params


Callee: TypeAlias = Union[LayerCallee, BlockCallee]


def resolve_callee(program: Program, name: str) -> Callee | None:
    """Return what `name` refers to in a step of this file, or None.

    A name is that of a layer or function, of a block or network of the file, of an import
    (`resnet`), or of a block within an import (`resnet.bottleneck`).
    """
    if name in program.callees:
        return program.callees[name]
    if is_keras_name(name):
        signature = registry.load().signature(name)
        return None if signature is None else LayerCallee(signature)
    document = program.document
    block = document.blocks.get(name)
    # The single network of a file is the file itself and cannot be used within it.
    if block is None and not document.is_single_network:
        block = document.networks.get(name)
    if block is not None:
        return BlockCallee(program, block, None)
    alias, _, inner = name.partition(".")
    imported = program.imports.get(alias)
    if imported is None:
        return None
    blocks, networks = imported.document.blocks, imported.document.networks
    if not inner:
        # The import itself is its network.
        block = (
            networks.get(imported.document.name) if imported.document.is_single_network else None
        )
    else:
        block = blocks.get(inner)
        if block is None and not imported.document.is_single_network:
            block = networks.get(inner)
    return None if block is None else BlockCallee(imported, block, document.imports[alias])


def is_keras_name(name: str) -> bool:
    """Return whether a name is spelled like those of Keras: CamelCase, or with the prefix `ops.`.

    Names of blocks are in lower case and without dots, so the two never clash.
    """
    return name[:1].isupper() or name.startswith(OPERATION_PREFIX)


def has_reported_error(program: Program, name: str) -> bool:
    """Return whether the callee `name` is missing because of an error reported elsewhere.

    This is so if the block or the import could not be decoded or read, or has an invalid name.
    """
    document = program.document
    # A block in CamelCase, which is looked for among the layers.
    if name in document.blocks or name in document.networks:
        return True
    alias = name.partition(".")[0]
    if alias in document.invalid_names:
        return True
    if alias in document.imports:
        imported = program.imports.get(alias)
        return imported is None or name.partition(".")[2] in imported.document.invalid_names
    return False


def report_unknown_callee(program: Program, call: StepCall, diagnostics: Diagnostics) -> None:
    """Report a call of an unknown name, with the closest match."""
    name = call.callee
    keras_registry = registry.load()
    special = closest_match(name, program.callees)
    if special is not None and (is_keras_name(name) or "." in name):
        diagnostics.error(
            "unknown-layer", f"there is no layer {quote(name)}", call.span, suggestion=special
        )
    elif name in keras_registry.unsupported:
        diagnostics.error(
            "unsupported-layer",
            f"{name} is not supported in a blueprint: {keras_registry.unsupported[name]}",
            call.span,
        )
    elif is_keras_name(name):
        is_operation = name.startswith(OPERATION_PREFIX)
        candidates = (
            [OPERATION_PREFIX + each for each in keras_registry.operations]
            if is_operation
            else keras_registry.layers
        )
        problem = "keras.ops has no supported function" if is_operation else (
            "there is no layer"
        )  # fmt: skip
        text = name.removeprefix(OPERATION_PREFIX)
        hint = _layer_hint(name)
        diagnostics.error(
            "unknown-layer",
            f"{problem} {quote(text)}",
            call.span,
            suggestion=None if hint else closest_match(name, candidates),
            notes=(hint,) if hint else (),
        )
    else:
        _report_unknown_block(program, call, diagnostics)


def _layer_hint(name: str) -> str | None:
    """Return a hint for a layer of another tool, or for an activation that is no layer."""
    activation = registry.load().canonical_name("activation", name.lower())
    return object_hint(name) or (f"write 'Activation: {activation}'" if activation else None)


def _report_unknown_block(program: Program, call: StepCall, diagnostics: Diagnostics) -> None:
    """Report a call of an unknown import, or of an unknown block."""
    name = call.callee
    alias = name.partition(".")[0]
    if alias != name and alias not in program.document.imports:
        imports = program.document.imports
        note = f"the imports are: {', '.join(imports)}" if imports else "the file imports nothing"
        # As in Python: `keras.layers.Dense`, `nn.Linear`.
        class_name = name.rpartition(".")[2]
        layers = registry.load().layers
        layer = class_name if class_name in layers else closest_match(class_name, layers)
        if class_name[:1].isupper() and layer is not None:
            note = f"write the name of the layer alone: {layer}"
        diagnostics.error(
            "unknown-import",
            f"there is no import {quote(alias)}",
            call.span,
            suggestion=closest_match(alias, imports),
            notes=(_layer_hint(class_name) or note,),
        )
        return
    blocks = block_names(program)
    # In this order: a block, then a layer in the wrong case ('dense'), then a mistyped modifier:
    # the parser takes every key that is not one of a step for a call.
    suggestion = (
        closest_match(name, [*blocks, *program.callees])
        or closest_match(name, registry.load().layers)
        or closest_match(name, STEP_KEYS)
    )
    notes: tuple[str, ...] = ()
    if "$" in name:
        notes = (
            "the name of a layer cannot be an expression; select steps with 'when'",
            "a parameter of type block is a step without parentheses: $name",
        )
    elif suggestion is None and blocks:
        notes = (f"the blocks are: {', '.join(sorted(blocks))}",)
    if suggestion is None and program.callees and not program.document.networks:
        notes += (f"a network of the blueprint is listed under 'networks': networks: [{name}]",)
    diagnostics.error(
        "unknown-block",
        f"there is no block {quote(name)}",
        call.span,
        suggestion=suggestion,
        notes=notes,
    )


def describe_block(program: Program, name: str) -> str | None:
    """Describe a block, network or import by kind and location, as in `a block (net.yaml:4:3)`.

    Return None if `name` is none of these.
    """
    callee = None if is_keras_name(name) else resolve_callee(program, name)
    if not isinstance(callee, BlockCallee):
        return None
    if callee.imported is not None:
        return (
            f"an imported {'network' if callee.is_file_network else 'block'}"
            f" ({callee.imported.span})"
        )
    return f"{'a block' if name in program.document.blocks else 'a network'} ({callee.block.span})"


def block_names(program: Program) -> list[str]:
    """Return the names of all blocks, networks and imports that a step of this file may use."""
    document = program.document
    names = list(document.blocks)
    if not document.is_single_network:
        names += document.networks
    for alias, imported in program.imports.items():
        inner = imported.document
        names += [alias] if inner.is_single_network and inner.networks else []
        names += [f"{alias}.{block}" for block in inner.blocks]
        names += (
            [] if inner.is_single_network else [f"{alias}.{network}" for network in inner.networks]
        )
    return names
