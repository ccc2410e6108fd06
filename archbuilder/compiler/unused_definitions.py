"""Warnings about what a file declares and nothing uses."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.diagnostics.span import Span
from archbuilder.expressions import FileFunctions
from archbuilder.language.ast import Block, Param
from archbuilder.language.call_graph import unused_roots
from archbuilder.language.document import Document

OBJECTIVE: Final = "the objective"
"""The key of the objective in the call graph."""
FILE_NETWORK: Final = ""
"""The key of the file's network in the call graph. Not its name, which a block may have too."""


@dataclass(slots=True, eq=False)
class Uses:
    """What the values and steps of a file use; the checks of the file add to it.

    `imported_blocks` has the blocks that files use from other files, which share it.
    """

    imported_blocks: set[Block]
    file_params: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    """The first parts of the names that are called."""
    functions: set[str] = field(default_factory=set)
    unused_params: list[tuple[Param, str]] = field(default_factory=list)
    """Parameters of blocks that these do not read, each with the text ` of block 'name'`."""
    call_graph: dict[str, dict[str, Span]] = field(default_factory=dict)
    """Where each block or network calls another one first."""


def warn_unused(document: Document, uses: Uses, diagnostics: Diagnostics) -> None:
    """Warn about parameters, functions, imports and blocks that nothing uses.

    All files must be checked before, since a block may be used by other files alone.
    """
    unread = [(each, "") for each in document.params.values() if each.name not in uses.file_params]
    for param, owner_text in (*uses.unused_params, *unread):
        diagnostics.warning(
            "unused-parameter",
            f"the parameter '{param.name}'{owner_text} is not used",
            param.span,
        )
    _warn_unused_functions(document.functions, uses.functions, diagnostics)
    for name, imported in document.imports.items():
        if name not in uses.names:
            diagnostics.warning("unused-import", f"the import '{name}' is not used", imported.span)
    # The blocks of a file without a network are there for other files to import.
    if not document.networks:
        return
    # Reachable from a network or another file, rather than called at all: unused blocks may call
    # each other.
    roots = {name for name, each in document.blocks.items() if each in uses.imported_blocks}
    roots |= {FILE_NETWORK, OBJECTIVE}
    roots |= set() if document.is_single_network else {*document.networks}
    for name in unused_roots(document.blocks, uses.call_graph, roots):
        span = document.blocks[name].span
        diagnostics.warning("unused-block", f"the block '{name}' is not used", span)


def _warn_unused_functions(
    functions: FileFunctions, roots: Collection[str], diagnostics: Diagnostics
) -> None:
    """Warn about functions that no value calls, and about arguments that they do not read.

    `roots` are the functions that the values of the file call.
    """
    callees = {
        name: [each for each, _, _ in value.calls] for name, value in functions.values.items()
    }
    for name in unused_roots(functions.signatures, callees, roots):
        span = functions.signatures[name].span
        diagnostics.warning("unused-function", f"the function '{name}' is not called", span)
    for name, signature in functions.signatures.items():
        names_read = {each for each, _, _ in functions.values[name].references}
        for argument in signature.arguments:
            if argument not in names_read:
                diagnostics.warning(
                    "unused-parameter",
                    f"the argument '{argument}' of the function '{name}' is not used",
                    signature.span,
                )
