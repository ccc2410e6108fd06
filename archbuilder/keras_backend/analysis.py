"""Shapes, parameters, multiply-adds and memory of a model, known before it has weights.

Activations and multiply-adds are those of one example. An unknown size (None) counts as 1; then
`is_static` is False.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from archbuilder.compiler.ir import Graph, Shape
from archbuilder.keras_backend.flops import num_elements


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """The shape and the dtype of a tensor.

    The shape has no batch axis: it is that of one example, or of a tensor that is the same for all.
    """

    shape: Shape
    dtype: str

    @property
    def bytes(self) -> int:
        """Memory for one example."""
        return num_elements(self.shape) * item_bytes(self.dtype)

    @property
    def is_static(self) -> bool:
        """Whether all sizes are known."""
        return None not in self.shape


@dataclass(frozen=True, slots=True)
class NodeAnalysis:
    """The analysis of one node of the graph.

    Weights shared with an earlier node are counted there only. A node that no output depends on is
    not `used`: it is not part of the model, so its counts are 0.

    Attributes:
        name: The name of the node.
        operation: The layer or function that it calls.
        outputs: Its output tensors.
        used: Whether an output of the graph depends on it.
        parameters: Number of parameters.
        trainable_parameters: Number of parameters that training updates.
        multiply_adds: Multiply-adds for one example, see `flops`.
        weight_bytes: Memory of all its weights.
        largest_weight_bytes: Memory of its largest single weight.
        layers: The nodes of the block that it wraps, called on one step. Its own counts include
            those of its layers for all steps.
        steps: The number of steps on which the block is called.
    """

    name: str
    operation: str
    outputs: tuple[TensorSpec, ...]
    used: bool
    parameters: int
    trainable_parameters: int
    multiply_adds: int
    weight_bytes: int
    largest_weight_bytes: int
    layers: tuple[NodeAnalysis, ...] = ()
    steps: int = 1

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Shape of each output."""
        return tuple(output.shape for output in self.outputs)

    @property
    def activation_bytes(self) -> int:
        """Memory of the outputs for one example."""
        own_bytes = sum(output.bytes for output in self.outputs)
        inner_bytes = sum(each.activation_bytes for each in self.layers)
        return own_bytes + self.steps * inner_bytes if self.used else 0

    @property
    def init_peak_bytes(self) -> int:
        """Peak memory while the weights are initialized."""
        # An initializer draws random numbers and then scales them, which may keep two temporary
        # tensors as large as the weight beside the weight itself.
        return self.weight_bytes + 2 * self.largest_weight_bytes


@dataclass(frozen=True, slots=True)
class Analysis:
    """The analysis of a whole model: its nodes in order, and their totals.

    `activation_bytes` is the memory of the inputs and the outputs of all nodes, which training
    keeps for the backward pass. `peak_activation_bytes` is the peak in inference, where each tensor
    is freed after its last use. Both are for one example.
    """

    name: str
    inputs: Mapping[str, TensorSpec]
    nodes: tuple[NodeAnalysis, ...]
    outputs: Mapping[str, Shape]
    parameters: int
    trainable_parameters: int
    multiply_adds: int
    weight_bytes: int
    activation_bytes: int
    peak_activation_bytes: int
    is_static: bool

    @property
    def init_peak_bytes(self) -> int:
        """Peak memory while the weights are initialized, one after the other."""
        largest = max((node.largest_weight_bytes for node in self.nodes), default=0)
        return self.weight_bytes + 2 * largest

    def training_bytes(self, batch_size: int) -> int:
        """Estimate the memory of a training step with an optimizer such as Adam."""
        # Four times the weights: the weights, their gradients, and two moments.
        return 4 * self.weight_bytes + batch_size * self.activation_bytes


def item_bytes(dtype: str) -> int:
    """Return the bytes of one element of a dtype: 4 for `float32`."""
    if dtype == "bool":
        return 1
    # Parsed from the name, which also covers dtypes that numpy itself lacks, such as bfloat16.
    bits = re.search(r"\d+", dtype)
    # "string" has no digits. Its elements are references of unknown size; 8 is a pointer.
    return max(1, int(bits[0]) // 8) if bits else 8


def summarize(
    graph: Graph,
    inputs: Mapping[str, TensorSpec],
    nodes: Sequence[NodeAnalysis],
    outputs: Mapping[str, Shape],
) -> Analysis:
    """Combine the analyses of all nodes of a graph into one."""
    specs = [*inputs.values(), *(output for node in nodes for output in node.outputs)]
    return Analysis(
        name=graph.name,
        inputs=inputs,
        nodes=tuple(nodes),
        outputs=outputs,
        parameters=sum(node.parameters for node in nodes),
        trainable_parameters=sum(node.trainable_parameters for node in nodes),
        multiply_adds=sum(node.multiply_adds for node in nodes),
        weight_bytes=sum(node.weight_bytes for node in nodes),
        activation_bytes=sum(spec.bytes for spec in inputs.values())
        + sum(node.activation_bytes for node in nodes),
        peak_activation_bytes=_peak_activation_bytes(graph, inputs, nodes),
        is_static=all(spec.is_static for spec in specs),
    )


def _peak_activation_bytes(
    graph: Graph, inputs: Mapping[str, TensorSpec], nodes: Iterable[NodeAnalysis]
) -> int:
    """Return the peak memory of live tensors when the nodes run in order, for one example."""
    # None stands for outputs of the graph, which are never freed.
    last_use: dict[str, str | None] = {}
    for node in graph.nodes:
        last_use.update((ref.node, node.name) for ref in node.input_refs())
    last_use.update((ref.node, None) for _, ref in graph.outputs)
    sizes = {name: spec.bytes for name, spec in inputs.items()}
    sizes.update((node.name, node.activation_bytes) for node in nodes)
    live_bytes = sum(sizes[name] for name in inputs)
    peak = live_bytes
    for node in graph.nodes:
        # Inputs and outputs of a node are alive together: count the outputs before freeing.
        live_bytes += sizes[node.name]
        peak = max(peak, live_bytes)
        input_nodes = {ref.node for ref in node.input_refs()}
        live_bytes -= sum(sizes[name] for name in input_nodes if last_use[name] == node.name)
    return peak
