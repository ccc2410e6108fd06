"""Calls of layers and functions of `keras.ops`, which become the nodes of a graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from archbuilder.compiler.check_arguments import check_arguments, check_call_constants
from archbuilder.compiler.constants import CONSTANT, constant_size, open_constant_file
from archbuilder.compiler.expand.block_values import evaluate_arguments
from archbuilder.compiler.expand.environment import BoundCall
from archbuilder.compiler.expand.inputs import check_inputs
from archbuilder.compiler.expand.scope import CallSite, Symbol
from archbuilder.compiler.expand.tensors import ERROR_REFS, NO_INPUTS, TensorRefs
from archbuilder.compiler.ir import Argument, Node, TensorRef, WrappedBlock
from archbuilder.diagnostics.errors import BlueprintError, ExpansionFrame
from archbuilder.diagnostics.span import Span
from archbuilder.language.deferred_values import ValueEvaluator
from archbuilder.language.modules import LayerCallee, describe_block
from archbuilder.language.objective_operations import NETWORK_ORIGIN
from archbuilder.registry.signatures import Signature


class LayerCalls:
    """The calls of layers in one network, with the node of each in `nodes`, by its path."""

    def __init__(self, evaluator: ValueEvaluator, unbatched: Iterable[str] = ()) -> None:
        self.nodes: dict[str, Node] = {}
        # Tensors whose first axis is like the others: they depend on no input of the network, see
        # `compiler.batch_axis`.
        self.unbatched: set[str] = {*unbatched}
        self._evaluator = evaluator
        self._diagnostics = evaluator.diagnostics
        self._constant_values = 0
        # By the id of the call, which stays unique because the document keeps its calls alive.
        # Arguments without expressions are the same in all iterations, and are checked once.
        self._constant_arguments: dict[int, tuple[Argument, ...]] = {}

    def add(
        self,
        callee: LayerCallee,
        bound: BoundCall,
        call_site: CallSite,
        frame: ExpansionFrame | None,
    ) -> Symbol:
        """Add the node of a call; return its output and a function that calls the layer again.

        After an error the output is `ERROR_REFS`.
        """
        arguments = self._evaluate_arguments(callee.signature, bound)
        return self.add_node(callee, arguments, call_site, frame)

    @contextmanager
    def separate_nodes(self) -> Iterator[dict[str, Node]]:
        """Collect the nodes that are added within this context in a graph of their own."""
        outer, self.nodes = self.nodes, {}
        try:
            yield self.nodes
        finally:
            self.nodes = outer

    def add_node(
        self,
        callee: LayerCallee,
        arguments: tuple[Argument, ...] | None,
        call_site: CallSite,
        frame: ExpansionFrame | None,
        wrapped: WrappedBlock | None = None,
    ) -> Symbol:
        """Add the node of a call with these arguments, which are None after an error.

        Returns its output and a function that calls the layer again.
        """
        owner = call_site.path
        if call_site.weight_owner is not None:
            # In a block that is used again, the node of the first use may itself share weights.
            # Resolve to the node that holds the weights; owners never chain.
            first_use = self.nodes.get(call_site.weight_owner)
            owner = (
                call_site.weight_owner
                if first_use is None or first_use.weight_owner is None
                else first_use.weight_owner
            )

        def emit(site: CallSite, wrapped: WrappedBlock | None = None) -> TensorRefs:
            outputs = self.emit(callee.signature, arguments, site, frame, wrapped)
            return outputs.named(callee.outputs) if callee.outputs else outputs

        # `reuse` calls the layer with the arguments of its first call.
        def reuse(reuse_site: CallSite) -> TensorRefs:
            return emit(replace(reuse_site, weight_owner=owner))

        first_site = (
            call_site if call_site.weight_owner is None else replace(call_site, weight_owner=owner)
        )
        return Symbol(emit(first_site, wrapped), call_site.span, reuse)

    def emit(
        self,
        signature: Signature,
        arguments: tuple[Argument, ...] | None,
        call_site: CallSite,
        frame: ExpansionFrame | None,
        wrapped: WrappedBlock | None = None,
    ) -> TensorRefs:
        """Add a node to the graph and return its output; return `ERROR_REFS` after an error."""
        takes_previous = bool(signature.tensor_arguments) and not signature.is_source
        if not takes_previous and call_site.inputs_span is None:
            # The preceding step is the input of every other step without `from`.
            call_site = replace(call_site, inputs=NO_INPUTS)
        if signature.origin == NETWORK_ORIGIN:
            inputs = call_site.inputs.for_network(signature.tensor_arguments)
            call_site = replace(call_site, inputs=inputs)
        tracker = self._diagnostics.track_errors()
        constants: tuple[Argument, ...] | None = ()
        if call_site.call_constants is not None:
            tree = call_site.evaluator.evaluate(call_site.call_constants, call_site.variables)
            constants = (
                None
                if tree is None
                else check_call_constants(
                    signature, tree, self._diagnostics, allow_expressions=False
                )
            )
        has_valid_inputs = check_inputs(signature, arguments, call_site, self._diagnostics)
        if arguments is None or call_site.inputs.has_error or not has_valid_inputs:
            return ERROR_REFS
        if call_site.path in self.nodes:
            # A name with dots, as the command `expand` writes it, may equal the path of a step in
            # a block: 'encoder.conv'. Names without dots are unique, see `step_names`.
            self._diagnostics.error(
                "duplicate-name",
                f"an earlier step has the name '{call_site.path}', at"
                f" {self.nodes[call_site.path].span}",
                call_site.span,
            )
        if constants is None or tracker.has_errors():
            return ERROR_REFS
        if signature.name == CONSTANT:
            self._count_constant(arguments, call_site.span)
        node = Node(
            name=call_site.path,
            operation=signature.name,
            arguments=arguments,
            inputs=call_site.inputs.positional.refs,
            keywords=call_site.inputs.keyword_refs(),
            call_constants=constants,
            weight_owner=call_site.weight_owner,
            span=call_site.span,
            frame=frame,
            wrapped=wrapped,
        )
        self.nodes[node.name] = node
        if all(ref.node in self.unbatched for ref in node.input_refs()):
            self.unbatched.add(node.name)
        return TensorRefs((TensorRef(node.name),))

    def _count_constant(self, arguments: tuple[Argument, ...], span: Span) -> None:
        """Count the values of a `Constant`, and stop if a network has too many.

        Raises:
            BlueprintError: if there are more than the limits allow.
        """
        self._constant_values += constant_size(arguments)
        limit = self._evaluator.limits.constant_values
        if self._constant_values > limit:
            message = f"the constants of a network have more than {limit:,} values"
            self._diagnostics.limit_error("constant_values", message, span)
            raise BlueprintError(self._diagnostics)

    def _evaluate_arguments(
        self, signature: Signature, bound: BoundCall
    ) -> tuple[Argument, ...] | None:
        """Evaluate and check the arguments of a layer; return None after an error."""
        call = bound.call
        cached_arguments = None if bound.added else self._constant_arguments.get(id(call))
        if cached_arguments is not None:
            return cached_arguments
        tracker = self._diagnostics.track_errors()
        evaluated = evaluate_arguments(bound, (), signature.bare_argument, self._evaluator)
        if evaluated is None:
            return None
        arguments = check_arguments(
            signature,
            evaluated.tree,
            call.span,
            self._diagnostics,
            allow_expressions=False,
            describe_block=partial(describe_block, bound.environment.file.program),
        )
        if signature.name == CONSTANT and not tracker.has_errors():
            arguments = open_constant_file(
                arguments, bound.environment.file.program, self._diagnostics
            )
        if tracker.has_errors():
            return None
        if not bound.added and (call.arguments is None or call.arguments.is_constant):
            self._constant_arguments[id(call)] = arguments
        return arguments
