"""Shapes of the tensors of a network while it is expanded, from Keras."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import keras

from archbuilder.compiler.ir import GraphInput, Node, Shape, TensorRef
from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.diagnostics.span import Span
from archbuilder.keras_backend.functional import GraphBuilder
from archbuilder.keras_backend.state_scope import run_in_fresh_keras_state


class KerasShapeOracle:
    """The `ShapeOracle` of one network: builds each node once, if a tensor depends on it.

    `nodes` are those of the expansion so far, by name. The expansion adds to them.
    """

    def __init__(
        self, inputs: Sequence[GraphInput], nodes: Mapping[str, Node], diagnostics: Diagnostics
    ) -> None:
        self._builder = GraphBuilder(diagnostics)
        self._inputs = inputs
        self._nodes = nodes
        # The nodes that were built, also those with an error.
        self._visited: set[str] = set()

    def find_shape(self, ref: TensorRef, span: Span) -> Shape | None:
        """Return the shape of a tensor without the batch axis; report an error and return None."""
        if ref.node not in self._visited:
            # As in `build.analyze`: Keras seeds the layers that it creates from this state.
            state = random.getstate()
            try:
                run_in_fresh_keras_state(lambda: self._build(ref.node))
            finally:
                random.setstate(state)
        return self._builder.shape_of(ref, span)

    def _build(self, name: str) -> None:
        """Build a node and the nodes that it depends on, in their order."""
        with keras.StatelessScope(initialize_variables=False):
            if not self._visited:
                for graph_input in self._inputs:
                    self._builder.add_input(graph_input)
                self._visited.update(each.name for each in self._inputs)
            # With a stack, because a chain may be longer than Python's recursion limit.
            pending = [name]
            while pending:
                node = self._nodes.get(pending[-1])
                missing = [] if node is None else self._missing_nodes(node)
                if missing:
                    pending += missing
                    continue
                if node is not None and node.name not in self._visited:
                    self._builder.add_node(node)
                    self._visited.add(node.name)
                pending.pop()

    def _missing_nodes(self, node: Node) -> list[str]:
        """Return the nodes that have to be built before a node."""
        names = [ref.node for ref in node.input_refs()]
        # A layer is created where it is first called.
        names += [] if node.weight_owner is None else [node.weight_owner]
        return [name for name in names if name not in self._visited]
