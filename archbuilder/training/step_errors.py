"""Errors of Keras and TensorFlow while a network computes, as errors of the step that failed."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import keras
import tensorflow as tf

from archbuilder.backend.refusals import REFUSALS, innermost, reason
from archbuilder.errors import Diagnostic, RunError, StepError, shown
from archbuilder.graph import Graph, Node
from archbuilder.training.checkpoints import Position
from archbuilder.training.state import variable_of

CODE: Final = "step-failed"
_OUT_OF_MEMORY: Final = (tf.errors.ResourceExhaustedError, MemoryError)
_MEMORY_ADVICE: Final = "lower 'batch_size', or go through a batch in parts with 'accumulate'"
_FINITE_ADVICE: Final = (
    "lower the learning rate, limit gradients with 'clip', or look for extreme values in the data",
    "the checkpoints from before are kept",
)
_OPERATION: Final = re.compile(r"\{\{node ([^}]+)\}\}|Detected at node (\S+) ")
_FILE: Final = re.compile(r'File "([^"]+)"')
_PARTS: Final = {"/keras/src/metrics/": "a metric", "/keras/src/losses/": "a loss"}
"""What is not a step. Metrics call the functions of losses, so that they come first."""
_COUNTER: Final = re.compile(r"_\d+$")
_PART_OF_FUNCTION: Final = re.compile(r"\.\d+$")
"""What `name_operations` puts behind the name of a function that is made of several operations."""
_LIBRARIES: Final = ("keras.", "tensorflow.", "numpy.")


@contextmanager
def explained_failures(what: str, graphs: Iterable[Graph]) -> Iterator[None]:
    """Translate what Keras and TensorFlow raise in this block; `what` they were doing.

    Raises:
        StepError: if the error comes from a step of one of the graphs.
        RunError: if it comes from elsewhere in Keras or TensorFlow.
    """
    filtering = keras.config.is_traceback_filtering_enabled()
    # Filtering (Keras 3.15) drops the frames of `Layer.__call__`, in which a regularizer fails.
    keras.config.disable_traceback_filtering()
    try:
        yield
    except REFUSALS as error:
        node = failed_node(error, graphs)
        if node is None and not _is_from_library(error):
            raise
        raise _failure(what, node, error) from error
    finally:
        if filtering:
            keras.config.enable_traceback_filtering()


def failed_node(error: BaseException, graphs: Iterable[Graph]) -> Node | None:
    """Return the node whose layer or function raised an error, if there is one."""
    known = {graph.name: {node.name: node for node in graph.nodes} for graph in graphs}
    for names in (_called(error), *_scopes(str(error))):
        for name in reversed(names):
            owners = [graph for graph, nodes in known.items() if name in nodes]
            if owners:
                # Two networks may have steps of one name.
                owner = next((each for each in owners if each in names), owners[0])
                return known[owner][name]
    return None


def not_finite_error(
    learner: keras.Model, graphs: Iterable[Graph], steps: int, name: str, position: Position
) -> RunError:
    """Return the error for a variable of a learner that is NaN or infinite at a position.

    `name` is the name of its array in a checkpoint, `steps` the number of steps of an epoch.
    """
    scopes = variable_of(learner, name).path.split("/")
    nodes = {node.name: node for graph in graphs for node in graph.nodes}
    node = next((nodes[scope] for scope in scopes if scope in nodes), None)
    when = f"after step {position.epoch * steps + position.batch} (epoch {_epoch(position)})"
    if node is None:
        return RunError(
            f"{shown('/'.join(scopes))} of the optimizer has numbers that are not finite {when};"
            f" {'; '.join(_FINITE_ADVICE)}"
        )
    variable = "/".join(scopes[scopes.index(node.name) + 1 :])
    return _step_error(
        f"{shown(variable)} of '{node.name}' ({node.operation}) has numbers that are not finite"
        f" {when}",
        node,
        _FINITE_ADVICE,
    )


def _epoch(position: Position) -> int:
    """Return the number of the epoch, from 1, that the last step before a position belongs to."""
    return position.epoch + 1 if position.batch else position.epoch


def _failure(what: str, node: Node | None, error: Exception) -> RunError:
    notes = reason(error)
    full = isinstance(error, _OUT_OF_MEMORY)
    if node is None:
        said = "; ".join(notes) or type(error).__name__
        if full:
            return RunError(
                f"the memory is too small for this network and batch: {_MEMORY_ADVICE}; {said}"
            )
        return RunError(f"{what} failed{_part(error)}; {said}")
    step = f"'{node.name}' ({node.operation})"
    if full:
        return _step_error(f"the memory is too small for {step}", node, (*notes, _MEMORY_ADVICE))
    return _step_error(f"{what} failed in {step}", node, notes)


def _step_error(message: str, node: Node, notes: Sequence[str]) -> StepError:
    """Return the error of a step, at its place in the blueprint."""
    return StepError(Diagnostic(CODE, message, node.span, notes=tuple(notes), frame=node.frame))


def _part(error: BaseException) -> str:
    """Return ` in a loss` or ` in the metric 'auc'` if the error comes from one."""
    frames = [frame for frame, _ in traceback.walk_tb(innermost(error).__traceback__)]
    called = [frame.f_locals.get("self") for frame in frames]
    metrics = [each for each in called if isinstance(each, keras.metrics.Metric)]
    if metrics:
        return f" in the metric '{metrics[-1].name}'"
    files = [frame.f_code.co_filename for frame in frames] + _FILE.findall(str(error))
    for folder, part in _PARTS.items():
        if any(folder in file for file in files):
            return f" in {part}"
    return ""


def _called(error: BaseException) -> list[str]:
    """Return the names of the layers and functions that were being called, outermost first."""
    names = []
    for frame, _ in traceback.walk_tb(innermost(error).__traceback__):
        called = frame.f_locals.get("self")
        if isinstance(called, keras.Operation):
            names += [_PART_OF_FUNCTION.sub("", called.name), called.name]
    return names


def _scopes(message: str) -> Iterator[list[str]]:
    """Yield the scopes of each operation that TensorFlow names: `net_1/conv2d0_1/Conv2D`.

    Keras (3.15) opens the scope of a layer a second time when it is called, so that TensorFlow
    puts a counter behind its name.
    """
    for match in _OPERATION.finditer(message):
        parts = (match[1] or match[2]).split("/")
        yield [name for part in parts for name in (part, _COUNTER.sub("", part))]


def _is_from_library(error: BaseException) -> bool:
    frames = [frame for frame, _ in traceback.walk_tb(innermost(error).__traceback__)]
    module = str(frames[-1].f_globals.get("__name__", "")) if frames else ""
    return isinstance(error, tf.errors.OpError) or module.startswith(_LIBRARIES)
