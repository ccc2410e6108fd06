"""Intermediate representation of an objective, without parameters, blocks and loops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, TypeVar

from archbuilder import registry
from archbuilder.compiler.ir import Node, TensorRef
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.compiler.objective_use import ObjectiveUse
from archbuilder.diagnostics.span import Span
from archbuilder.language.objective_ast import ProbeMethod
from archbuilder.language.objective_operations import (
    AUTO,
    FROM_LOGITS,
    GRADIENT_BY,
    GRADIENT_OF,
    LOSS_PREFIX,
)
from archbuilder.language.objective_terms import GeneratedText
from archbuilder.yaml.nodes import Tree

_Network = TypeVar("_Network")
_WEIGHTLESS_LAYERS: Final = frozenset(
    {
        *("Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract"),
        *("Flatten", "Identity", "Permute", "RepeatVector", "Reshape", "UnitNormalization"),
        *("Activation", "ELU", "LeakyReLU", "ReLU", "Rescaling", "Softmax"),
    }
)
"""The layers of which an objective keeps nothing."""

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
class ObjectiveMetric:
    """What the logs have besides losses: the mean of a step, or a function of that mean."""

    name: str
    value: TensorRef
    function: str | None
    """The name of a function of `keras.ops`."""
    span: Span


@dataclass(frozen=True, slots=True)
class Update:
    """Steps of an optimizer on a sum of losses, for some networks; `name` may be empty."""

    name: str
    losses: tuple[ObjectiveLoss, ...]
    networks: tuple[str, ...]
    steps: int
    optimizer: Tree | None
    """Its optimizer, unless the recipe has another; None for the default."""
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

    columns: tuple[str, ...]
    """The columns of the data that the samples depend on."""
    nodes: tuple[Node, ...]
    output: TensorRef
    count: int
    span: Span


@dataclass(frozen=True, slots=True)
class Probe:
    """A classifier on the values of a step, whose accuracy on held-out examples is logged.

    `neighbors` and `temperature` are those of k nearest neighbors.
    """

    method: ProbeMethod
    features: TensorRef
    label: str
    """The column of the labels."""
    neighbors: int
    temperature: float
    span: Span

    @property
    def log_name(self) -> str:
        """The name of its accuracy in the logs."""
        return f"{self.method}_accuracy"


@dataclass(frozen=True, slots=True)
class NetworkResult:
    """The network that predicts after training; `output` is None for all of its outputs."""

    network: str
    output: str | None

    def __str__(self) -> str:
        return self.network if self.output is None else f"{self.network}.{self.output}"


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
    metrics: tuple[ObjectiveMetric, ...]
    copies: tuple[NetworkCopy, ...]
    memories: tuple[Memory, ...]
    sample: SampleGraph | None
    frozen: tuple[str, ...]
    probes: tuple[Probe, ...]
    result: NetworkResult | None
    generates: GeneratedText | None
    """What kind of text `generate` gets from the network; None if it is no language model."""
    span: Span
    use: ObjectiveUse | None
    """The place that names it, if it is in a file."""

    @property
    def trained_refs(self) -> tuple[TensorRef, ...]:
        """The tensors that training computes: losses, metrics and rows of memories."""
        losses = [term.value for update in self.updates for term in update.losses]
        metrics = [each.value for each in self.metrics]
        return (*losses, *metrics, *(each.value for each in self.memories))

    @property
    def used_refs(self) -> tuple[TensorRef, ...]:
        """The tensors that training and probes compute, and the columns of samples."""
        columns = () if self.sample is None else map(TensorRef, self.sample.columns)
        return (*self.trained_refs, *(each.features for each in self.probes), *columns)

    def columns_for(self, refs: Sequence[TensorRef]) -> tuple[tuple[int, ObjectiveColumn], ...]:
        """Return the columns that some tensors need, each with its position among all."""
        used = {each.node for node in self.nodes_for(refs) for each in node.input_refs()}
        used |= {each.node for each in refs}
        return tuple(each for each in enumerate(self.columns) if each[1].name in used)

    def input_columns(
        self, network: str, inputs: Sequence[str]
    ) -> tuple[tuple[int, ObjectiveColumn], ...]:
        """Return the column for each input of a network, with its position among all.

        It is the one that is adapted to the input, or else the one of its name.
        """
        columns = []
        for name in inputs:
            network_input = NetworkInput(network, name)
            positioned = [*enumerate(self.columns)]
            named = [each for each in positioned if each[1].name == name]
            adapted = [each for each in positioned if each[1].network_input == network_input]
            # What a step computes in training, as the noise of a decoder, is read from the data
            # when the network is used alone.
            added = len(self.columns), ObjectiveColumn(name, None, self.span)
            columns.append(next(iter((*adapted, *named)), added))
        return tuple(columns)

    def without_probes(self) -> ObjectiveGraph:
        """Return the objective without its probes and their steps."""
        return replace(self, probes=(), nodes=self.nodes_for(self.trained_refs))

    @property
    def has_state(self) -> bool:
        """Whether it has more than the networks: copies, memories, probes, weights, schedules."""
        layers = registry.load().layers.keys() - _WEIGHTLESS_LAYERS
        weights = [term.weight for update in self.updates for term in update.losses]
        return (
            bool(self.copies or self.memories or self.probes)
            or any(each.operation in layers for each in self.nodes)
            or any(not isinstance(each, float) for each in weights)
        )

    @property
    def updates_by_name(self) -> Mapping[str, Update]:
        """The updates by their names."""
        return {each.name: each for each in self.updates}

    @property
    def max_steps(self) -> int:
        """Number of turns that share a batch: that of the update with the most steps."""
        return max(each.steps for each in self.updates)

    def nodes_for(self, refs: Iterable[TensorRef]) -> tuple[Node, ...]:
        """Return the nodes that some tensors need, in order."""
        return needed_nodes(self.nodes, {each.node for each in refs})


def needed_nodes(nodes: Sequence[Node], names: Iterable[str]) -> tuple[Node, ...]:
    """Return the nodes that some names need, which may be theirs, in order."""
    needed = needed_names(nodes, names)
    return tuple(each for each in nodes if each.name in needed)


def needed_names(nodes: Sequence[Node], names: Iterable[str]) -> set[str]:
    """Return some names, and those of the nodes, columns and memories that they depend on."""
    needed = {*names}
    # Nodes are in topological order: in reverse, whatever needs a node comes before it.
    for node in reversed(nodes):
        if node.name in needed:
            needed.update(each.node for each in node.input_refs())
    return needed


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


def labels_of(node: Node) -> TensorRef:
    """Return what a node that computes a loss has as `y_true`."""
    return _loss_inputs(node)[0]


def predictions_of(node: Node) -> TensorRef:
    """Return what a node that computes a loss has as `y_pred`."""
    return _loss_inputs(node)[1]


def _loss_inputs(node: Node) -> tuple[TensorRef, ...]:
    keywords = dict(node.keywords)
    refs = [keywords[name] for name in ("y_true", "y_pred")] if keywords else node.inputs
    return tuple(each if isinstance(each, TensorRef) else each[0] for each in refs)


def has_automatic_logits(node: Node) -> bool:
    """Return whether a node is a loss that finds out whether its `y_pred` are logits."""
    return node.operation.startswith(LOSS_PREFIX) and node.argument(FROM_LOGITS) == AUTO


def networks_by_name(
    names: Sequence[str], networks: Mapping[str, _Network]
) -> Mapping[str, _Network]:
    """Return networks by the names that an objective has for them.

    An objective of one network takes the only one of a blueprint, whatever its name.
    """
    return (
        {names[0]: next(iter(networks.values()))} if len(names) == len(networks) == 1 else networks
    )
