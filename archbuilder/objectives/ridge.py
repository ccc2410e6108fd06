"""Objective `ridge`: compute the weights of the last layer in closed form (ridge regression).

With `X` the inputs of the last layer and a column of ones for the bias, `Y` the targets and `R` the
identity with a zero for the ones, the weights are `inv(X' X + alpha R) X' Y`. Both products are
sums over examples, so only they are kept in memory, in double precision. Other layers keep their
initial weights.

Sources: Jaeger 2001, "The echo state approach to analysing and training recurrent neural networks",
GMD report 148, section 3; Lukosevicius 2012, "A Practical Guide to Applying Echo State Networks",
equation 9.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import keras
import numpy as np

from archbuilder.compiler.ir import Graph
from archbuilder.config.objectives import RidgeConfig, TargetSpec
from archbuilder.data.columns import translate_read_errors
from archbuilder.data.pipeline import AdaptedDataset, BatchPipeline, eval_batches
from archbuilder.diagnostics.errors import RunError, UsageError
from archbuilder.distribution.collectives import WorkerGroup
from archbuilder.runs.run_dir import EpochLogs
from archbuilder.trainer.context import EvalSet, TrainableTask, TrainingContext, TrainingResult
from archbuilder.trainer.datasets import adapt_datasets, log_datasets, single_network
from archbuilder.trainer.log_format import VAL_PREFIX, format_metrics
from archbuilder.trainer.metrics import build_metrics


def make_ridge_task(context: TrainingContext, objective: RidgeConfig) -> TrainableTask:
    """Build the network, and return the task that computes its last layer.

    Raises:
        UsageError: if the blueprint has several networks, or the network does not end in a linear
            Dense layer.
        BlueprintError: if the network does not fit the machine.
        RunError: if the examples do not fit the network.
    """
    name, graph = single_network(context, "ridge")
    # In float32, whatever the precision of the run.
    execution = replace(context.execution, dtype_policy="float32")
    model = replace(context, execution=execution).build(graph)
    readout = _readout(model, graph)
    datasets = adapt_datasets(
        context, graph, model, TargetSpec([output for output, _ in graph.outputs])
    )
    if datasets.train.number_lists:
        raise UsageError("the objective 'ridge' has no targets that are lists with padding")
    log_datasets(context, datasets)
    # A model of its own is compiled for metrics, so that the saved one has no optimizer.
    metric_model = keras.Model(model.input, model.output)
    metric_model.compile(
        loss="mean_squared_error",
        metrics=build_metrics(objective.metrics.get(graph.outputs[0][0], ())),
    )
    size = context.config.batch_size

    @translate_read_errors()
    def evaluate(dataset: AdaptedDataset | None) -> EpochLogs:
        if dataset is None:
            return {}
        batches = eval_batches(dataset, batch_size=size)
        logs = _evaluate_shard(metric_model, batches, context.devices.workers)
        return {key: float(value) for key, value in sorted(logs.items())}

    def train() -> TrainingResult:
        start_time = time.perf_counter()
        _fit_readout(context, model, readout, datasets.train, objective)
        train_metrics = evaluate(datasets.train)
        context.log(f"Training - {format_metrics(train_metrics)}")
        val_metrics = evaluate(datasets.validation)
        seconds = round(time.perf_counter() - start_time, 3)
        epoch_logs: EpochLogs = {"epoch": 1, "seconds": seconds, **train_metrics}
        epoch_logs = {
            **epoch_logs,
            **{f"{VAL_PREFIX}{key}": value for key, value in val_metrics.items()},
        }
        context.run_dir.add_history(epoch_logs, first=True)
        return TrainingResult((epoch_logs,), val_metrics)

    def evaluate_set(eval_set: EvalSet) -> EpochLogs:
        return evaluate(datasets.test if eval_set == "test" else datasets.validation)

    return TrainableTask({name: model}, train, evaluate_set)


def _evaluate_shard(
    model: keras.Model, batches: BatchPipeline, workers: WorkerGroup
) -> Mapping[str, float]:
    """Return the metrics of all batches, of which each worker evaluates every n-th."""
    num_shards = min(workers.count, batches.num_batches)
    shard = batches.shard(num_shards, workers.index % num_shards).dataset()
    logs: Mapping[str, float] = model.evaluate(shard, verbose=0, return_dict=True)
    if workers.count == 1:
        return logs
    for variable in model.metrics_variables:
        # A worker without a batch of its own evaluates those of another, and adds nothing.
        value = np.asarray(variable) * (workers.index < num_shards)
        # The variables of metrics are sums over batches, which `tf.distribute` adds up as well.
        variable.assign(workers.all_reduce_sum(value))
    return model.get_metrics_result()


@translate_read_errors()
def _fit_readout(
    context: TrainingContext,
    model: keras.Model,
    readout: keras.layers.Dense,
    dataset: AdaptedDataset,
    objective: RidgeConfig,
) -> None:
    """Compute the weights of the last layer.

    Raises:
        RunError: if the examples do not determine them.
    """
    features = keras.Model(model.input, readout.input)
    workers = context.devices.workers
    batches = eval_batches(dataset, batch_size=context.config.batch_size)
    num_inputs, use_bias = features.output.shape[-1], readout.use_bias
    # Sums over examples of the products of inputs with inputs, and of inputs with targets.
    gram = np.zeros((num_inputs + use_bias, num_inputs + use_bias))
    cross_products = np.zeros((num_inputs + use_bias, readout.units))
    # Each worker reads every n-th batch.
    for x, y in batches.shard(workers.count, workers.index).dataset():
        inputs = np.asarray(features(x, training=False), np.float64)
        targets = np.asarray(y, np.float64)
        # In the first steps, the state of a reservoir still depends on its initial value.
        if objective.washout:
            if inputs.ndim < 3 or inputs.shape[1] <= objective.washout:
                raise RunError(
                    f"'washout' is {objective.washout}, and a sequence does not have more steps"
                    " than that"
                )
            inputs, targets = inputs[:, objective.washout :], targets[:, objective.washout :]
        inputs = inputs.reshape(-1, num_inputs)
        if use_bias:
            inputs = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
        gram += inputs.T @ inputs
        cross_products += inputs.T @ targets.reshape(-1, targets.shape[-1])
    # With the sums over the workers, all of them solve the same equations.
    gram, cross_products = workers.all_reduce_sum(gram), workers.all_reduce_sum(cross_products)
    # The bias is not penalized: it only shifts the targets.
    penalized_rows = np.arange(num_inputs)
    gram[penalized_rows, penalized_rows] += objective.alpha
    try:
        weights = np.linalg.solve(gram, cross_products)
    except np.linalg.LinAlgError:
        raise RunError("the examples do not determine the weights; increase 'alpha'") from None
    if not np.isfinite(weights).all():
        raise RunError("the weights are NaN or infinite; increase 'alpha'")
    readout.set_weights([weights[:num_inputs], *weights[num_inputs:]])


def _readout(model: keras.Model, graph: Graph) -> keras.layers.Dense:
    """Return the last layer of a network, which has to be a linear Dense layer."""
    layer = None
    if len(graph.outputs) == 1:
        layer = model.get_layer(graph.outputs[0][1].node)
    if not isinstance(layer, keras.layers.Dense):
        raise UsageError("the objective 'ridge' needs a network with one output, a Dense layer")
    if layer.activation is not keras.activations.linear:
        raise UsageError(
            f"the objective 'ridge' needs a linear output layer: remove the activation of"
            f" '{layer.name}'"
        )
    return layer
