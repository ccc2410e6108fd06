"""Checks of the steps of an objective after their expansion."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from archbuilder.compiler.ir import Node
from archbuilder.compiler.objective_ir import Memory, Update, gradient_inputs, needed_nodes
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote, quote_list
from archbuilder.diagnostics.span import Span
from archbuilder.language.objective_ast import Reference
from archbuilder.language.objective_operations import (
    AUGMENT,
    GRADIENT,
    ROWS,
    WHOLE_BATCH_OPERATIONS,
)

_RESERVED_LOGS: Final = ("epoch", "seconds", "stage")


def check_network_names(
    references: Iterable[Reference], names: Collection[str], diagnostics: Diagnostics
) -> None:
    """Report references to networks that the blueprint does not have."""
    for reference in references:
        if reference.name not in names:
            diagnostics.error(
                "unknown-name",
                f"there is no network {quote(reference.name)}",
                reference.span,
                suggestion=closest_match(reference.name, names),
                notes=(f"the networks are: {quote_list(names)}",),
            )


def check_gradients(nodes: Sequence[Node], diagnostics: Diagnostics) -> None:
    """Report gradients of what does not depend on the tensors that they are taken by."""
    for node in nodes:
        if node.operation != GRADIENT:
            continue
        of, by = gradient_inputs(node)
        needed = {each.node for each in of}
        for source in needed_nodes(nodes, needed):
            needed.update(ref.node for ref in source.input_refs())
        for ref in by:
            if ref.node not in needed:
                with diagnostics.within(node.frame):
                    message = f"'{of[0]}' does not depend on '{ref}'"
                    diagnostics.error("invalid-inputs", message, node.span)


def check_views(nodes: Sequence[Node], columns: Collection[str], diagnostics: Diagnostics) -> None:
    """Report views of what is not a column: they are computed when a batch is read."""
    for node in nodes:
        if node.operation == AUGMENT and node.input_refs()[0].node not in columns:
            with diagnostics.within(node.frame):
                diagnostics.error(
                    "invalid-inputs",
                    f"'{AUGMENT}' takes a column of the batch, not '{node.input_refs()[0]}'",
                    node.span,
                    notes=(f"the columns are: {', '.join(columns)}",),
                )


def check_constants(nodes: Sequence[Node], diagnostics: Diagnostics) -> None:
    """Report constants in files: a run keeps its objective, but not the files of one."""
    for node in nodes:
        for argument in node.arguments:
            if argument.array is not None:
                with diagnostics.within(node.frame):
                    diagnostics.error(
                        "unsupported-argument",
                        f"{node.operation} cannot have a 'file' in an objective",
                        argument.span,
                        notes=("write its values, or make them a column of the data",),
                    )


def check_log_names(
    updates: Sequence[Update], metrics: Sequence[tuple[str, Span]], diagnostics: Diagnostics
) -> None:
    """Report losses and metrics that the logs would have under one name."""
    names = [(each.log_name, each.span) for each in updates]
    names += [
        (each.term_log_name(term), term.span) for each in updates for term in each.logged_terms
    ]
    seen: set[str] = set()
    for name, span in (*names, *metrics):
        if name in seen:
            diagnostics.error(
                "duplicate-name",
                f"the logs would have '{name}' twice",
                span,
                notes=("a loss has another name with {NAME: {of: STEP, weight: 1}}",),
            )
        elif name in _RESERVED_LOGS or name.startswith(("val_", "learning_rate")):
            diagnostics.error("invalid-name", f"the logs have '{name}' for something else", span)
        seen.add(name)


def check_memories(
    memories: Sequence[Memory], nodes: Sequence[Node], diagnostics: Diagnostics
) -> None:
    """Report memories whose rows depend on a memory."""
    names = {each.name for each in memories}
    for memory in memories:
        needed = {memory.value.node}
        for node in needed_nodes(nodes, needed):
            needed.update(each.node for each in node.input_refs())
        if needed & names:
            diagnostics.error(
                "invalid-inputs",
                f"the rows of '{memory.name}' depend on '{min(needed & names)}', a memory",
                memory.span,
            )


def check_sample_steps(
    nodes: Sequence[Node], copies: Collection[str], diagnostics: Diagnostics
) -> None:
    """Report steps of `sample` that need a batch of the data, or a copy, which is not saved."""
    for node in nodes:
        name = node.operation
        with diagnostics.within(node.frame):
            if name in (WHOLE_BATCH_OPERATIONS | {AUGMENT, GRADIENT}) - {ROWS}:
                message = f"'{name}' is for training, not for samples"
                diagnostics.error("invalid-choice", message, node.span)
            elif name in copies:
                message = f"samples are of the networks that a run saves, not of the copy '{name}'"
                diagnostics.error("invalid-choice", message, node.span)


def check_wrapped_blocks(nodes: Iterable[Node], diagnostics: Diagnostics) -> None:
    """Report layers that wrap blocks: their models need shapes, which objectives do not know."""
    for node in nodes:
        if node.wrapped is not None:
            with diagnostics.within(node.frame):
                diagnostics.error(
                    "invalid-choice",
                    f"the {node.operation} of an objective cannot wrap a block",
                    node.span,
                    notes=("put the step into a network, and use the network as a step",),
                )
