"""Environments: what is visible where a call or a block is written."""

from __future__ import annotations

from dataclasses import dataclass, field

from archbuilder.compiler.expand.scope import FileScope, Scope
from archbuilder.diagnostics.span import Span
from archbuilder.expressions import OpaqueValue, ShapeLookup
from archbuilder.language.ast import Block, ErrorNode, Sequential, StepCall
from archbuilder.language.deferred_values import DeferredValue, Variables


@dataclass(frozen=True, slots=True, eq=False)
class Environment:
    """What is visible at one place of a file.

    Attributes:
        file: The file, in which blocks and imports are found.
        variables: The parameters and loop variables.
        scope: The scope with the names of steps; None outside of blocks, and where steps are only
            counted.
        enclosing: The blocks whose text is around the place.
        shapes: The shapes that expressions can read there; None where none are known.
    """

    file: FileScope
    variables: Variables = field(repr=False)
    scope: Scope | None = field(default=None, repr=False)
    enclosing: frozenset[Block] = frozenset()
    shapes: ShapeLookup | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class AddedArguments:
    """Arguments of a block that are given where it is used, and the environment there."""

    arguments: DeferredValue
    environment: Environment


# Compared by identity and without a repr: its environment contains the values of parameters.
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BlockValue(OpaqueValue):
    """A block as the value of a parameter, with the environment where it is written.

    Attributes:
        body: A call of a layer or block by its name, a list of steps, or an error node.
        environment: Where `body` is written.
        span: The location of the value.
        added: The arguments that parameters through which it was passed add to the call.
    """

    body: StepCall | Sequential | ErrorNode
    environment: Environment
    span: Span
    added: tuple[AddedArguments, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class BoundCall:
    """A call of a layer or block by its name, with all that determines its arguments.

    `added` are arguments beside those of `call`, if the call is the value of a parameter.
    """

    call: StepCall
    environment: Environment
    added: tuple[AddedArguments, ...] = ()
