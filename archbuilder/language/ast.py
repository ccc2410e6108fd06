"""The syntax tree of one file, as frozen dataclasses.

A file is a block with metadata; `archbuilder.language.parser` builds this tree from YAML nodes.
Values may still contain `$` expressions (see `archbuilder.language.deferred_values`), and names
are not resolved yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, Union

from archbuilder.diagnostics.span import Span
from archbuilder.language.deferred_values import DeferredValue
from archbuilder.language.formulas import Formula
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import Tree

_PARAMETER_CALLEE: Final = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)", re.ASCII)

SizeQuantity: TypeAlias = Literal["vocabulary_size", "classes", "size"]
"""The number of tokens or categories with index 0, of classes, or of values of an example."""


@dataclass(frozen=True, slots=True)
class DataSize:
    """A number that the data of a run has: a quantity of an input or a target."""

    column: str
    """The name of the input or the output; empty for the only one that has the quantity."""
    quantity: SizeQuantity
    span: Span

    def __str__(self) -> str:
        return f"{self.column}.{self.quantity}" if self.column else self.quantity


@dataclass(frozen=True, slots=True)
class Param:
    """A declared parameter. `schema` is the JSON Schema of its values; empty accepts any value.

    With `is_block` (`type: block`), the values are blocks, and `default_block` is the default.
    """

    name: str
    schema: Mapping[str, PlainData]
    default: DeferredValue | None
    span: Span
    description: str = ""
    from_data: DataSize | None = None
    """The number in the data that training sets it to; None for a parameter without one."""
    is_block: bool = False
    default_block: BlockArgument | None = None

    @property
    def required(self) -> bool:
        """Whether the caller must pass a value."""
        return self.default is None


# Compared by identity: two calls with equal fields are still two calls, and comparing or hashing
# by value would walk their whole argument trees.
@dataclass(frozen=True, slots=True, eq=False)
class StepCall:
    """A call of a layer, a block, an import or a function of `keras.ops`, with its arguments.

    The callee `$name` is the block that the parameter `name` holds.
    """

    callee: str
    arguments: DeferredValue | None
    span: Span
    """Location of the callee's name."""

    @property
    def parameter(self) -> str | None:
        """The parameter whose block is called; None if the callee is the name of one."""
        match = _PARAMETER_CALLEE.fullmatch(self.callee)
        return None if match is None else match[1]


@dataclass(frozen=True, slots=True)
class SharedCall:
    """`reuse: name`: another call of an earlier step, with the same weights."""

    name: DeferredValue


@dataclass(frozen=True, slots=True)
class Branch:
    """One list of steps of `branches`; `name` is None where the branches are a list."""

    name: str | None
    steps: tuple[Step, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Branches:
    """Parallel lists of steps that read the same input, joined by `merge` unless it is None."""

    branches: tuple[Branch, ...]
    merge: StepCall | None


@dataclass(frozen=True, slots=True)
class Sequential:
    """A chain of steps (`layers:` within a step)."""

    steps: tuple[Step, ...]


# Compared by identity, as a call.
@dataclass(frozen=True, slots=True, eq=False)
class BlockArgument:
    """A block as the value of a parameter: a call without its inputs, or a list of steps.

    `body` is None for null, which is no block.
    """

    body: StepCall | Sequential | ErrorNode | None
    span: Span


@dataclass(frozen=True, slots=True)
class ErrorNode:
    """A placeholder for a step that could not be decoded and whose error is already reported.

    It keeps the list of steps complete, so that later stages check the steps around it.
    """


Body: TypeAlias = Union[StepCall, SharedCall, Branches, Sequential, Formula, ErrorNode]


@dataclass(frozen=True, slots=True)
class InputRefs:
    """`from`: the inputs of a step, positional or by name. Each is a name or a list of names."""

    inputs: tuple[DeferredValue, ...]
    keywords: tuple[tuple[str, DeferredValue], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class ForLoop:
    """`for`: loop variables with their lists, which are iterated in parallel, as by `zip`.

    `index` is the variable that counts the iterations from 0.
    """

    variables: tuple[tuple[str, DeferredValue], ...]
    index: str
    span: Span


@dataclass(frozen=True, slots=True)
class Repeat:
    """`repeat`: the number of iterations, and the variable that counts them from 0."""

    times: DeferredValue
    index: str


@dataclass(frozen=True, slots=True)
class Step:
    """An entry of `layers`: a body and its modifiers.

    The modifiers are `name`, `from` (`input_refs`), `repeat`, `for` (`loop`), `when`
    (`condition`), `else` (`alternative`) and `call` (constants of the layer's call); each is None
    where it is left out.
    """

    body: Body
    span: Span
    name: DeferredValue | None = None
    input_refs: InputRefs | None = None
    repeat: Repeat | None = None
    loop: ForLoop | None = None
    condition: DeferredValue | None = None
    alternative: Sequential | None = None
    call_constants: DeferredValue | None = None

    @property
    def from_span(self) -> Span | None:
        """The location of `from`; None if it is left out."""
        return None if self.input_refs is None else self.input_refs.span


def inner_steps(step: Step) -> tuple[Step, ...]:
    """Return the steps within a step, also those of its `else`, which belong to its scope."""
    alternative = () if step.alternative is None else step.alternative.steps
    return steps_of(step.body) + alternative


def steps_of(body: Body) -> tuple[Step, ...]:
    """Return the steps within a body, which belong to the scope of the step around them."""
    if isinstance(body, Sequential):
        return body.steps
    if isinstance(body, Branches):
        return tuple(step for branch in body.branches for step in branch.steps)
    return ()


def call_of(step: Step) -> StepCall | None:
    """Return the call of a layer or block in a step: its body, or the `merge` of its branches."""
    if isinstance(step.body, StepCall):
        return step.body
    return step.body.merge if isinstance(step.body, Branches) else None


@dataclass(frozen=True, slots=True)
class InputDeclaration:
    """An input of a block or a network.

    The input of a block has only a name. That of a network has a shape, and optionally a dtype
    and a `condition` (`when`): the input exists only if the condition is true.
    """

    name: str
    shape: DeferredValue | None
    dtype: DeferredValue | None
    span: Span
    condition: DeferredValue | None = None


@dataclass(frozen=True, slots=True)
class OutputDeclaration:
    """The name of an output and a reference to the step that computes it."""

    name: str
    ref: DeferredValue


# Compared by identity: the expander looks for a block among the active ones at every call, which
# by value would compare all of its steps.
@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A reusable part of a network: parameters, inputs, steps and outputs.

    `outputs` is None if the last step is the output.
    """

    name: str
    params: Mapping[str, Param]
    inputs: tuple[InputDeclaration, ...]
    steps: tuple[Step, ...]
    outputs: tuple[OutputDeclaration, ...] | None
    span: Span


@dataclass(frozen=True, slots=True)
class Import:
    """Another file under a name, with values for its parameters."""

    name: str
    file: str
    params: tuple[tuple[str, DeferredValue, Span], ...]
    span: Span
    """Location of the path."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A named set of parameter values."""

    name: str
    values: tuple[tuple[str, Tree, Span], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Expectation:
    """The expected properties of one variant (`expect`); those left out are None.

    `parameters` and `trainable` count weights, and `multiply_adds` counts those of one example.
    `output` is the shape of the output with its batch axis, or a mapping from output names to
    such shapes.
    """

    variant: str
    parameters: int | None
    trainable: int | None
    multiply_adds: int | None
    output: Tree | None
    spans: Mapping[str, Span]
    """Location of each expected value, by its key."""
    span: Span
