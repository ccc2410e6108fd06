"""Errors about calls of layers that Keras rejects, with hints for common mistakes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from archbuilder import registry
from archbuilder.compiler.ir import Node
from archbuilder.keras_backend.keras_errors import BuildError, error_notes, is_empty_output_error
from archbuilder.keras_backend.shape_format import CallTensor, format_tensors

_SPATIAL_RANK: Final = re.compile(r"(?:Conv|Pool|Padding|Cropping|UpSampling)\w*?([123])D")


def shape_error(node: Node, call_tensors: Sequence[CallTensor], error: Exception) -> BuildError:
    """Describe an exception of Keras for a call with these tensors."""
    if is_empty_output_error(error):
        return empty_output_error(node, call_tensors, error_notes(error))
    verb = (
        "join"
        if len(call_tensors) > 1 and call_tensors[0].argument == call_tensors[1].argument
        else "take"
    )
    message = f"'{node.name}' ({node.operation}) cannot {verb} {format_tensors(call_tensors)}"
    notes = _shape_hints(node, call_tensors) + error_notes(error)
    return BuildError("shape-mismatch", message, node.span, notes)


def empty_output_error(
    node: Node, call_tensors: Sequence[CallTensor], notes: tuple[str, ...]
) -> BuildError:
    """Describe a call with these tensors whose output has no entries."""
    message = (
        f"'{node.name}' ({node.operation}) has an empty output for the input"
        f" {format_tensors(call_tensors)}"
    )
    return BuildError("empty-output", message, node.span, notes)


def _shape_hints(node: Node, call_tensors: Sequence[CallTensor]) -> tuple[str, ...]:
    """Return hints about an axis that the only input of a layer lacks or has too many."""
    if len(call_tensors) != 1:
        return ()
    shape = call_tensors[0].shape
    signature = registry.load().signature(node.operation)
    if signature is not None and "return_sequences" in signature.arguments and len(shape) == 1:
        return (
            "it needs a sequence: write 'return_sequences: true' in the recurrent layer before it",
        )
    spatial = _SPATIAL_RANK.search(node.operation)
    rank = len(shape) - int(spatial[1]) if spatial else 1
    if rank == 0:
        return ("an axis of channels is missing: add it to the shape, as in [28, 28, 1]",)
    if rank == 2 and shape[0] is None:
        return ("shapes under 'inputs' have no batch axis: leave out the first size",)
    return ()
