"""What a model is like before it has weights: shapes, parameters, multiply-adds, memory.

All numbers are of one example; a size that is left open (None) counts as 1, and `exact` tells
whether there are any.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from archbuilder.compiler.ir import Graph, Shape
from archbuilder.keras_backend.flops import num_elements


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor of the model: its shape without the batch axis and its dtype."""

    shape: Shape
    dtype: str

    @property
    def bytes(self) -> int:
        """The memory that it takes for one example."""
        return num_elements(self.shape) * item_bytes(self.dtype)

    @property
    def is_static(self) -> bool:
        """Whether no size is left open."""
        return None not in self.shape


@dataclass(frozen=True, slots=True)
class NodeAnalysis:
    """One node of the graph.

    Weights that it shares with an earlier node are counted there. `largest_weight_bytes` is the
    size of its largest single weight. A node that no output needs is not `used`: the model does
    not have it, and all its numbers are 0.
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

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shape of each output."""
        return tuple(output.shape for output in self.outputs)

    @property
    def activation_bytes(self) -> int:
        """The memory that its outputs take for one example."""
        return sum(output.bytes for output in self.outputs) if self.used else 0

    @property
    def init_peak_bytes(self) -> int:
        """The most memory that making its weights may take.

        Random numbers for the largest of them may stand beside it twice while they are scaled.
        """
        return self.weight_bytes + 2 * self.largest_weight_bytes


@dataclass(frozen=True, slots=True)
class Analysis:
    """A whole model: its nodes in order and their sums.

    `activation_bytes` is what all outputs of all nodes take, as training keeps them;
    `peak_activation_bytes` what there is of them at once in inference, where a tensor goes when
    nothing reads it any more.
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
        """The most memory that making the weights may take, one after the other."""
        largest = max((node.largest_weight_bytes for node in self.nodes), default=0)
        return self.weight_bytes + 2 * largest

    def training_bytes(self, batch_size: int) -> int:
        """About what a training step takes: weights, gradients, two moments, and activations."""
        return 4 * self.weight_bytes + batch_size * self.activation_bytes


def item_bytes(dtype: str) -> int:
    """The memory of one number of a dtype: 4 for `float32`."""
    if dtype == "bool":
        return 1
    bits = re.search(r"\d+", dtype)
    # A string tensor holds references.
    return max(1, int(bits[0]) // 8) if bits else 8


def summarize(
    graph: Graph,
    inputs: Mapping[str, TensorSpec],
    nodes: Sequence[NodeAnalysis],
    outputs: Mapping[str, Shape],
) -> Analysis:
    """The analysis of a graph from those of its nodes."""
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
        activation_bytes=sum(node.activation_bytes for node in nodes),
        peak_activation_bytes=_peak_activation_bytes(graph, inputs, nodes),
        is_static=all(spec.is_static for spec in specs),
    )


def _peak_activation_bytes(
    graph: Graph, inputs: Mapping[str, TensorSpec], nodes: Iterable[NodeAnalysis]
) -> int:
    """The most that is alive at once when the nodes run in order."""
    last_use: dict[str, str | None] = {}
    for node in graph.nodes:
        last_use.update((ref.node, node.name) for ref in node.input_refs())
    last_use.update((ref.node, None) for _, ref in graph.outputs)
    sizes = {name: spec.bytes for name, spec in inputs.items()}
    sizes.update((node.name, node.activation_bytes) for node in nodes)
    live_bytes = sum(sizes[name] for name in inputs)
    peak = live_bytes
    for node in graph.nodes:
        live_bytes += sizes[node.name]
        peak = max(peak, live_bytes)
        input_nodes = {ref.node for ref in node.input_refs()}
        live_bytes -= sum(sizes[name] for name in input_nodes if last_use[name] == node.name)
    return peak
