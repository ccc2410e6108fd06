"""Expansion of objectives: their steps, and what these minimize."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from archbuilder.compiler.check_arguments import check_object
from archbuilder.compiler.expand.dead_nodes import eliminate_dead_nodes
from archbuilder.compiler.expand.lowering import Expander
from archbuilder.compiler.expand.objective_checks import (
    check_constants,
    check_gradients,
    check_log_names,
    check_memories,
    check_network_names,
    check_views,
    check_wrapped_blocks,
)
from archbuilder.compiler.expand.scope import FileScope, Scope, Symbol
from archbuilder.compiler.expand.size_limit import check_step_count
from archbuilder.compiler.expand.tensors import ERROR_REFS, TensorRefs
from archbuilder.compiler.ir import Argument, Graph, Node, TensorRef
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.compiler.objective_ir import (
    Memory,
    NetworkCopy,
    NetworkInput,
    ObjectiveColumn,
    ObjectiveGraph,
    ObjectiveLoss,
    ScheduledNumber,
    Update,
    needed_nodes,
    networks_by_name,
)
from archbuilder.compiler.relative_steps import check_boundaries
from archbuilder.compiler.value_check import check_value
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.language.deferred_values import DeferredValue, ValueEvaluator
from archbuilder.language.objective_ast import LossDeclaration, ObjectiveBlock, Reference
from archbuilder.language.objective_operations import (
    INPUT_OF,
    RANDOM_OPERATIONS,
    objective_callees,
)
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import MappingNode, from_plain, to_plain

_MAX_STEPS: Final = 100
_MAX_MEMORY: Final = 10_000_000
OWN_LAYERS: Final = "objective"
"""The name under which an update trains the layers of the objective itself."""


@dataclass(frozen=True, slots=True, eq=False)
class ObjectiveScope:
    """An objective, and its file with the values of the parameters."""

    declared: ObjectiveBlock
    file: FileScope


def expand_objective(
    objective: ObjectiveScope, graphs: Mapping[str, Graph], evaluator: ValueEvaluator
) -> ObjectiveGraph | None:
    """Expand an objective for some networks; report errors and return None.

    Raises:
        BlueprintError: if it has more steps than the limits allow, or too many errors.
    """
    expansion = _ObjectiveExpansion(objective, graphs, evaluator)
    graph = expansion.run()
    return None if expansion.has_errors else graph


class _ObjectiveExpansion:
    """The expansion of one objective."""

    def __init__(
        self,
        objective: ObjectiveScope,
        graphs: Mapping[str, Graph],
        evaluator: ValueEvaluator,
    ) -> None:
        self._declared = declared = objective.declared
        names = [each.name for each in declared.networks]
        self._graphs = networks_by_name(names, graphs)
        self._copies = {
            each.name: self._graphs[each.network.name]
            for each in declared.copies
            if each.network.name in self._graphs
        }
        interfaces = {
            name: ([each.name for each in graph.inputs], [each for each, _ in graph.outputs])
            for name, graph in {**self._graphs, **self._copies}.items()
        }
        program = replace(objective.file.program, callees=objective_callees(interfaces))
        self._file = replace(objective.file, program=program)
        self._variables = objective.file.variables
        self._evaluator = evaluator
        self._diagnostics: Diagnostics = evaluator.diagnostics
        self._tracker = evaluator.diagnostics.track_errors()

    def run(self) -> ObjectiveGraph | None:
        """Expand the objective; return None after an error."""
        declared = self._declared
        file = self._file
        scope = Scope(file=file, path="", weight_owner_prefix=None, frame=None, depth=0)
        self._check_networks()
        columns = self._columns()
        names = [(each.name, each.span) for each in columns]
        names += [(each.name, each.span) for each in declared.memories]
        for name, span in names:
            scope.symbols[name] = Symbol(TensorRefs((TensorRef(name),)), span)
        check_step_count(declared.block, file, self._variables, self._evaluator)
        # Steps may compute along the axis of the batch: `mean(z, axis=0)`.
        expander = Expander(self._evaluator, (), None, unbatched=[name for name, _ in names])
        first = TensorRefs((TensorRef(columns[0].name),)) if columns else TensorRefs(())
        expander.expand_steps(declared.block.steps, scope, first, self._variables)
        metrics = [
            (name, ref)
            for name, reference in declared.metrics
            for ref in self._resolve(reference, scope)
        ]
        memories = [
            Memory(each.name, ref, length, each.span)
            for each in declared.memories
            for ref in self._resolve(each.step, scope)
            for length in self._integer(each.length, "the length of a memory", _MAX_MEMORY)
        ]
        updates = self._updates(scope, expander.nodes)
        check_gradients(expander.nodes, self._diagnostics)
        check_views(expander.nodes, [each.name for each in columns], self._diagnostics)
        check_memories(memories, expander.nodes, self._diagnostics)
        check_constants(expander.nodes, self._diagnostics)
        metric_spans = [(name, reference.span) for name, reference in declared.metrics]
        check_log_names(updates, metric_spans, self._diagnostics)
        check_wrapped_blocks(expander.nodes, self._diagnostics)
        if expander.shapes.has_unknown and not self._tracker.has_errors():
            self._diagnostics.error(
                "invalid-choice",
                "the steps of an objective cannot read shapes, which are known when they run",
                declared.span,
            )
        if self._tracker.has_errors():
            return None
        self._warn_of_unused_networks(expander.nodes)
        outputs = [
            *(term.value for update in updates for term in update.losses),
            *(ref for _, ref in metrics),
            *(each.value for each in memories),
        ]
        nodes = eliminate_dead_nodes(
            expander.nodes, {each.node for each in outputs}, self._diagnostics
        )
        return ObjectiveGraph(
            declared.block.name,
            tuple(each.name for each in declared.networks),
            tuple(columns),
            tuple(map(self._with_shape, nodes)),
            tuple(updates),
            tuple(metrics),
            tuple(self._network_copies()),
            tuple(memories),
            declared.span,
        )

    @property
    def has_errors(self) -> bool:
        """Whether an error was reported."""
        return self._tracker.has_errors()

    def _warn_of_unused_networks(self, nodes: tuple[Node, ...]) -> None:
        used = {node.operation for node in nodes}
        used |= {copy.network.name for copy in self._declared.copies}
        for name, graph in self._graphs.items():
            if name not in used:
                self._diagnostics.warning(
                    "unused-step", f"the objective does not use the network '{name}'", graph.span
                )

    def _check_networks(self) -> None:
        """Report references to networks that the blueprint does not have."""
        declared = self._declared
        taken = {*self._graphs, *(each.name for each in declared.columns or ())}
        for name, span in (
            *((each.name, each.span) for each in declared.copies),
            *((each.name, each.span) for each in declared.memories),
        ):
            if name in taken:
                message = f"'{name}' is also a network, a column, a copy or a memory"
                self._diagnostics.error("duplicate-name", message, span)
            taken.add(name)
        copied = [each.network for each in declared.copies]
        check_network_names(copied, self._graphs, self._diagnostics)
        for update in declared.updates:
            check_network_names(update.networks, [*self._graphs, OWN_LAYERS], self._diagnostics)

    def _columns(self) -> list[ObjectiveColumn]:
        """Return the columns: those declared, or else the inputs of the networks."""
        if self._declared.columns is None:
            inputs = {
                each.name: (NetworkInput(name, each.name), each.span)
                for name, graph in reversed([*self._graphs.items()])
                for each in reversed(graph.inputs)
            }
            # An input that a step computes is not a column: `{decoder: , from: code}`.
            steps = {
                to_plain(each.name.tree)
                for each in self._declared.block.steps
                if each.name is not None
            }
            return [
                ObjectiveColumn(name, network_input, span)
                for name, (network_input, span) in reversed([*inputs.items()])
                if name not in steps
            ]
        return [
            ObjectiveColumn(
                each.name,
                None if each.network_input is None else self._network_input(each.network_input),
                each.span,
            )
            for each in self._declared.columns
        ]

    def _network_input(self, reference: Reference) -> NetworkInput | None:
        """Resolve `generator`, or `generator.noise` of several; report an error and return None."""
        name, dot, input_name = reference.name.partition(".")
        graph = self._graphs.get(name)
        if graph is None:
            check_network_names([Reference(name, reference.span)], self._graphs, self._diagnostics)
            return None
        names = [each.name for each in graph.inputs]
        if dot and input_name not in names:
            self._diagnostics.error(
                "unknown-name",
                f"the network {quote(name)} has no input {quote(input_name)}",
                reference.span,
                suggestion=closest_match(input_name, names),
                notes=(f"its inputs are: {', '.join(names)}",),
            )
            return None
        if not dot and len(names) > 1:
            self._diagnostics.error(
                "unknown-name",
                f"the network {quote(name)} has {len(names)} inputs; select one",
                reference.span,
                notes=(f"for example: {name}.{names[0]}",),
            )
            return None
        return NetworkInput(name, input_name or names[0])

    def _resolve(self, reference: Reference, scope: Scope) -> tuple[TensorRef, ...]:
        """Return the tensor that a reference names; report an error and return none."""
        tensors = scope.resolve(reference.name, ERROR_REFS, reference.span, self._diagnostics)
        if tensors.has_error or len(tensors.refs) == 1:
            return tensors.refs
        self._diagnostics.error(
            "unknown-output",
            f"'{reference.name}' has {len(tensors.refs)} outputs; select one",
            reference.span,
            notes=(f"for example: {reference.name}.{tensors.names[0] if tensors.names else 0}",),
        )
        return ()

    def _updates(self, scope: Scope, nodes: tuple[Node, ...]) -> list[Update]:
        updates = []
        for update in self._declared.updates:
            terms = tuple(
                ObjectiveLoss(loss.name, ref, weight, loss.step.span)
                for loss in update.losses
                for ref in self._resolve(loss.step, scope)
                for weight in self._weight(loss)
            )
            steps = (
                (1,) if update.steps is None else self._integer(update.steps, "'steps'", _MAX_STEPS)
            )
            reached = self._reached_networks([term.value for term in terms], nodes)
            networks = tuple(reference.name for reference in update.networks)
            for reference in update.networks:
                if terms and reference.name in self._graphs and reference.name not in reached:
                    self._diagnostics.error(
                        "invalid-choice",
                        f"the losses of this update do not depend on '{reference.name}'",
                        reference.span,
                    )
            updates += [
                Update(update.name, terms, networks or reached, count, update.span)
                for count in steps
            ]
        return updates

    def _weight(self, loss: LossDeclaration) -> tuple[ScheduledNumber, ...]:
        if loss.weight is None:
            return (1.0,)
        return self._scheduled_number(loss.weight, f"the weight of '{loss.name}'")

    def _reached_networks(self, refs: list[TensorRef], nodes: tuple[Node, ...]) -> tuple[str, ...]:
        """Return the networks that some tensors depend on, and the layers of the objective."""
        reached = {node.operation for node in needed_nodes(nodes, {each.node for each in refs})}
        return (*(name for name in self._graphs if name in reached), OWN_LAYERS)

    def _with_shape(self, node: Node) -> Node:
        """Return a node with the shape of the input that its argument `input_of` names."""
        argument = next((each for each in node.arguments if each.name == INPUT_OF), None)
        if argument is None or node.operation not in RANDOM_OPERATIONS:
            return node
        network_input = self._network_input(
            Reference(str(to_plain(argument.value)), argument.value.span)
        )
        if network_input is None:
            return node
        inputs = {each.name: each for each in self._graphs[network_input.network].inputs}
        shape = inputs[network_input.input].shape
        if None in shape:
            self._diagnostics.error(
                "invalid-choice",
                f"a size is unknown in the shape of the input '{network_input}': {list(shape)}",
                argument.value.span,
                notes=("name a tensor with the shape under 'from', or write a 'shape'",),
            )
        tree = from_plain([*shape], argument.value.span)
        others = [each for each in node.arguments if each.name not in (INPUT_OF, "shape")]
        return replace(node, arguments=(Argument("shape", tree, argument.span), *others))

    def _network_copies(self) -> Iterable[NetworkCopy]:
        for copy in self._declared.copies:
            for momentum in self._scheduled_number(copy.momentum, "the momentum of a copy"):
                if isinstance(momentum, float) and not 0 <= momentum <= 1:
                    self._diagnostics.error(
                        "out-of-range",
                        f"the momentum of a copy must be from 0 to 1, not {momentum}",
                        copy.momentum.span,
                    )
                yield NetworkCopy(copy.name, copy.network.name, momentum, copy.span)

    def _scheduled_number(self, value: DeferredValue, title: str) -> tuple[ScheduledNumber, ...]:
        """Evaluate a number or a schedule; report an error and return none."""
        tree = self._evaluator.evaluate(value, self._variables)
        if isinstance(tree, MappingNode):
            if not check_object("schedule", tree, self._diagnostics, allow_expressions=False):
                return ()
            schedule = KerasObject.from_tree("schedule", tree)
            check_boundaries(schedule, self._diagnostics)
            return (schedule,)
        if tree is None or not check_value(tree, {"type": "number"}, title, self._diagnostics):
            return ()
        number = to_plain(tree)
        return (float(number),) if isinstance(number, int | float) else ()

    def _integer(self, value: DeferredValue, title: str, maximum: int) -> tuple[int, ...]:
        """Evaluate an integer from 1 on; report an error and return none."""
        tree = self._evaluator.evaluate(value, self._variables)
        schema: dict[str, PlainData] = {"type": "integer", "minimum": 1, "maximum": maximum}
        if tree is None or not check_value(tree, schema, title, self._diagnostics):
            return ()
        number = to_plain(tree)
        return (number,) if isinstance(number, int) else ()
