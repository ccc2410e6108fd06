"""A check of the shapes in an objective without data and without values for the weights.

What depends on a column without the input of a network, such as a label, has an unknown shape and
is left to the trial run of a training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import keras
from keras.src import backend

from archbuilder.compiler.ir import Node
from archbuilder.compiler.objective_ir import ObjectiveGraph, SampleGraph, gradient_inputs
from archbuilder.keras_backend import UninitializedModel
from archbuilder.keras_backend.state_scope import run_in_fresh_keras_state
from archbuilder.language.objective_operations import (
    AUGMENT,
    GRADIENT,
    RANDOM_OPERATIONS,
    ROWS,
    TOKEN_OPERATIONS,
)
from archbuilder.objectives.columns import network_input_of
from archbuilder.objectives.interpreter import Interpreter
from archbuilder.objectives.random_draws import drawn_shape
from archbuilder.objectives.step_checks import (
    StepChecks,
    check_feature_rows,
    check_memory_rows,
    check_sample_rows,
)
from archbuilder.objectives.step_context import Network, StepContext, Tensors, select

_ROWS: Final = 1009
"""Number of examples; a prime that is seldom the length of another axis."""
_MAX_SAMPLE_STEPS: Final = 100
_INTEGERS: Final = ("Categorical", "Permutation")
"""The random numbers that are integers."""


def check_objective_shapes(
    objective: ObjectiveGraph, models: Mapping[str, UninitializedModel]
) -> None:
    """Check what is known about the shapes of the steps of an objective.

    Args:
        objective: The objective.
        models: The networks by the names that the objective has for them.

    Raises:
        BlueprintError: if a step does not take its inputs.
    """
    networks = {name: Network(each.model, each.graph, each.model) for name, each in models.items()}
    graphs = {name: each.graph for name, each in models.items()}
    networks |= {each.name: networks[each.network] for each in objective.copies}
    columns: dict[str, Tensors] = {}
    for column in objective.columns:
        reader = network_input_of(column, graphs)
        # Tokens are read as they are, unless the column names an input.
        if reader is not None and (column.network_input or reader[1].dtype.startswith("float")):
            columns[column.name] = (_tensor(reader[1].shape, reader[1].dtype),)
    run_in_fresh_keras_state(lambda: _check(objective, networks, columns))


def _check(
    objective: ObjectiveGraph, networks: Mapping[str, Network], columns: Mapping[str, Tensors]
) -> None:
    run = _ShapeRun(Interpreter(objective, networks), {**columns})
    for memory in objective.memories:
        run.add(objective.nodes_for([memory.value]))
        if memory.value.node in run.values:
            (rows,) = select(memory.value, run.values)
            check_memory_rows(memory, rows)
            run.values[memory.name] = (keras.KerasTensor((memory.length, *rows.shape[1:])),)
    run.add(objective.nodes)
    for probe in objective.probes:
        if probe.features.node in run.values:
            check_feature_rows(probe, select(probe.features, run.values), _ROWS)
    if objective.sample is not None:
        _check_sample(objective, objective.sample, networks, columns)


def _check_sample(
    objective: ObjectiveGraph,
    sample: SampleGraph,
    networks: Mapping[str, Network],
    columns: Mapping[str, Tensors],
) -> None:
    interpreter = Interpreter(objective, networks)
    values = {name: columns[name] for name in sample.columns if name in columns}
    run = _ShapeRun(interpreter, values)
    # A loop that removes noise may have tens of thousands of steps, which repeat the first ones.
    run.add(sample.nodes[:_MAX_SAMPLE_STEPS])
    if sample.output.node in run.values:
        check_sample_rows(sample, select(sample.output, run.values), _ROWS, interpreter.layers)


@dataclass(slots=True, eq=False)
class _ShapeRun:
    """The shapes of columns and steps, as far as they are known."""

    interpreter: Interpreter
    values: dict[str, Tensors]
    checks: StepChecks = field(init=False)
    outputs: dict[object, Tensors] = field(default_factory=dict)
    """The outputs of networks by their inputs: a sample may call one a thousand times."""

    def __post_init__(self) -> None:
        """Start the checks of steps."""
        self.checks = StepChecks.of(self.values, lambda _line: None)

    def add(self, nodes: Sequence[Node]) -> None:
        """Add the shapes of some steps.

        Raises:
            BlueprintError: if a step does not take its inputs.
        """
        for node in nodes:
            tensors = self._outputs(node)
            if tensors is not None:
                self.values[node.name] = tensors

    def _outputs(self, node: Node) -> Tensors | None:
        """Return the outputs of a step; None if they are unknown."""
        network = self.interpreter.networks.get(node.operation)
        if node.operation in TOKEN_OPERATIONS:
            return None
        if node.operation == ROWS:
            return (_tensor((), "int32"),)
        if any(ref.node not in self.values for ref in node.input_refs()):
            # A network has outputs of its own shapes, whatever it is called on.
            return None if network is None else _network_outputs(network)
        if node.operation in RANDOM_OPERATIONS:
            dtype = "int32" if node.operation in _INTEGERS else "float32"
            return (_tensor(drawn_shape(node, self.values), dtype),)
        if node.operation == AUGMENT:
            return select(node.input_refs()[0], self.values)
        if node.operation == GRADIENT:
            return tuple(
                each for ref in gradient_inputs(node)[1] for each in select(ref, self.values)
            )
        return self._call(node, is_network=network is not None)

    def _call(self, node: Node, *, is_network: bool) -> Tensors:
        inputs = {ref.node: self.values[ref.node] for ref in node.input_refs()}
        flat = [each for ref in node.input_refs() for each in select(ref, self.values)]
        key = (node.operation, *((tuple(each.shape), each.dtype) for each in flat))
        if is_network and key in self.outputs:
            return self.outputs[key]
        if all(None not in each.shape for each in flat):
            self.checks.check_shapes(node, self.values)
        context = StepContext(training=False, on_replica=False)
        outputs: Tensors = backend.compute_output_spec(
            lambda tensors: self.interpreter.run([node], tensors, context)[node.name], inputs
        )
        self.outputs[key] = outputs
        return outputs


def _tensor(shape: Sequence[int | None], dtype: str) -> keras.KerasTensor:
    return keras.KerasTensor((_ROWS, *shape), dtype)


def _network_outputs(network: Network) -> Tensors:
    outputs = network.model.output
    tensors = (
        [outputs[name] for name in network.outputs] if isinstance(outputs, Mapping) else [outputs]
    )
    # The number of rows is unknown: it may be called on several batches at once.
    return tuple(keras.KerasTensor(each.shape, each.dtype) for each in tensors)
