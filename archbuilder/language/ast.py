"""What one file can say, as frozen dataclasses.

A file is a block with metadata around it; `language.parser` makes these out of a tree. Values
may still hold `$` (see `archbuilder.language.deferred_values`), and names are not resolved yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, Union

from archbuilder.diagnostics.span import Span
from archbuilder.language.deferred_values import DeferredValue
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import Tree


@dataclass(frozen=True, slots=True)
class Param:
    """A declared parameter. `schema` is a JSON Schema of its values, empty for any value."""

    name: str
    schema: Mapping[str, PlainData]
    default: DeferredValue | None
    span: Span

    @property
    def required(self) -> bool:
        """Whether the caller must give it."""
        return self.default is None


@dataclass(frozen=True, slots=True, eq=False)
class StepCall:
    """A layer, a block, an import or a function of `keras.ops` with its arguments."""

    callee: str
    arguments: DeferredValue | None
    span: Span
    """Where the name of the target stands."""


@dataclass(frozen=True, slots=True)
class SharedCall:
    """`use: name`, an earlier step again with the same weights."""

    name: DeferredValue


@dataclass(frozen=True, slots=True)
class Branch:
    """One list of steps that run beside others."""

    name: str | None
    steps: tuple[Step, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Branches:
    """Steps side by side from one input, joined by `merge` where it is given."""

    branches: tuple[Branch, ...]
    merge: StepCall | None


@dataclass(frozen=True, slots=True)
class Sequential:
    """Steps one behind the other (`layers:` within a step)."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class ErrorNode:
    """A step that could not be decoded; the mistake is reported already."""


Body: TypeAlias = Union[StepCall, SharedCall, Branches, Sequential, ErrorNode]


@dataclass(frozen=True, slots=True)
class InputRefs:
    """`from`: the inputs of a step in order, or by name. Each is a name or a list of names."""

    inputs: tuple[DeferredValue, ...]
    keywords: tuple[tuple[str, DeferredValue], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class ForLoop:
    """`for`: variables with their lists, which run side by side."""

    variables: tuple[tuple[str, DeferredValue], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Step:
    """An entry of `layers`: what it does, and what stands beside it."""

    body: Body
    span: Span
    name: DeferredValue | None = None
    input_refs: InputRefs | None = None
    repeat: DeferredValue | None = None
    loop: ForLoop | None = None
    condition: DeferredValue | None = None
    call: DeferredValue | None = None


@dataclass(frozen=True, slots=True)
class InputDeclaration:
    """An input. A block's has a name alone, a network's a shape and perhaps a dtype.

    A network's may have a `condition` too, without which it is not there.
    """

    name: str
    shape: DeferredValue | None
    dtype: DeferredValue | None
    span: Span
    condition: DeferredValue | None = None


@dataclass(frozen=True, slots=True)
class OutputDeclaration:
    """An output and the step that it is."""

    name: str
    ref: DeferredValue


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A reusable piece: parameters, inputs, steps and outputs.

    `outputs` is None where the last step is the output.
    """

    name: str
    params: Mapping[str, Param]
    inputs: tuple[InputDeclaration, ...]
    steps: tuple[Step, ...]
    outputs: tuple[OutputDeclaration, ...] | None
    span: Span


@dataclass(frozen=True, slots=True)
class Import:
    """Another file under a name, with the parameters that it is given."""

    name: str
    file: str
    params: tuple[tuple[str, DeferredValue, Span], ...]
    span: Span
    """Where the path stands."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A named set of parameters."""

    name: str
    values: tuple[tuple[str, Tree, Span], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a file promises of one of its variants; None where it promises nothing.

    `output` is the shape of the output with its batch axis, or a mapping from output names to
    shapes.
    """

    variant: str
    parameters: int | None
    trainable: int | None
    multiply_adds: int | None
    output: Tree | None
    spans: Mapping[str, Span]
    """Where each promise stands."""
    span: Span


@dataclass(frozen=True, slots=True)
class Document:
    """One blueprint file.

    `networks` holds the network of the file, under the file's name, or the several that stand
    under `networks:`; it is empty for a file of blocks.
    """

    name: str
    title: str
    description: str
    references: tuple[str, ...]
    params: Mapping[str, Param]
    imports: Mapping[str, Import]
    blocks: Mapping[str, Block]
    networks: Mapping[str, Block]
    is_single_network: bool
    """Whether there is just the one network that the file itself is."""
    variants: Mapping[str, Variant]
    expectations: Mapping[str, Expectation]
    data: DeferredValue | None
    training: DeferredValue | None
    span: Span
    invalid_names: frozenset[str] = field(default=frozenset())
    """Blocks and imports that could not be decoded, so that using one is no new mistake."""
