"""Expansion of objectives: their steps, and what these minimize."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from archbuilder.compiler.expand.dead_nodes import eliminate_dead_nodes
from archbuilder.compiler.expand.lowering import Expander
from archbuilder.compiler.expand.network_inputs import resolve_network_input, with_input_shape
from archbuilder.compiler.expand.objective_checks import (
    ObjectiveShapes,
    check_automatic_logits,
    check_log_names,
    check_memories,
    check_names,
    check_sample_steps,
    check_steps,
    check_views,
    read_memories,
    warn_of_untrained_networks,
)
from archbuilder.compiler.expand.objective_numbers import ObjectiveNumbers
from archbuilder.compiler.expand.objective_results import (
    check_probes,
    expand_probes,
    resolve_result,
)
from archbuilder.compiler.expand.scope import PREVIOUS, FileScope, Scope, Symbol
from archbuilder.compiler.expand.size_limit import check_step_count
from archbuilder.compiler.expand.tensors import ERROR_REFS, TensorRefs
from archbuilder.compiler.ir import Graph, Node, TensorRef
from archbuilder.compiler.objective_ir import (
    Memory,
    NetworkCopy,
    NetworkInput,
    ObjectiveColumn,
    ObjectiveGraph,
    ObjectiveLoss,
    ObjectiveMetric,
    SampleGraph,
    ScheduledNumber,
    Update,
    needed_nodes,
    networks_by_name,
)
from archbuilder.compiler.objective_use import ObjectiveUse
from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.diagnostics.span import Span
from archbuilder.language.ast import Block
from archbuilder.language.deferred_values import ValueEvaluator
from archbuilder.language.objective_ast import (
    LossDeclaration,
    ObjectiveBlock,
    Reference,
    SampleDeclaration,
)
from archbuilder.language.objective_operations import objective_callees
from archbuilder.yaml.nodes import to_plain

_MAX_STEPS: Final = 100
_MAX_MEMORY: Final = 10_000_000
_MAX_SAMPLES: Final = 1024
_DEFAULT_SAMPLES: Final = 64
OWN_LAYERS: Final = "objective"
"""The name under which an update trains the layers of the objective itself."""


@dataclass(frozen=True, slots=True, eq=False)
class ObjectiveScope:
    """An objective, and its file with the values of the parameters."""

    declared: ObjectiveBlock
    file: FileScope
    use: ObjectiveUse | None = None
    """The place that names the file; None for an objective in a blueprint, or in a record."""


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


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Expanded steps, with their names and the outputs of the last one."""

    nodes: tuple[Node, ...]
    scope: Scope
    outputs: TensorRefs


