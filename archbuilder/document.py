"""What one file can say, as frozen dataclasses.

A file is a block with metadata around it; `archbuilder.decode` makes these out of a tree. Values
may still hold `$` (see `archbuilder.values`), and names are not resolved yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, Union

from archbuilder.tree import Plain, Span, Tree
from archbuilder.values import Value


@dataclass(frozen=True, slots=True)
class Param:
    """A declared parameter. `schema` is a JSON Schema of its values, empty for any value."""

    name: str
    schema: Mapping[str, Plain]
    default: Value | None
    span: Span

    @property
    def required(self) -> bool:
        """Whether the caller must give it."""
        return self.default is None


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A layer, a block, an import or a function of `keras.ops` with its arguments."""

    target: str
    arguments: Value | None
    span: Span
    """Where the name of the target stands."""


@dataclass(frozen=True, slots=True)
class Reuse:
    """`use: name`, an earlier step again with the same weights."""

    name: Value


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
    merge: Call | None


@dataclass(frozen=True, slots=True)
class Group:
    """Steps one behind the other (`layers:` within a step)."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """A step that could not be decoded; the mistake is reported already."""


Body: TypeAlias = Union[Call, Reuse, Branches, Group, Broken]


@dataclass(frozen=True, slots=True)
class Sources:
    """`from`: the inputs of a step in order, or by name. Each is a name or a list of names."""

    inputs: tuple[Value, ...]
    keywords: tuple[tuple[str, Value], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Loop:
    """`for`: variables with their lists, which run side by side."""

    variables: tuple[tuple[str, Value], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Step:
    """An entry of `layers`: what it does, and what stands beside it."""

    body: Body
    span: Span
    name: Value | None = None
    sources: Sources | None = None
    repeat: Value | None = None
    loop: Loop | None = None
    condition: Value | None = None
    call: Value | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """An input. A block's has a name alone, a network's a shape and perhaps a dtype.

    A network's may have a `condition` too, without which it is not there.
    """

    name: str
    shape: Value | None
    dtype: Value | None
    span: Span
    condition: Value | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """An output and the step that it is."""

    name: str
    target: Value


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A reusable piece: parameters, inputs, steps and outputs.

    `outputs` is None where the last step is the output.
    """

    name: str
    params: Mapping[str, Param]
    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Output, ...] | None
    span: Span


@dataclass(frozen=True, slots=True)
class Import:
    """Another file under a name, with the parameters that it is given."""

    name: str
    file: str
    params: tuple[tuple[str, Value, Span], ...]
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
    single: bool
    """Whether there is just the one network that the file itself is."""
    variants: Mapping[str, Variant]
    expectations: Mapping[str, Expectation]
    data: Value | None
    training: Value | None
    span: Span
    broken_names: frozenset[str] = field(default=frozenset())
    """Blocks and imports that could not be decoded, so that using one is no new mistake."""
