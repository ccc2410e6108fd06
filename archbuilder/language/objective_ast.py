"""The syntax tree of an objective: a block over the columns of a batch, and what it minimizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from archbuilder.diagnostics.span import Span
from archbuilder.language.ast import Block
from archbuilder.language.deferred_values import DeferredValue
from archbuilder.language.objective_terms import GeneratedText


@dataclass(frozen=True, slots=True)
class Reference:
    """A name in an objective: of a step, an output of one, or a network."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class ColumnDeclaration:
    """A column of the batch, adapted to an input of a network: `image: denoiser.noisy_image`."""

    name: str
    network_input: Reference | None
    """None for that of the network which reads the column, or for a column as it is."""
    span: Span


@dataclass(frozen=True, slots=True)
class LossDeclaration:
    """A loss under a name, which logs show, and its weight in a sum."""

    name: str
    step: Reference
    weight: DeferredValue | None
    """None for 1."""


@dataclass(frozen=True, slots=True)
class MetricDeclaration:
    """A step whose mean the logs have under a name, or a function of that mean."""

    name: str
    step: Reference
    function: str | None
    """The name of a function of `keras.ops`."""


@dataclass(frozen=True, slots=True)
class UpdateDeclaration:
    """One step of an optimizer on the weighted sum of some losses."""

    name: str
    losses: tuple[LossDeclaration, ...]
    networks: tuple[Reference, ...]
    """The networks that it trains; empty for all that the losses depend on."""
    steps: DeferredValue | None
    optimizer: DeferredValue | None
    """Its optimizer, unless the recipe has another; None for the default."""
    span: Span


@dataclass(frozen=True, slots=True)
class CopyDeclaration:
    """A copy of a network whose weights follow those of the network."""

    name: str
    network: Reference
    momentum: DeferredValue
    span: Span


@dataclass(frozen=True, slots=True)
class MemoryDeclaration:
    """A queue of the rows that a step had in earlier batches."""

    name: str
    step: Reference
    length: DeferredValue
    span: Span


ProbeMethod: TypeAlias = Literal["linear", "knn"]


@dataclass(frozen=True, slots=True)
class ProbeDeclaration:
    """A classifier on the values of a step, which shows how well these predict labels."""

    method: ProbeMethod
    features: Reference
    label: Reference | None
    """The column of the labels; None for the column `label`."""
    when: DeferredValue | None
    """Whether the objective has the probe; None for yes."""
    neighbors: DeferredValue | None
    temperature: DeferredValue | None
    span: Span


@dataclass(frozen=True, slots=True)
class SampleDeclaration:
    """How samples are drawn after training."""

    block: Block
    columns: tuple[Reference, ...]
    """Columns of the objective that the samples depend on."""
    output: Reference | None
    """The step that returns the samples; None for the last one."""
    count: DeferredValue | None
    """The number of samples in the image of each epoch; None for the default."""
    span: Span


@dataclass(frozen=True, slots=True)
class ObjectiveBlock:
    """An objective.

    `block` has its steps. Its columns are in `columns`, which are None if they are
    the inputs of the networks.
    """

    block: Block
    networks: tuple[Reference, ...]
    """The networks that it needs; empty for those of the blueprint."""
    columns: tuple[ColumnDeclaration, ...] | None
    updates: tuple[UpdateDeclaration, ...]
    metrics: tuple[MetricDeclaration, ...]
    copies: tuple[CopyDeclaration, ...]
    memories: tuple[MemoryDeclaration, ...]
    sample: SampleDeclaration | None
    frozen: tuple[Reference, ...]
    """The networks that no update trains, and that are always in evaluation mode."""
    probes: tuple[ProbeDeclaration, ...]
    result: Reference | None
    """The network that predicts after training, or an output of it; None if none is named."""
    generates: GeneratedText | None
    """What kind of text `generate` gets from the network; None if it is no language model."""
    span: Span

    @property
    def blocks(self) -> Iterator[Block]:
        """The steps of training, and those of what is done with the networks then."""
        yield self.block
        if self.sample is not None:
            yield self.sample.block

    def values(self) -> Iterator[DeferredValue]:
        """Yield the numbers of updates, copies, memories, samples and probes."""
        for update in self.updates:
            yield from (each.weight for each in update.losses if each.weight is not None)
            yield from (each for each in (update.steps, update.optimizer) if each is not None)
        yield from (each.momentum for each in self.copies)
        yield from (each.length for each in self.memories)
        if self.sample is not None and self.sample.count is not None:
            yield self.sample.count
        for probe in self.probes:
            values = (probe.when, probe.neighbors, probe.temperature)
            yield from (each for each in values if each is not None)
