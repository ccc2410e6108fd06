"""What an objective says about its trained networks: probes of features, and what predicts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Final

from archbuilder.compiler.expand.network_inputs import resolve_in_network
from archbuilder.compiler.ir import Graph, Node, TensorRef
from archbuilder.compiler.objective_ir import (
    NetworkResult,
    ObjectiveColumn,
    Probe,
    needed_nodes,
)
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote, quote_list
from archbuilder.language.deferred_values import DeferredValue
from archbuilder.language.keyword_schemas import Schema
from archbuilder.language.objective_ast import ProbeDeclaration, Reference
from archbuilder.language.objective_operations import PIPELINE_OPERATIONS, WHOLE_BATCH_OPERATIONS

_DEFAULT_LABEL: Final = "label"
_DEFAULT_NEIGHBORS: Final = 200
_DEFAULT_TEMPERATURE: Final = 0.07
"""As in Wu et al. 2018, arXiv:1805.01978, section 3.4."""
_NEIGHBORS: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 10_000}
_TEMPERATURE: Final[Schema] = {"type": "number", "exclusiveMinimum": 0}


def expand_probes(
    declared: Iterable[ProbeDeclaration],
    columns: Sequence[ObjectiveColumn],
    resolve: Callable[[Reference], tuple[TensorRef, ...]],
    evaluate: Callable[[DeferredValue, str, Schema], tuple[float, ...]],
    diagnostics: Diagnostics,
) -> Iterator[Probe]:
    """Yield probes with their numbers; report those with errors and leave them out.

    Args:
        declared: The probes.
        columns: The columns of the objective.
        resolve: Returns the tensor that a reference names.
        evaluate: Returns a number that fits a schema.
        diagnostics: Receives the errors.
    """
    for probe in declared:
        if probe.when is not None and evaluate(probe.when, "'when'", {"type": "boolean"}) != (1,):
            continue
        neighbors: tuple[float, ...] = (_DEFAULT_NEIGHBORS,)
        temperatures: tuple[float, ...] = (_DEFAULT_TEMPERATURE,)
        if probe.neighbors is not None:
            neighbors = evaluate(probe.neighbors, "'neighbors'", _NEIGHBORS)
        if probe.temperature is not None:
            temperatures = evaluate(probe.temperature, "'temperature'", _TEMPERATURE)
        label = _label_column(probe, columns, diagnostics)
        for ref, count, temperature in product(resolve(probe.features), neighbors, temperatures):
            span = probe.features.span
            yield Probe(probe.method, ref, label, int(count), temperature, span)


def _label_column(
    probe: ProbeDeclaration, columns: Sequence[ObjectiveColumn], diagnostics: Diagnostics
) -> str:
    """Return the column of the labels of a probe; report one that the objective does not have."""
    name, span = _DEFAULT_LABEL, probe.span
    if probe.label is not None:
        name, span = probe.label.name, probe.label.span
    names = [each.name for each in columns]
    if name not in names:
        diagnostics.error(
            "unknown-name",
            f"the probe needs a column of labels, and there is no column {quote(name)}",
            span,
            suggestion=closest_match(name, names),
            notes=(f"the columns are: {', '.join(names)}; add it to 'inputs'",),
        )
    return name


def check_probes(
    probes: Sequence[Probe],
    nodes: Sequence[Node],
    memories: Collection[str],
    diagnostics: Diagnostics,
) -> None:
    """Report features that are more than a function of the columns of an example."""
    for probe in probes:
        needed = needed_nodes(nodes, [probe.features.node])
        for node in needed:
            read = {each.node for each in node.input_refs()} & {*memories}
            others = {node.operation} & (PIPELINE_OPERATIONS | WHOLE_BATCH_OPERATIONS)
            for name in read | others:
                diagnostics.error(
                    "invalid-choice",
                    f"the features of a probe depend on the columns of an example, and"
                    f" '{probe.features}' depends on '{name}'",
                    probe.span,
                    notes=(
                        "add a step for them, as in '{encoder: , from: image, name: features}'",
                    ),
                )


def resolve_result(
    reference: Reference,
    graphs: Mapping[str, Graph],
    columns: Sequence[ObjectiveColumn],
    diagnostics: Diagnostics,
) -> NetworkResult | None:
    """Resolve `encoder`, or the output `encoder.features`; report an error and return None.

    The networks include the copies. Warn about inputs without a column, which the data may have
    nevertheless.
    """
    resolved = resolve_in_network(reference, "output", graphs, diagnostics)
    if resolved is None:
        return None
    name, output = resolved
    inputs = [each.network_input for each in columns]
    # A copy has the inputs of its network.
    adapted = [each.input for each in inputs if each and graphs[each.network] is graphs[name]]
    named = [each.name for each in columns]
    lacking = [each.name for each in graphs[name].inputs if each.name not in (*adapted, *named)]
    if lacking:
        diagnostics.warning(
            "invalid-inputs",
            f"the network {quote(name)} predicts, and no column of the objective is for its"
            f" {'inputs' if len(lacking) > 1 else 'input'} {quote_list(lacking)}",
            reference.span,
            notes=("'archbuilder predict' then needs data with columns of these names",),
        )
    return NetworkResult(name, output)
