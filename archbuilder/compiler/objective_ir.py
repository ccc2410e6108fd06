"""Intermediate representation of an objective, without parameters, blocks and loops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from archbuilder.compiler.ir import Graph, Node, TensorRef
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.diagnostics.span import Span
from archbuilder.language.objective_operations import GRADIENT_BY, GRADIENT_OF

ScheduledNumber: TypeAlias = float | KerasObject
"""A number, or a schedule of Keras that has one for each step."""


@dataclass(frozen=True, slots=True)
class NetworkInput:
    """An input of a network."""

    network: str
    input: str

    def __str__(self) -> str:
        return f"{self.network}.{self.input}"


@dataclass(frozen=True, slots=True)
class ObjectiveColumn:
    """A column of the batch, and the input that it is adapted to; None for one as it is."""

    name: str
    network_input: NetworkInput | None
    span: Span


@dataclass(frozen=True, slots=True)
class ObjectiveLoss:
    """A loss and its weight in the sum; logs show it by its name."""

    name: str
    value: TensorRef
    weight: ScheduledNumber
    span: Span


@dataclass(frozen=True, slots=True)
class Update:
    """Steps of an optimizer on a sum of losses, for some networks; `name` may be empty."""

    name: str
    losses: tuple[ObjectiveLoss, ...]
    networks: tuple[str, ...]
    steps: int
    span: Span

    @property
    def log_name(self) -> str:
        """The name of the sum of its losses in the logs."""
        return f"{self.name}_loss" if self.name else "loss"

    def term_log_name(self, loss: ObjectiveLoss) -> str:
        """Return the name of one of several losses in the logs."""
        name = loss.name.replace(".", "_")
        return f"{self.name}_{name}" if self.name else name

    @property
    def logged_terms(self) -> tuple[ObjectiveLoss, ...]:
        """The losses that the logs have besides their sum."""
        return self.losses if len(self.losses) > 1 else ()


@dataclass(frozen=True, slots=True)
class NetworkCopy:
    """A copy of a network; `momentum` is what it keeps of its weights at every step."""

    name: str
    network: str
    momentum: ScheduledNumber
    span: Span


@dataclass(frozen=True, slots=True)
class Memory:
    """A queue of the last `length` rows that a step had in training."""

    name: str
    value: TensorRef
    length: int
    span: Span


@dataclass(frozen=True, slots=True)
class SampleGraph:
    """Steps that draw samples with the networks; `count` is the number in an image of them."""

    nodes: tuple[Node, ...]
    output: TensorRef
    count: int
    span: Span


@dataclass(frozen=True, slots=True)
class ObjectiveGraph:
    """An objective: nodes over columns, networks and memories, and the updates of the networks.

    A node whose operation is the name of a network, or of a copy, calls it.
    """

    name: str
    networks: tuple[str, ...]
    """The names that it has for networks, one of which may have another name in the blueprint;
    empty if it has those of the blueprint."""
    columns: tuple[ObjectiveColumn, ...]
    nodes: tuple[Node, ...]
    updates: tuple[Update, ...]
    metrics: tuple[tuple[str, TensorRef], ...]
    copies: tuple[NetworkCopy, ...]
    memories: tuple[Memory, ...]
    sample: SampleGraph | None
    frozen: tuple[str, ...]
    span: Span

    @property
    def used_columns(self) -> tuple[tuple[int, ObjectiveColumn], ...]:
        """The columns that are read, each with its position among all."""
        used = {each.node for node in self.nodes for each in node.input_refs()}
        used |= {term.value.node for update in self.updates for term in update.losses}
        used |= {ref.node for _, ref in self.metrics} | {each.value.node for each in self.memories}
        return tuple(each for each in enumerate(self.columns) if each[1].name in used)

    @property
    def max_steps(self) -> int:
        """Number of turns that share a batch: that of the update with the most steps."""
        return max(each.steps for each in self.updates)

    def nodes_for(self, refs: Iterable[TensorRef]) -> tuple[Node, ...]:
        """Return the nodes that some tensors need, in order."""
        return needed_nodes(self.nodes, {each.node for each in refs})


def needed_nodes(nodes: Sequence[Node], names: Iterable[str]) -> tuple[Node, ...]:
    """Return the nodes that some names need, which may be theirs, in order."""
    needed = {*names}
    reversed_nodes = []
    for node in reversed(nodes):
        if node.name in needed:
            reversed_nodes.append(node)
            needed.update(each.node for each in node.input_refs())
    return tuple(reversed(reversed_nodes))


def gradient_inputs(node: Node) -> tuple[tuple[TensorRef, ...], tuple[TensorRef, ...]]:
    """Return the tensors that a gradient is of, and those by which it is taken."""
    inputs = {
        **dict(zip((GRADIENT_OF, GRADIENT_BY), node.inputs, strict=False)),
        **dict(node.keywords),
    }
    of, by = (
        each if isinstance(each, tuple) else (each,)
        for each in (inputs[GRADIENT_OF], inputs[GRADIENT_BY])
    )
    return of, by


def networks_by_name(names: Sequence[str], graphs: Mapping[str, Graph]) -> Mapping[str, Graph]:
    """Return the networks by the names that an objective has for them.

    An objective of one network takes the only one of a blueprint, whatever its name.
    """
    return {names[0]: next(iter(graphs.values()))} if len(names) == len(graphs) == 1 else graphs
