"""A blueprint with everything that it imports, and what a name in one of its steps stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, Union

from archbuilder import catalogue
from archbuilder.catalogue.signatures import Signature
from archbuilder.decode.steps import STEP_KEYS
from archbuilder.document import Block, Call, Document, Import, Param
from archbuilder.errors import Diagnostics, nearest, shown

OPERATION_PREFIX: Final = "ops."


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A document and the programs of its imports, by the names that it gives them.

    An import that could not be read is missing from `imports`.
    """

    document: Document
    imports: Mapping[str, Program]

    def all(self) -> Iterator[Program]:
        """This program and all that it imports, each once."""
        seen: set[int] = set()
        waiting = [self]
        while waiting:
            program = waiting.pop()
            if id(program) not in seen:
                seen.add(id(program))
                yield program
                waiting.extend(program.imports.values())


@dataclass(frozen=True, slots=True)
class LayerTarget:
    """A layer of Keras or of ours, or a function of `keras.ops`."""

    signature: Signature


@dataclass(frozen=True, slots=True)
class BlockTarget:
    """A block or a network, in the file that it is written in.

    `imported` is the import that it comes through, None for the file's own.
    """

    program: Program
    block: Block
    imported: Import | None

    @property
    def is_whole_file(self) -> bool:
        """Whether it is the network that a file is, rather than a block in it."""
        document = self.program.document
        return document.single and self.block is document.networks.get(document.name)

    @property
    def params(self) -> Mapping[str, Param]:
        """What a caller may give: a whole file takes the file's parameters."""
        return self.program.document.params if self.is_whole_file else self.block.params


Target: TypeAlias = Union[LayerTarget, BlockTarget]


def find_target(program: Program, name: str) -> Target | None:
    """What `name` stands for in a step of this file, if anything."""
    if is_keras_name(name):
        signature = catalogue.load().signature(name)
        return None if signature is None else LayerTarget(signature)
    document = program.document
    own = document.blocks.get(name)
    if own is None and not document.single:
        own = document.networks.get(name)
    if own is not None:
        return BlockTarget(program, own, None)
    alias, _, inner = name.partition(".")
    imported = program.imports.get(alias)
    return None if imported is None else _find_in(imported, inner, document.imports[alias])


def _find_in(program: Program, inner: str, imported: Import) -> BlockTarget | None:
    document = program.document
    if inner:
        block = document.blocks.get(inner)
        if block is None and not document.single:
            block = document.networks.get(inner)
    else:
        block = document.networks.get(document.name) if document.single else None
    return None if block is None else BlockTarget(program, block, imported)


def is_keras_name(name: str) -> bool:
    """Whether a name is written as those of Keras are: CamelCase, or `ops.` in front."""
    return name[:1].isupper() or name.startswith(OPERATION_PREFIX)


def is_known_to_be_broken(program: Program, name: str) -> bool:
    """Whether the target of `name` has a mistake of its own, reported elsewhere."""
    document = program.document
    alias = name.partition(".")[0]
    if alias in document.broken_names:
        return True
    if alias in document.imports:
        imported = program.imports.get(alias)
        return imported is None or name.partition(".")[2] in imported.document.broken_names
    return False


def report_unknown(program: Program, call: Call, diagnostics: Diagnostics) -> None:
    """Report a call whose target is nothing, with what was probably meant."""
    name = call.target
    known = catalogue.load()
    if name in known.refused:
        diagnostics.error(
            "refused-layer",
            f"{name} cannot stand in a blueprint: {known.refused[name]}",
            call.span,
        )
    elif is_keras_name(name):
        operation = name.startswith(OPERATION_PREFIX)
        candidates = (
            [OPERATION_PREFIX + each for each in known.operations] if operation else known.layers
        )
        what = "keras.ops has no function that a blueprint can use called" if operation else (
            "there is no layer"
        )  # fmt: skip
        text = name.removeprefix(OPERATION_PREFIX)
        diagnostics.error(
            "unknown-layer",
            f"{what} {shown(text)}",
            call.span,
            suggestion=nearest(name, candidates),
        )
    else:
        _report_unknown_block(program, call, diagnostics)


def _report_unknown_block(program: Program, call: Call, diagnostics: Diagnostics) -> None:
    name = call.target
    alias = name.partition(".")[0]
    if alias != name and alias not in program.document.imports:
        imports = program.document.imports
        diagnostics.error(
            "unknown-import",
            f"there is no import {shown(alias)}",
            call.span,
            suggestion=nearest(alias, imports),
            notes=(f"the imports are: {', '.join(imports) or 'none'}",),
        )
        return
    blocks = block_names(program)
    suggestion = nearest(name, blocks) or nearest(name, catalogue.load().layers)
    if suggestion is None:
        suggestion = nearest(name, STEP_KEYS)
    notes: tuple[str, ...] = ()
    if "$" in name:
        notes = ("the name of a layer is always written out; choose between steps with 'when'",)
    elif suggestion is None and blocks:
        notes = (f"the blocks are: {', '.join(sorted(blocks))}",)
    diagnostics.error(
        "unknown-block",
        f"there is no block {shown(name)}",
        call.span,
        suggestion=suggestion,
        notes=notes,
    )


def describe_block(program: Program, name: str) -> str | None:
    """Say what a block, network or import of this file is, and where: `a block (net.yaml:4:3)`."""
    target = None if is_keras_name(name) else find_target(program, name)
    if not isinstance(target, BlockTarget):
        return None
    if target.imported is not None:
        return (
            f"an imported {'network' if target.is_whole_file else 'block'} ({target.imported.span})"
        )
    return f"{'a block' if name in program.document.blocks else 'a network'} ({target.block.span})"


def block_names(program: Program) -> list[str]:
    """Everything in lower case that a step of this file may name."""
    document = program.document
    names = list(document.blocks)
    if not document.single:
        names += document.networks
    for alias, imported in program.imports.items():
        inner = imported.document
        names += [alias] if inner.single and inner.networks else []
        names += [f"{alias}.{block}" for block in inner.blocks]
        names += [] if inner.single else [f"{alias}.{network}" for network in inner.networks]
    return names
