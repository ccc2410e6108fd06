"""Checks of the steps of an objective after their expansion."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Literal

from archbuilder.compiler.ir import Argument, Graph, GraphInput, Node, TensorRef
from archbuilder.compiler.objective_ir import (
    Memory,
    Update,
    gradient_inputs,
    has_automatic_logits,
    needed_names,
    needed_nodes,
    predictions_of,
)
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote, quote_list
from archbuilder.diagnostics.span import Span
from archbuilder.language.objective_ast import Reference
from archbuilder.language.objective_operations import (
    AUGMENT,
    AUTO,
    FROM_LOGITS,
    GRADIENT,
    INPUT_OF,
    MASK_TOKENS,
    RANDOM_OPERATIONS,
    ROWS,
    SEGMENT_TEXT,
    SHUFFLE,
    TOKEN_OPERATIONS,
    UNSHUFFLE,
    WHOLE_BATCH_OPERATIONS,
)
from archbuilder.yaml.nodes import to_plain

_RESERVED_LOGS: Final = ("epoch", "seconds", "stage")


class ObjectiveShapes:
    """A `ShapeOracle` that reports each read of a shape: it is known when an objective runs."""

    def __init__(
        self,
        _inputs: Sequence[GraphInput],
        _nodes: Mapping[str, Node],
        diagnostics: Diagnostics,
    ) -> None:
        self._diagnostics = diagnostics

    def find_shape(self, _ref: TensorRef, span: Span) -> None:
        """Report the reference."""
        self._diagnostics.error(
            "invalid-choice",
            "the steps of an objective cannot read shapes, which are known when they run",
            span,
        )


def check_names(
    references: Iterable[Reference],
    noun: Literal["network", "column"],
    names: Collection[str],
    diagnostics: Diagnostics,
) -> None:
    """Report references to networks or columns that do not exist."""
    for reference in references:
        if reference.name not in names:
            diagnostics.error(
                "unknown-name",
                f"there is no {noun} {quote(reference.name)}",
                reference.span,
                suggestion=closest_match(reference.name, names),
                notes=(f"the {noun}s are: {quote_list(names)}",),
            )


def check_steps(nodes: Sequence[Node], diagnostics: Diagnostics) -> None:
    """Report steps that an objective cannot run."""
    _check_gradients(nodes, diagnostics)
    _check_random_numbers(nodes, diagnostics)
    _check_shuffles(nodes, diagnostics)
    _check_wrapped_blocks(nodes, diagnostics)


def _check_gradients(nodes: Sequence[Node], diagnostics: Diagnostics) -> None:
    """Report gradients of what does not depend on the tensors that they are taken by."""
    gradients = {each.name: gradient_inputs(each) for each in nodes if each.operation == GRADIENT}
    watched = {ref.node for _, by in gradients.values() for ref in by}
    # In one pass over the steps: there may be thousands of gradients.
    sources = {name: {name} for name in watched}
    for node in nodes:
        inputs = [sources.get(ref.node, set()) for ref in node.input_refs()]
        sources[node.name] = sources.get(node.name, set()).union(*inputs)
        of, by = gradients.get(node.name, ((), ()))
        reached = set[str]().union(*(sources.get(ref.node, set()) for ref in of))
        for ref in by:
            if ref.node not in reached:
                with diagnostics.within(node.frame):
                    message = f"'{of[0]}' does not depend on '{ref}'"
                    diagnostics.error("invalid-inputs", message, node.span)


def check_views(nodes: Sequence[Node], columns: Collection[str], diagnostics: Diagnostics) -> None:
    """Report what is computed when a batch is read, but not from a column."""
    segmented = {each.name for each in nodes if each.operation == SEGMENT_TEXT}
    for node in nodes:
        if node.operation != AUGMENT and node.operation not in TOKEN_OPERATIONS:
            continue
        ref = node.input_refs()[0]
        # Tokens of pieces of a text are masked, but the pieces are not cut again.
        is_piece = node.operation == MASK_TOKENS and ref.node in segmented
        if ref.node not in columns and not is_piece:
            with diagnostics.within(node.frame):
                diagnostics.error(
                    "invalid-inputs",
                    f"'{node.operation}' takes a column of the batch, not '{ref}'",
                    node.span,
                    notes=(f"the columns are: {', '.join(columns)}",),
                )


def _check_random_numbers(nodes: Sequence[Node], diagnostics: Diagnostics) -> None:
    """Report random numbers between crossed bounds, or with several shapes."""
    for node in nodes:
        arguments = {each.name: each for each in node.arguments}
        with diagnostics.within(node.frame):
            if node.operation in RANDOM_OPERATIONS:
                shapes = [each for each in ("shape", INPUT_OF) if each in arguments]
                sources = [f"'{each}'" for each in shapes] + ["'from'"] * bool(node.inputs)
                if len(sources) > 1:
                    diagnostics.error(
                        "invalid-structure",
                        f"{node.operation} has its shape from {' and '.join(sources)}; remove one",
                        arguments[shapes[-1]].span,
                    )
            if node.operation == "Uniform":
                _check_bounds(node, arguments, diagnostics)


def _check_bounds(node: Node, arguments: Mapping[str, Argument], diagnostics: Diagnostics) -> None:
    names = ("minval", "maxval")
    defaults = RANDOM_OPERATIONS[node.operation].arguments
    lower, upper = (
        to_plain(arguments[name].value) if name in arguments else defaults[name].default
        for name in names
    )
    if isinstance(lower, int | float) and isinstance(upper, int | float) and lower > upper:
        spans = [arguments[name].value.span for name in names if name in arguments]
        diagnostics.error(
            "out-of-range",
            f"'minval' of Uniform is {lower:g}, above 'maxval', which is {upper:g}",
            spans[0],
        )


def _check_shuffles(nodes: Sequence[Node], diagnostics: Diagnostics) -> None:
    """Report an `unshuffle` of rows that are in their own order."""
    shuffled: set[str] = set()
    for node in nodes:
        if node.operation == SHUFFLE or any(ref.node in shuffled for ref in node.input_refs()):
            shuffled.add(node.name)
        elif node.operation == UNSHUFFLE:
            with diagnostics.within(node.frame):
                diagnostics.error(
                    "invalid-inputs",
                    f"the input of '{UNSHUFFLE}' does not depend on a '{SHUFFLE}'",
                    node.span,
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


def read_memories(
    memories: Sequence[Memory],
    nodes: Sequence[Node],
    outputs: Collection[TensorRef],
    diagnostics: Diagnostics,
) -> tuple[Memory, ...]:
    """Return the memories that losses and metrics depend on, and warn about the others.

    The outputs are the losses and metrics.
    """
    read = needed_names(nodes, {each.node for each in outputs})
    for memory in memories:
        if memory.name not in read:
            diagnostics.warning(
                "unused-step",
                f"no loss or metric depends on the memory '{memory.name}'; it is not part of the"
                " objective",
                memory.span,
            )
    return tuple(each for each in memories if each.name in read)


def warn_of_untrained_networks(
    graphs: Mapping[str, Graph],
    nodes: Sequence[Node],
    losses: Collection[TensorRef],
    others: Collection[str],
    diagnostics: Diagnostics,
) -> None:
    """Warn about the networks that no loss depends on, unless they are among some others."""
    needed = needed_nodes(nodes, {each.node for each in losses})
    used = {node.operation for node in needed}.union(others)
    for name, graph in graphs.items():
        if name not in used:
            diagnostics.warning(
                "unused-step",
                f"no loss depends on the network '{name}': it keeps its weights",
                graph.span,
            )


def check_automatic_logits(
    nodes: Sequence[Node], networks: Collection[str], diagnostics: Diagnostics
) -> None:
    """Report losses with `from_logits: auto` whose `y_pred` is not an output of a network."""
    operations = {node.name: node.operation for node in nodes}
    for node in filter(has_automatic_logits, nodes):
        if operations.get(predictions_of(node).node) not in networks:
            with diagnostics.within(node.frame):
                diagnostics.error(
                    "invalid-choice",
                    f"'{FROM_LOGITS}: {AUTO}' follows the activation of a network, and"
                    f" '{predictions_of(node)}' is no output of one",
                    next(each.value.span for each in node.arguments if each.name == FROM_LOGITS),
                    notes=(f"write '{FROM_LOGITS}: true' if it has no softmax or sigmoid",),
                )


def check_memories(
    memories: Sequence[Memory], nodes: Sequence[Node], diagnostics: Diagnostics
) -> None:
    """Report memories whose rows depend on a memory."""
    names = {each.name for each in memories}
    for memory in memories:
        read = needed_names(nodes, {memory.value.node}) & names
        if read:
            diagnostics.error(
                "invalid-inputs",
                f"the rows of '{memory.name}' depend on '{min(read)}', a memory",
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


def _check_wrapped_blocks(nodes: Iterable[Node], diagnostics: Diagnostics) -> None:
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
