"""An expanded objective as plain data, for the record of a run.

The data is that of an objective without parameters, blocks and loops; reading it gives the same
graph.
"""

from __future__ import annotations

from archbuilder.compiler.ir import Node
from archbuilder.compiler.objective_ir import (
    ObjectiveGraph,
    ObjectiveMetric,
    Probe,
    ScheduledNumber,
    Update,
)
from archbuilder.compiler.unparse import step_to_dict
from archbuilder.files.array_files import ArrayFile
from archbuilder.language.parser.objectives import ONLY_UPDATE
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import to_plain


def objective_to_dict(graph: ObjectiveGraph) -> dict[str, PlainData]:
    """Return an objective as the mapping that `decode_objective` reads."""
    columns: dict[str, PlainData] = {
        each.name: None if each.network_input is None else str(each.network_input)
        for each in graph.columns
    }
    layers: list[PlainData] = [_step(each) for each in graph.nodes]
    fields: dict[str, PlainData] = {"inputs": columns, "layers": layers}
    if graph.networks:
        fields["networks"] = [*graph.networks]
    updates = {each.name: _update(each) for each in graph.updates}
    if ONLY_UPDATE in updates:
        fields["minimize"] = updates[ONLY_UPDATE]["minimize"]
    else:
        fields["updates"] = {**updates}
    if graph.metrics:
        fields["metrics"] = {each.name: _metric(each) for each in graph.metrics}
    if graph.copies:
        fields["copies"] = {
            each.name: {"of": each.network, "momentum": _number(each.momentum)}
            for each in graph.copies
        }
    if graph.frozen:
        fields["frozen"] = [*graph.frozen]
    if graph.memories:
        fields["memories"] = {
            each.name: {"of": str(each.value), "length": each.length} for each in graph.memories
        }
    if graph.sample is not None:
        fields["sample"] = {
            "inputs": [*graph.sample.columns],
            "layers": [_step(each) for each in graph.sample.nodes],
            "output": str(graph.sample.output),
            "count": graph.sample.count,
        }
    if graph.probes:
        fields["probe"] = {each.method: _probe(each) for each in graph.probes}
    if graph.result is not None:
        fields["result"] = str(graph.result)
    if graph.generates is not None:
        fields["generate"] = graph.generates
    return fields


def _probe(probe: Probe) -> dict[str, PlainData]:
    fields: dict[str, PlainData] = {"of": str(probe.features), "label": probe.label}
    if probe.method == "knn":
        fields |= {"neighbors": probe.neighbors, "temperature": probe.temperature}
    return fields


def _metric(metric: ObjectiveMetric) -> PlainData:
    if metric.function is None:
        return str(metric.value)
    return {"of": str(metric.value), "function": metric.function}


def _update(update: Update) -> dict[str, PlainData]:
    optimizer = update.optimizer
    return {
        **({} if optimizer is None else {"optimizer": _escape(to_plain(optimizer))}),
        "minimize": {
            each.name: {"of": str(each.value), "weight": _number(each.weight)}
            for each in update.losses
        },
        "networks": [*update.networks],
        "steps": update.steps,
    }


def _number(number: ScheduledNumber) -> PlainData:
    return number if isinstance(number, float) else to_plain(number.tree)


def _step(node: Node) -> PlainData:
    # The writer of YAML doubles each `$`, that of JSON does not.
    return _escape(step_to_dict(node, ArrayFile.recorded_path))


def _escape(value: PlainData) -> PlainData:
    """Double each `$` of a text, which would begin an expression."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, list):
        return [_escape(each) for each in value]
    if isinstance(value, dict):
        return {key: _escape(each) for key, each in value.items()}
    return value
