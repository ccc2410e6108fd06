"""Shapes that expressions read during the expansion: `shape(x)` and `channels(x)`.

Only Keras knows them. The expansion asks a `ShapeOracle`, which builds the nodes that a tensor
depends on. Without one, as in a check without Keras, these values are unknown: what they decide is
left out, and no graph results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from archbuilder.compiler.expand.blocks import bind_block_inputs
from archbuilder.compiler.expand.environment import BoundCall
from archbuilder.compiler.expand.scope import CallSite, Scope
from archbuilder.compiler.expand.tensors import TensorRefs
from archbuilder.compiler.ir import GraphInput, Node, Shape, TensorRef
from archbuilder.compiler.visible_names import report_unreadable_shape
from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.diagnostics.span import Span
from archbuilder.language.deferred_values import ValueEvaluator
from archbuilder.language.modules import BlockCallee
from archbuilder.plain_data import UNKNOWN, UnknownValue


class ShapeOracle(Protocol):
    """Computes the shapes of the tensors of one network while it is expanded."""

    def find_shape(self, ref: TensorRef, span: Span) -> Shape | None:
        """Return the shape of a tensor without the batch axis; report an error and return None.

        `span` is the location of the reference. An error in a node has that of the node.
        """


OracleFactory: TypeAlias = Callable[
    [Sequence[GraphInput], Mapping[str, Node], Diagnostics], ShapeOracle
]
"""Makes the oracle of a network from its inputs and its nodes, of which there will be more."""


class NetworkShapes:
    """The shapes of one network; its oracle is made when the first one is asked for.

    Attributes:
        is_readable: Whether shapes can be read: not within a block that a layer wraps, whose input
            has a shape only when the layer is built.
    """

    def __init__(
        self,
        make_oracle: OracleFactory | None,
        inputs: Sequence[GraphInput],
        nodes: Mapping[str, Node],
        diagnostics: Diagnostics,
    ) -> None:
        self.is_readable = True
        self._make_oracle = make_oracle
        self._inputs = inputs
        self._nodes = nodes
        self._diagnostics = diagnostics
        self._oracle: ShapeOracle | None = None

    def find_shape(self, name: str, tensors: TensorRefs, span: Span) -> Shape | UnknownValue:
        """Return the shape of a tensor of this name; it is unknown after an error."""
        shape = None
        if not self.is_readable:
            report_unreadable_shape(span, self._diagnostics)
        elif len(tensors.refs) > 1:
            first = f"{name}.{tensors.names[0] if tensors.names else 0}"
            self._diagnostics.error(
                "unknown-output",
                f"'{name}' has {len(tensors.refs)} outputs; select one",
                span,
                notes=(f"for example: {first}",),
            )
        elif not tensors.has_error and self._make_oracle is not None:
            if self._oracle is None:
                self._oracle = self._make_oracle(self._inputs, self._nodes, self._diagnostics)
            shape = self._oracle.find_shape(tensors.refs[0], span)
        return UNKNOWN if shape is None else shape


@dataclass(frozen=True, slots=True)
class ScopeShapes:
    """The shapes of the steps and inputs that are in scope before a step."""

    scope: Scope
    previous: TensorRefs
    network: NetworkShapes
    diagnostics: Diagnostics

    def find_shape(self, name: str, span: Span) -> Shape | UnknownValue:
        """Return the shape of a tensor by its name; report an unknown name."""
        tensors = self.scope.resolve(name, self.previous, span, self.diagnostics)
        return self.network.find_shape(name, tensors, span)


@dataclass(frozen=True, slots=True)
class UnreadableShapes:
    """The shapes at a place where none are known, such as in the parameters of a file."""

    diagnostics: Diagnostics

    def find_shape(self, name: str, span: Span) -> Shape | UnknownValue:  # noqa: ARG002
        """Report that the shape cannot be read."""
        report_unreadable_shape(span, self.diagnostics)
        return UNKNOWN


class InputShapes:
    """The shapes of the inputs of a block, which defaults of its parameters can read.

    The inputs are bound when the first shape is asked for.
    """

    def __init__(
        self,
        callee: BlockCallee,
        bound: BoundCall,
        call_site: CallSite,
        network: NetworkShapes,
        evaluator: ValueEvaluator,
    ) -> None:
        self._callee = callee
        self._bound = bound
        self._call_site = call_site
        self._network = network
        self._evaluator = evaluator
        self._shapes: ScopeShapes | None = None

    def find_shape(self, name: str, span: Span) -> Shape | UnknownValue:
        """Return the shape of an input by its name; report an unknown name."""
        if self._shapes is None:
            # Not the scope in which the block is expanded, which needs the values of parameters.
            file, path = self._bound.environment.file, self._call_site.path
            scope = Scope(file, path, None, None, depth=0)
            first = bind_block_inputs(
                self._callee, self._bound.call, self._call_site, scope, {}, self._evaluator
            )
            diagnostics = self._evaluator.diagnostics
            self._shapes = ScopeShapes(scope, first, self._network, diagnostics)
        return self._shapes.find_shape(name, span)
