"""Layers that call a block on a part of their input, such as `TimeDistributed`.

The block becomes a graph of its own, from which the backend builds one Keras model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from archbuilder.compiler.batch_axis import find_batch_axes
from archbuilder.compiler.check_arguments import check_arguments
from archbuilder.compiler.expand.block_values import evaluate_arguments
from archbuilder.compiler.expand.dead_nodes import remove_dead_nodes
from archbuilder.compiler.expand.environment import BlockValue, BoundCall
from archbuilder.compiler.expand.layer_calls import LayerCalls
from archbuilder.compiler.expand.scope import CallSite, Scope, Symbol
from archbuilder.compiler.expand.shapes import NetworkShapes
from archbuilder.compiler.expand.single_inputs import warn_single_inputs
from archbuilder.compiler.expand.tensors import TensorRefs
from archbuilder.compiler.ir import (
    ADAPT_ARGUMENT,
    WRAPPED_INPUT,
    WRAPPED_OUTPUT,
    Graph,
    GraphInput,
    Node,
    TensorRef,
    WrappedBlock,
)
from archbuilder.diagnostics.errors import ExpansionFrame
from archbuilder.language.ast import Sequential, Step, StepCall
from archbuilder.language.deferred_values import DeferredValue, ValueEvaluator, Variables
from archbuilder.language.modules import LayerCallee, describe_block, resolve_callee
from archbuilder.yaml.nodes import MappingEntry, MappingNode, ScalarNode, Tree


class StepExpander(Protocol):
    """Expands lists of steps, such as those of the blocks that are called."""

    def expand_steps(
        self, steps: tuple[Step, ...], scope: Scope, tensors: TensorRefs, variables: Variables
    ) -> TensorRefs:
        """Expand a chain of steps that starts from `tensors`; return the output of the last one."""

    def evaluator_at(self, scope: Scope, previous: TensorRefs) -> ValueEvaluator:
        """Return the evaluator of a step, which knows the shapes of the steps before it."""


@dataclass(frozen=True, slots=True, eq=False)
class NetworkExpansion:
    """The parts of the expansion of one network."""

    steps: StepExpander
    layers: LayerCalls
    shapes: NetworkShapes
    evaluator: ValueEvaluator


class WrapperExpander:
    """Expands the calls of layers that wrap blocks, in the steps of one network."""

    def __init__(self, network: NetworkExpansion) -> None:
        self._network = network
        self._diagnostics = network.evaluator.diagnostics

    def expand(
        self,
        callee: LayerCallee,
        argument: str,
        bound: BoundCall,
        call_site: CallSite,
        frame: ExpansionFrame | None,
        depth: int,
    ) -> Symbol:
        """Expand the call of a layer whose `argument` is a block, within `depth` blocks."""
        signature = callee.signature
        tracker = self._diagnostics.track_errors()
        evaluated = evaluate_arguments(
            bound, (argument,), signature.bare_argument, self._network.evaluator
        )
        if evaluated is None:
            return self._network.layers.add_node(callee, None, call_site, frame)
        block = evaluated.blocks[argument]
        if block is None or self._is_layer(block):
            wrapped = None
            tree = self._with_layer(evaluated.tree, argument, block)
        else:
            tree = evaluated.tree
            wrapped = self._expand_block(block, argument, call_site, frame, depth)
        arguments = check_arguments(
            signature,
            tree,
            bound.call.span,
            self._diagnostics,
            allow_expressions=False,
            may_lack=() if block is None or self._is_layer(block) else (argument,),
            describe_block=partial(describe_block, bound.environment.file.program),
        )
        valid_arguments = None if tracker.has_errors() else arguments
        return self._network.layers.add_node(callee, valid_arguments, call_site, frame, wrapped)

    def _is_layer(self, block: BlockValue) -> bool:
        """Return whether a block is a layer alone, which Keras wraps without a model around it."""
        if not isinstance(block.body, StepCall):
            return False
        callee = resolve_callee(block.environment.file.program, block.body.callee)
        return isinstance(callee, LayerCallee)

    def _with_layer(
        self, tree: Tree | None, argument: str, block: BlockValue | None
    ) -> Tree | None:
        """Return the arguments of a wrapper with a layer that a parameter holds."""
        if block is None or not isinstance(block.body, StepCall):
            return tree
        call = block.body
        callee = resolve_callee(block.environment.file.program, call.callee)
        first = callee.signature.bare_argument if isinstance(callee, LayerCallee) else None
        inner = evaluate_arguments(
            BoundCall(call, block.environment, block.added), (), first, self._network.evaluator
        )
        value = inner.tree if inner is not None else None
        layer = MappingEntry(call.callee, value or ScalarNode(None, call.span), call.span)
        entry = MappingEntry(argument, MappingNode((layer,), call.span), call.span)
        others = tree.entries if isinstance(tree, MappingNode) else ()
        return MappingNode((*others, entry), call.span)

    def _expand_block(
        self,
        block: BlockValue,
        argument: str,
        call_site: CallSite,
        frame: ExpansionFrame | None,
        depth: int,
    ) -> WrappedBlock | None:
        """Expand a block into a graph of its own; return None after an error.

        A further use of a layer with the same weights has no graph.
        """
        if call_site.weight_owner is not None:
            return None
        name = f"{call_site.path}.{argument}"
        tracker = self._diagnostics.track_errors()
        is_readable, self._network.shapes.is_readable = self._network.shapes.is_readable, False
        with self._network.layers.separate_nodes() as nodes:
            outputs = self._expand_steps(block, argument, call_site, frame, depth)
        self._network.shapes.is_readable = is_readable
        if outputs.has_error or tracker.has_errors():
            return None
        if len(outputs.refs) != 1:
            self._diagnostics.error(
                "invalid-structure",
                f"a wrapped block needs one output, not {len(outputs.refs)}",
                block.span,
            )
            return None
        if not self._check_nodes(nodes, f"{name}.{WRAPPED_INPUT}"):
            return None
        graph = Graph(
            name,
            (GraphInput(f"{name}.{WRAPPED_INPUT}", (), "float32", block.span),),
            tuple(nodes.values()),
            ((WRAPPED_OUTPUT, outputs.refs[0]),),
            block.span,
        )
        live = remove_dead_nodes(graph, self._diagnostics)
        warn_single_inputs(live, self._diagnostics)
        live.check()
        if outputs.refs[0].node in find_batch_axes(live).unbatched:
            self._diagnostics.error(
                "missing-batch-axis",
                "the output of a wrapped block has no batch axis: it does not depend on its input",
                block.span,
            )
            return None
        return WrappedBlock(argument, live)

    def _expand_steps(
        self,
        block: BlockValue,
        argument: str,
        call_site: CallSite,
        frame: ExpansionFrame | None,
        depth: int,
    ) -> TensorRefs:
        environment = block.environment
        scope = Scope(
            file=environment.file,
            path=f"{call_site.path}.",
            weight_owner_prefix=None,
            frame=frame,
            depth=depth + 1,
            enclosing=environment.enclosing,
        )
        # The steps around the layer have other tensors than the block, so it cannot name them.
        block_input = TensorRefs((TensorRef(f"{call_site.path}.{argument}.{WRAPPED_INPUT}"),))
        scope.symbols[WRAPPED_INPUT] = Symbol(block_input, block.span)
        if isinstance(block.body, Sequential):
            scope.path += f"{argument}."
            scope.frame = ExpansionFrame("block", argument, call_site.span, frame)
            with self._diagnostics.within(scope.frame):
                return self._network.steps.expand_steps(
                    block.body.steps, scope, block_input, environment.variables
                )
        step = Step(
            StepCall(f"${argument}", None, call_site.span),
            call_site.span,
            name=DeferredValue(ScalarNode(argument, call_site.span), {}),
        )
        return self._network.steps.expand_steps((step,), scope, block_input, {argument: block})

    def _check_nodes(self, nodes: Mapping[str, Node], block_input: str) -> bool:
        """Check that the nodes of a wrapped block depend only on each other and on its input."""
        tracker = self._diagnostics.track_errors()
        for node in nodes.values():
            outside = [
                ref
                for ref in node.input_refs()
                if ref.node != block_input and ref.node not in nodes
            ]
            if node.weight_owner is not None and node.weight_owner not in nodes:
                outside.append(TensorRef(node.weight_owner))
            with self._diagnostics.within(node.frame):
                if outside:
                    self._diagnostics.error(
                        "unknown-name",
                        f"a wrapped block cannot use the step '{outside[0]}' outside of it",
                        node.span,
                    )
                if node.is_unadapted:
                    message = (
                        f"'{ADAPT_ARGUMENT}' is for steps of a network, not for wrapped blocks"
                    )
                    self._diagnostics.error("unsupported-argument", message, node.span)
        return not tracker.has_errors()
