"""The network of a run that predicts, and the columns of the data that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras

from archbuilder.compiler.ir import Graph
from archbuilder.compiler.objective_ir import NetworkResult, ObjectiveColumn, networks_by_name
from archbuilder.config.loss_traits import is_own_loss
from archbuilder.config.objectives import BlockObjective, ObjectiveConfig, TargetSpec
from archbuilder.diagnostics.errors import UsageError, did_you_mean, quote, quote_list


def predicting_graphs(
    graphs: Mapping[str, Graph], objective: ObjectiveConfig
) -> Mapping[str, Graph]:
    """Return the networks of a run, and the copy of one that a run saves to predict with it."""
    if not isinstance(objective, BlockObjective) or objective.result is None:
        return graphs
    named = networks_by_name(objective.graph.networks, graphs)
    copies = {each.name: named[each.network] for each in objective.graph.copies}
    name = objective.result.network
    return {**graphs, name: copies[name]} if name in copies else graphs


def choose_network(
    graphs: Mapping[str, Graph], objective: ObjectiveConfig, network: str | None
) -> NetworkResult:
    """Return the network of a run that predicts, under its name in the blueprint.

    Args:
        graphs: Those of `predicting_graphs`.
        objective: The objective of the run, which may name the network that predicts.
        network: The one that the user names, such as `encoder` or its output `encoder.features`.

    Raises:
        UsageError: if there is no such network or output, or nothing names one of several.
    """
    if network is None:
        result = objective.result
        if result is None and len(graphs) > 1:
            raise UsageError(
                f"the run has the networks {quote_list(graphs)}; choose one with --network, or with"
                f" 'result: {next(iter(graphs))}' in the objective before training"
            )
        name = next(iter(graphs)) if result is None or len(graphs) == 1 else result.network
        return NetworkResult(name, None if result is None else result.output)
    name, dot, output = network.partition(".")
    _check_name(name, [*graphs], f"the run has no network {quote(name)}")
    if dot:
        outputs = [each for each, _ in graphs[name].outputs]
        _check_name(output, outputs, f"the network {quote(name)} has no output {quote(output)}")
    return NetworkResult(name, output if dot else None)


def _check_name(name: str, names: Sequence[str], message: str) -> None:
    if name not in names:
        hint = did_you_mean(name, names, f"it has {quote_list(names)}")
        raise UsageError(f"{message}; {hint}")


def select_outputs(
    model: keras.Model, graph: Graph, result: NetworkResult, spec: TargetSpec
) -> tuple[keras.Model, Graph]:
    """Return a network with the outputs that predict, and their inputs.

    Without a choice, these are all but the losses of fed targets: new examples have no targets, and
    a loss is not a prediction.
    """
    fed = {*spec.feed_targets_to_inputs}
    outputs = [
        (name, ref)
        for name, ref in graph.outputs
        if name == result.output
        or (
            result.output is None
            and (
                not is_own_loss(spec.losses.get(name))
                or fed.isdisjoint(each.name for each in graph.subgraph_for([(name, ref)]).inputs)
            )
        )
    ]
    if len(outputs) in (0, len(graph.outputs)):
        return model, graph
    subgraph = graph.subgraph_for(outputs)
    # A network with one input takes a tensor.
    inputs = model.input if isinstance(model.input, dict) else {graph.inputs[0].name: model.input}
    submodel = keras.Model(
        {each.name: inputs[each.name] for each in subgraph.inputs},
        {name: model.output[name] for name, _ in outputs},
    )
    return submodel, subgraph


def input_columns(
    objective: ObjectiveConfig, graphs: Mapping[str, Graph], name: str, graph: Graph
) -> Sequence[tuple[int, ObjectiveColumn]] | None:
    """Return the column of each input of a network; None if the inputs are the columns."""
    if not isinstance(objective, BlockObjective):
        return None
    named = networks_by_name(objective.graph.networks, graphs)
    network = predicting_graphs(graphs, objective)[name]
    own_name = next(each for each, value in named.items() if value is network)
    return objective.graph.input_columns(own_name, [each.name for each in graph.inputs])
