"""Translate errors of Keras and TensorFlow into errors of the step of the blueprint that failed."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import keras
import tensorflow as tf

from archbuilder.compiler.ir import Graph, Node
from archbuilder.data.position import TrainingPosition
from archbuilder.diagnostics.errors import Diagnostic, RunError, StepError, quote
from archbuilder.keras_backend.keras_errors import KERAS_ERRORS, error_notes, innermost
from archbuilder.runs.state_dict import find_variable

STEP_FAILED: Final = "step-failed"
OUT_OF_MEMORY: Final = (tf.errors.ResourceExhaustedError, MemoryError)
MEMORY_HINT: Final = "decrease 'batch_size', or use 'gradient_accumulation_steps'"
_NON_FINITE_HINTS: Final = (
    "decrease the learning rate, clip gradients with 'global_clipnorm', or check the data",
    "the checkpoints from before are kept",
)
_TF_NODE_NAME: Final = re.compile(r"\{\{node ([^}]+)\}\}|Detected at node (\S+) ")
_TRACEBACK_FILE: Final = re.compile(r'File "([^"]+)"')
_KERAS_DIRECTORIES: Final = {"/keras/src/metrics/": "a metric", "/keras/src/losses/": "a loss"}
"""Folders of code that no step runs. Metrics come first: they call the functions of losses."""
_NAME_COUNTER: Final = re.compile(r"_\d+$")
_SUB_OPERATION_SUFFIX: Final = re.compile(r"\.\d+$")
"""Suffix that `op_names.py` adds to each operation of a function with several."""
_LIBRARIES: Final = ("keras.", "tensorflow.", "numpy.")


@contextmanager
def translate_tf_errors(activity: str, graphs: Iterable[Graph]) -> Iterator[None]:
    """Translate exceptions of Keras and TensorFlow in this block into one-line errors.

    `activity` says in the message what failed, such as "the training".

    Raises:
        StepError: if the error comes from a step of one of the graphs.
        RunError: if it comes from elsewhere in Keras or TensorFlow.
    """
    was_filtering = keras.config.is_traceback_filtering_enabled()
    # The filter of Keras 3.15 drops the frames of `Layer.__call__`, in which a regularizer fails.
    # `failed_node` needs them.
    keras.config.disable_traceback_filtering()
    try:
        yield
    except KERAS_ERRORS as error:
        node = failed_node(error, graphs)
        frames = [frame for frame, _ in traceback.walk_tb(innermost(error).__traceback__)]
        module = str(frames[-1].f_globals.get("__name__", "")) if frames else ""
        is_from_library = isinstance(error, tf.errors.OpError) or module.startswith(_LIBRARIES)
        # A bug of archbuilder keeps its traceback.
        if node is None and not is_from_library:
            raise
        notes, is_out_of_memory = error_notes(error), isinstance(error, OUT_OF_MEMORY)
        if node is None:
            detail = "; ".join(notes) or type(error).__name__
            message = f"{activity} failed{_in_loss_or_metric(error)}; {detail}"
            if is_out_of_memory:
                message = (
                    f"the memory is too small for this network and batch: {MEMORY_HINT}; {detail}"
                )
            raise RunError(message) from error
        step = f"'{node.name}' ({node.operation})"
        if is_out_of_memory:
            message, notes = f"the memory is too small for {step}", (*notes, MEMORY_HINT)
        else:
            message = f"{activity} failed in {step}"
        raise _step_error(message, node, notes) from error
    finally:
        if was_filtering:
            keras.config.enable_traceback_filtering()


def failed_node(error: BaseException, graphs: Iterable[Graph]) -> Node | None:
    """Return the node whose layer or function raised an error, or None.

    While a step is traced, the traceback has the layer. While it runs, only the message of
    TensorFlow names the operation.
    """
    nodes_by_graph = {graph.name: {node.name: node for node in graph.nodes} for graph in graphs}
    layer_call_names = [
        layer.name
        for frame, _ in traceback.walk_tb(innermost(error).__traceback__)
        if isinstance(layer := frame.f_locals.get("self"), keras.Operation)
    ]
    # TensorFlow names operations by their scopes, such as `net_1/conv2d0_1/Conv2D`. It adds a
    # counter to a name that it has seen, and Keras 3.15 opens the scope of a layer a second time
    # when it is called.
    name_scopes = [
        (match[1] or match[2]).split("/") for match in _TF_NODE_NAME.finditer(str(error))
    ]
    candidates = [
        [each for name in layer_call_names for each in (_SUB_OPERATION_SUFFIX.sub("", name), name)],
        *(
            [each for name in scopes for each in (name, _NAME_COUNTER.sub("", name))]
            for scopes in name_scopes
        ),
    ]
    for names in candidates:
        for name in reversed(names):
            owners = [graph for graph, nodes in nodes_by_graph.items() if name in nodes]
            if owners:
                # Two networks may have steps of the same name.
                owner = next((each for each in owners if each in names), owners[0])
                return nodes_by_graph[owner][name]
    return None


def not_finite_error(
    model: keras.Model,
    graphs: Iterable[Graph],
    steps_per_epoch: int,
    name: str,
    position: TrainingPosition,
) -> RunError:
    """Return the error for a variable of a model that is NaN or infinite.

    Args:
        model: The model that is trained.
        graphs: The graphs of its networks.
        steps_per_epoch: Number of steps of an epoch.
        name: Name of the array of the variable in a checkpoint.
        position: Position of the run.
    """
    variable = find_variable(model, name)
    scopes = variable.path.split("/")
    # Two networks may have steps of the same name: look in those that have the variable.
    owner_names = {
        layer.name
        for layer in model._flatten_layers()  # noqa: SLF001 - the public `layers` are not nested
        if isinstance(layer, keras.Model) and any(each is variable for each in layer.variables)
    }
    # Objectives of text train a copy of the network, which has another name.
    owners = [graph for graph in graphs if graph.name in owner_names] or [*graphs]
    nodes = {node.name: node for graph in owners for node in graph.nodes}
    node = next((nodes[scope] for scope in scopes if scope in nodes), None)
    # At the start of an epoch, the last step belongs to the epoch before; epochs count from 1.
    epoch_number = position.epoch + 1 if position.batch else position.epoch
    when = f"after step {position.epoch * steps_per_epoch + position.batch} (epoch {epoch_number})"
    if node is None:
        return RunError(
            f"{quote('/'.join(scopes))} of the optimizer has NaN or infinite values {when};"
            f" {'; '.join(_NON_FINITE_HINTS)}"
        )
    weight_name = "/".join(scopes[scopes.index(node.name) + 1 :])
    return _step_error(
        f"{quote(weight_name)} of '{node.name}' ({node.operation}) has NaN or infinite values"
        f" {when}",
        node,
        _NON_FINITE_HINTS,
    )


def _step_error(message: str, node: Node, notes: Sequence[str]) -> StepError:
    """Return the error of a step, with its location in the blueprint."""
    return StepError(
        Diagnostic(STEP_FAILED, message, node.span, notes=tuple(notes), frame=node.frame)
    )


def _in_loss_or_metric(error: BaseException) -> str:
    """Return ` in a loss` or ` in the metric 'auc'` if the error comes from one."""
    frames = [frame for frame, _ in traceback.walk_tb(innermost(error).__traceback__)]
    frame_selves = [frame.f_locals.get("self") for frame in frames]
    metrics = [each for each in frame_selves if isinstance(each, keras.metrics.Metric)]
    if metrics:
        return f" in the metric '{metrics[-1].name}'"
    # Losses are mostly functions, without a `self`. An error of TensorFlow has the files in its
    # message only.
    files = [frame.f_code.co_filename for frame in frames] + _TRACEBACK_FILE.findall(str(error))
    for directory, component in _KERAS_DIRECTORIES.items():
        if any(directory in file for file in files):
            return f" in {component}"
    return ""
