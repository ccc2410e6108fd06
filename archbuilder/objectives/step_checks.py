"""Checks of the steps of a trial run: shapes that broadcasting would hide, and classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, NoReturn

import keras
import tensorflow as tf

from archbuilder.compiler.formula_calls import BINARY_OPERATIONS
from archbuilder.compiler.ir import Node
from archbuilder.compiler.objective_ir import Memory, Probe, SampleGraph, labels_of, predictions_of
from archbuilder.config.loss_traits import LOSS_TRAITS
from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics, quote
from archbuilder.diagnostics.span import Span
from archbuilder.language.objective_operations import GATHER, LOSS_PREFIX, SHUFFLE, UNSHUFFLE
from archbuilder.objectives.step_context import Tensors, select
from archbuilder.registry.registry import OPERATION_PREFIX
from archbuilder.trainer.log_format import LogFn

_BROADCASTING: Final = frozenset(
    OPERATION_PREFIX + name
    for name in (
        *(name for name in BINARY_OPERATIONS.values() if name != "matmul"),
        *("maximum", "minimum", "where", "arctan2", "hypot", "logaddexp", "isclose", "true_divide"),
    )
)
_COMPARISONS: Final = frozenset(
    OPERATION_PREFIX + BINARY_OPERATIONS[operator]
    for operator in ("-", "==", "!=", "<", "<=", ">", ">=")
)
"""The operations on two tensors of the same meaning. A factor may well be the same for an axis."""

_EQUALITIES: Final = frozenset({"ops.equal", "ops.not_equal"})
_INDEXED: Final = frozenset({"ops.one_hot", "ops.take", "ops.take_along_axis"})
"""The operations whose last input has indices, which they cut to integers."""
_SELECTIONS: Final = frozenset(
    (
        *(GATHER, SHUFFLE, UNSHUFFLE),
        *(
            OPERATION_PREFIX + name
            for name in ("expand_dims", "get_item", "reshape", "squeeze", "transpose")
        ),
    )
)
"""The operations whose result has values of their only input."""


@dataclass(slots=True, eq=False)
class StepChecks:
    """Checks of the inputs of steps, one after the other."""

    log: LogFn
    columns: dict[str, str]
    """The columns, and the steps that have values of one, each with its name."""
    measured: set[str]
    """Columns, outputs of networks, and steps that change neither their axes nor their order: an
    axis of length 1 of these is no decision of the objective."""

    @classmethod
    def of(cls, columns: Iterable[str], log: LogFn) -> StepChecks:
        """Return the checks of an objective with some columns."""
        names = tuple(columns)
        return cls(log, {name: name for name in names}, {*names})

    def check(self, node: Node, values: Mapping[str, Tensors]) -> None:
        """Check the inputs of a step.

        Raises:
            BlueprintError: if rows would be paired with all rows, or if floats are taken for
                classes.
        """
        if compares_classes(node):
            _check_class_count(node, values)
        self._check_classes(node, values)
        self.check_shapes(node, values)

    def check_shapes(self, node: Node, values: Mapping[str, Tensors]) -> None:
        """Check the shapes of the inputs of a step, of which no size is unknown.

        Raises:
            BlueprintError: if rows would be paired with all rows, or a target is missing.
        """
        traits = LOSS_TRAITS.get(node.operation.removeprefix(LOSS_PREFIX))
        if traits is not None and traits.targets in ("values", "probabilities"):
            _check_targets(node, values)
        if node.operation in _BROADCASTING:
            self._check_broadcast(node, values)

    def _check_classes(self, node: Node, values: Mapping[str, Tensors]) -> None:
        """Check that a step does not take floats of a column for classes: 1.0000001 is not 1."""
        refs = node.input_refs()
        if node.operation in _INDEXED:
            refs = refs[-1:]
        elif node.operation not in _EQUALITIES:
            return
        tensors = [select(ref, values)[0] for ref in refs]
        if not all(
            ref.node in self.columns or tensor.dtype.is_integer
            for ref, tensor in zip(refs, tensors, strict=True)
        ):
            return
        for ref, tensor in zip(refs, tensors, strict=True):
            if tensor.dtype.is_floating:
                report(
                    "invalid-inputs",
                    node,
                    f"{quote(node.name)} ({node.operation}) takes the column"
                    f" {quote(self.columns[ref.node])} for classes, and it has floats",
                    "write classes as integers in the data, or number them with 'vocabulary'",
                    "a formula may use cast(x, 'int32'), which rounds towards 0",
                )

    def _check_broadcast(self, node: Node, values: Mapping[str, Tensors]) -> None:
        refs = node.input_refs()
        shapes = [tuple(select(ref, values)[0].shape) for ref in refs]
        for first, second in combinations(shapes, 2):
            if _pairs_rows(first, second):
                text = " with ".join(_format(each, first[0]) for each in (first, second))
                report(
                    "shape-mismatch",
                    node,
                    f"{quote(node.name)} ({node.operation}) pairs each row with all rows: {text}",
                    "x[:, 0] removes an axis of length 1",
                    "if all pairs are meant, write x[:, None] and y[None, :]",
                )
        if node.operation not in _COMPARISONS or not {ref.node for ref in refs} <= self.measured:
            return
        for first, second in combinations(shapes, 2):
            if len(first) == len(second) and first != second:
                text = " and ".join(_format(each, first[0]) for each in (first, second))
                self.log(
                    f"warning: {quote(node.name)} ({node.span}) repeats an axis of length 1: its"
                    f" inputs have the shapes {text}; if this is meant, multiply one by"
                    " ones_like of the other"
                )

    def add(self, node: Node, values: Mapping[str, Tensors], *, is_network: bool) -> None:
        """Note a step that has run."""
        refs = node.input_refs()
        if node.operation in _SELECTIONS and refs[0].node in self.columns:
            self.columns[node.name] = self.columns[refs[0].node]
        if is_network or (
            len(refs) == 1
            and refs[0].node in self.measured
            and [each.shape for each in select(refs[0], values)]
            == [each.shape for each in values[node.name]]
        ):
            self.measured.add(node.name)


def _pairs_rows(first: Sequence[int], second: Sequence[int]) -> bool:
    """Return whether the rows of the tensor of a lower rank meet an axis of 1 of the other."""
    low, high = sorted((first, second), key=len)
    return 0 < len(low) < len(high) and low[0] == high[0] > 1 and high[len(high) - len(low)] == 1


def _format(shape: Sequence[int], rows: int) -> str:
    """Return a shape, in which `n` is the number of rows."""
    axes = ["n" if size == rows and not axis else str(size) for axis, size in enumerate(shape)]
    return f"[{', '.join(axes)}]"


def compares_classes(node: Node) -> bool:
    """Return whether a node is a loss whose labels are class indices."""
    traits = LOSS_TRAITS.get(node.operation.removeprefix(LOSS_PREFIX))
    return traits is not None and traits.targets == "class_indices"


def report(code: Code, node: Node, message: str, *notes: str) -> NoReturn:
    """Raise the error of a step.

    Raises:
        BlueprintError: always.
    """
    diagnostics = Diagnostics(frame=node.frame)
    diagnostics.error(code, message, node.span, notes=notes)
    raise BlueprintError(diagnostics)


def report_at(code: Code, span: Span, message: str, *notes: str) -> NoReturn:
    """Raise the error of another part of an objective.

    Raises:
        BlueprintError: always.
    """
    diagnostics = Diagnostics()
    diagnostics.error(code, message, span, notes=notes)
    raise BlueprintError(diagnostics)


def check_feature_rows(probe: Probe, tensors: Tensors, rows: int) -> None:
    """Check that the features of a probe are one tensor with a row for each example.

    Raises:
        BlueprintError: if they are not.
    """
    if len(tensors) > 1:
        message = f"'{probe.features}' has {len(tensors)} outputs; select one"
        report_at("unknown-output", probe.span, message)
    if tuple(tensors[0].shape[:1]) != (rows,):
        message = (
            f"'{probe.features}' has no row for each example, which the features of a probe need"
        )
        report_at("invalid-inputs", probe.span, message)


def check_memory_rows(memory: Memory, value: tf.Tensor) -> None:
    """Check that a step of which a memory keeps the rows has rows.

    Raises:
        BlueprintError: if it has a single number.
    """
    if not len(value.shape):
        message = (
            f"the memory '{memory.name}' needs a step with a row for each example, and its step"
            " has one number for the batch"
        )
        report_at("invalid-inputs", memory.span, message)


def check_sample_rows(
    sample: SampleGraph, tensors: Tensors, rows: int, layers: Sequence[keras.layers.Layer]
) -> None:
    """Check that samples are one tensor with a row for each, and need no weights of their own.

    Raises:
        BlueprintError: if they are not.
    """
    weighted = [each for each in layers if each.weights]
    if weighted:
        message = (
            f"'sample' has a {type(weighted[0]).__name__}, whose weights no network of the run"
            " has; put it into a network"
        )
        report_at("invalid-choice", sample.span, message)
    if len(tensors) > 1:
        message = f"'sample' ends in {len(tensors)} outputs; select one under 'output'"
        report_at("unknown-output", sample.span, message)
    if tuple(tensors[0].shape[:1]) != (rows,):
        shape = [*tensors[0].shape]
        message = f"'sample' returns {shape} for {rows} samples, not a row for each"
        report_at("shape-mismatch", sample.span, message)


def _check_class_count(node: Node, values: Mapping[str, Tensors]) -> None:
    """Check that a loss of classes has a prediction for each: a GPU has NaN for those beyond.

    Raises:
        BlueprintError: if it has not.
    """
    (labels,) = select(labels_of(node), values)
    (predictions,) = select(predictions_of(node), values)
    largest, count = int(tf.reduce_max(labels)), predictions.shape[-1]
    if largest >= count:
        report(
            "shape-mismatch",
            node,
            f"'{node.name}' ({node.operation}) compares values from 0 to {largest:,} with"
            f" predictions of {count:,} classes",
            "the output of a language model is as large as the vocabulary",
        )


def _check_targets(node: Node, values: Mapping[str, Tensors]) -> None:
    """Check that a loss of values has a target for each: Keras would repeat those of axes of 1.

    Raises:
        BlueprintError: if it has not.
    """
    (targets,) = select(labels_of(node), values)
    (predictions,) = select(predictions_of(node), values)
    # Keras itself removes or adds a last axis of length 1.
    shapes = [[*each.shape] for each in (targets, predictions)]
    compared = {tuple(each[:-1] if each[-1:] == [1] else each) for each in shapes}
    # One number for all examples is meant for all of them.
    if len(compared - {()}) > 1:
        report(
            "shape-mismatch",
            node,
            f"'{node.name}' ({node.operation}) compares {shapes[0][1:]} with {shapes[1][1:]} for"
            " each example",
        )