class _ObjectiveExpansion:
    """The expansion of one objective."""

    def __init__(
        self,
        objective: ObjectiveScope,
        graphs: Mapping[str, Graph],
        evaluator: ValueEvaluator,
    ) -> None:
        self._declared = declared = objective.declared
        self._use = objective.use
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
        self._frozen = tuple(each.name for each in declared.frozen)
        self._numbers = ObjectiveNumbers(evaluator, self._variables)
        self._evaluator = evaluator
        self._diagnostics: Diagnostics = evaluator.diagnostics
        self._tracker = evaluator.diagnostics.track_errors()

    def run(self) -> ObjectiveGraph | None:
        """Expand the objective; return None after an error."""
        declared = self._declared
        self._check_networks()
        columns = self._columns()
        names = {each.name: each.span for each in columns}
        names |= {each.name: each.span for each in declared.memories}
        steps = self._expand_steps(declared.block, names, [each.name for each in columns])
        scope = steps.scope
        metrics = self._metrics(scope)
        memories = self._memories(scope)
        probes = [
            *expand_probes(
                declared.probes,
                columns,
                lambda reference: self._resolve(reference, scope),
                self._numbers.number,
                self._diagnostics,
            )
        ]
        check_probes(probes, steps.nodes, [each.name for each in memories], self._diagnostics)
        updates = self._updates(scope, steps.nodes)
        check_views(steps.nodes, [each.name for each in columns], self._diagnostics)
        check_memories(memories, steps.nodes, self._diagnostics)
        result = None
        if declared.result is not None:
            graphs = {**self._graphs, **self._copies}
            result = resolve_result(declared.result, graphs, columns, self._diagnostics)
        networks = [*self._graphs, *self._copies]
        check_automatic_logits(steps.nodes, networks, self._diagnostics)
        metric_spans = [(each.name, each.span) for each in metrics]
        metric_spans += [(each.log_name, each.span) for each in probes]
        check_log_names(updates, metric_spans, self._diagnostics)
        sample = None if declared.sample is None else self._sample(declared.sample, columns)
        if self._tracker.has_errors():
            return None
        losses = [term.value for update in updates for term in update.losses]
        others = [each.network.name for each in declared.copies]
        others += [] if sample is None else [node.operation for node in sample.nodes]
        warn_of_untrained_networks(self._graphs, steps.nodes, losses, others, self._diagnostics)
        outputs = [*losses, *(each.value for each in metrics), *(each.features for each in probes)]
        # Before dead nodes are found: the rows of a memory that nothing reads are dead as well.
        memories = read_memories(memories, steps.nodes, outputs, self._diagnostics)
        outputs += [each.value for each in memories]
        return ObjectiveGraph(
            declared.block.name,
            tuple(each.name for each in declared.networks),
            tuple(columns),
            self._live_nodes(steps.nodes, outputs, "loss, metric or memory"),
            tuple(updates),
            tuple(metrics),
            tuple(self._network_copies()),
            memories,
            sample,
            self._frozen,
            tuple(probes),
            result,
            declared.generates,
            declared.span,
            self._use,
        )

    def _metrics(self, scope: Scope) -> list[ObjectiveMetric]:
        return [
            ObjectiveMetric(each.name, ref, each.function, each.step.span)
            for each in self._declared.metrics
            # As an output of a network, it is left out together with its step.
            if not scope.is_skipped(each.step.name)
            for ref in self._resolve(each.step, scope)
        ]

    def _memories(self, scope: Scope) -> tuple[Memory, ...]:
        return tuple(
            Memory(each.name, ref, length, each.span)
            for each in self._declared.memories
            for ref in self._resolve(each.step, scope)
            for length in self._numbers.integer(each.length, "the length of a memory", _MAX_MEMORY)
        )

    def _expand_steps(
        self, block: Block, names: Mapping[str, Span], columns: Sequence[str]
    ) -> _Steps:
        """Expand steps that see some names, of which the first column is the first input."""
        frame = None if self._use is None else self._use.frame
        scope = Scope(file=self._file, path="", weight_owner_prefix=None, frame=frame, depth=0)
        for name, span in names.items():
            scope.symbols[name] = Symbol(TensorRefs((TensorRef(name),)), span)
        check_step_count(block, self._file, self._variables, self._evaluator)
        # Steps may compute along the axis of the batch: `mean(z, axis=0)`.
        expander = Expander(self._evaluator, (), ObjectiveShapes, unbatched=names)
        first = TensorRefs((TensorRef(columns[0]),)) if columns else TensorRefs(())
        outputs = expander.expand_steps(block.steps, scope, first, self._variables)
        check_steps(expander.nodes, self._diagnostics)
        return _Steps(expander.nodes, scope, outputs)

    def _live_nodes(
        self, nodes: tuple[Node, ...], outputs: Iterable[TensorRef], output_noun: str
    ) -> tuple[Node, ...]:
        """Return the nodes that some outputs need, with the shapes of random numbers."""
        live = eliminate_dead_nodes(
            nodes,
            {each.node for each in outputs},
            self._diagnostics,
            output_noun=output_noun,
            result="objective",
        )
        return tuple(with_input_shape(each, self._graphs, self._diagnostics) for each in live)

    def _sample(
        self, declared: SampleDeclaration, columns: Sequence[ObjectiveColumn]
    ) -> SampleGraph | None:
        """Expand the steps of `sample`; report an error and return None."""
        check_names(declared.columns, "column", [each.name for each in columns], self._diagnostics)
        names = {each.name: each.span for each in declared.columns}
        steps = self._expand_steps(declared.block, names, [*names])
        check_sample_steps(steps.nodes, [*self._copies], self._diagnostics)
        reference = declared.output or Reference(PREVIOUS, declared.span)
        outputs = self._resolve(reference, steps.scope, steps.outputs)
        counts: tuple[int, ...] = (_DEFAULT_SAMPLES,)
        if declared.count is not None:
            counts = self._numbers.integer(declared.count, "'count'", _MAX_SAMPLES)
        for output in outputs:
            for count in counts:
                nodes = self._live_nodes(steps.nodes, [output], "sample")
                return SampleGraph(tuple(names), nodes, output, count, declared.span)
        return None

    @property
    def has_errors(self) -> bool:
        """Whether an error was reported."""
        return self._tracker.has_errors()

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
        check_names((*copied, *declared.frozen), "network", self._graphs, self._diagnostics)
        for update in declared.updates:
            names = [*self._graphs, OWN_LAYERS]
            check_names(update.networks, "network", names, self._diagnostics)

    def _columns(self) -> list[ObjectiveColumn]:
        """Return the columns: those declared, or else the inputs of the networks."""
        if self._declared.columns is None:
            # Reversed twice: of inputs with one name, that of the first network adapts the column,
            # and the columns keep the order of the networks.
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
                None
                if each.network_input is None
                else resolve_network_input(each.network_input, self._graphs, self._diagnostics),
                each.span,
            )
            for each in self._declared.columns
        ]

    def _resolve(
        self, reference: Reference, scope: Scope, previous: TensorRefs = ERROR_REFS
    ) -> tuple[TensorRef, ...]:
        """Return the tensor that a reference names; report an error and return none."""
        tensors = scope.resolve(reference.name, previous, reference.span, self._diagnostics)
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
                # As an output of a network, it is left out together with its step.
                if len(update.losses) == 1 or not scope.is_skipped(loss.step.name)
                for ref in self._resolve(loss.step, scope)
                for weight in self._weight(loss)
            )
            steps = (
                (1,)
                if update.steps is None
                else self._numbers.integer(update.steps, "'steps'", _MAX_STEPS)
            )
            optimizer = None
            if update.optimizer is not None:
                optimizer = self._evaluator.evaluate(update.optimizer, self._variables)
            # An update without `networks` trains all that its losses depend on.
            reached = self._reached_networks([term.value for term in terms], nodes)
            networks = tuple(reference.name for reference in update.networks)
            for reference in update.networks:
                if reference.name in self._frozen:
                    self._diagnostics.error(
                        "invalid-choice", f"'{reference.name}' is frozen", reference.span
                    )
                elif terms and reference.name in self._graphs and reference.name not in reached:
                    self._diagnostics.error(
                        "invalid-choice",
                        f"the losses of this update do not depend on '{reference.name}'",
                        reference.span,
                    )
            updates += [
                Update(update.name, terms, networks or reached, count, optimizer, update.span)
                for count in steps
            ]
        return updates

    def _weight(self, loss: LossDeclaration) -> tuple[ScheduledNumber, ...]:
        if loss.weight is None:
            return (1.0,)
        return self._numbers.scheduled(loss.weight, f"the weight of '{loss.name}'")

    def _reached_networks(self, refs: list[TensorRef], nodes: tuple[Node, ...]) -> tuple[str, ...]:
        """Return the networks that some tensors depend on, and the layers of the objective."""
        reached = {node.operation for node in needed_nodes(nodes, {each.node for each in refs})}
        reached -= {*self._frozen}
        return (*(name for name in self._graphs if name in reached), OWN_LAYERS)

    def _network_copies(self) -> Iterable[NetworkCopy]:
        for copy in self._declared.copies:
            for momentum in self._numbers.scheduled(copy.momentum, "the momentum of a copy"):
                if isinstance(momentum, float) and not 0 <= momentum <= 1:
                    self._diagnostics.error(
                        "out-of-range",
                        f"the momentum of a copy must be from 0 to 1, not {momentum}",
                        copy.momentum.span,
                    )
                yield NetworkCopy(copy.name, copy.network.name, momentum, copy.span)
