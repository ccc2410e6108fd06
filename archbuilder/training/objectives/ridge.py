"""Ridge regression: the weights of the last layer in closed form, and nothing else is trained.

With `X` the inputs of the last layer with a column of ones, `Y` the targets and `R` the identity
with a zero for the ones, the weights are `inv(X' X + penalty R) X' Y`. Both products are sums over
examples, so that batches stream by and only they are kept, in double precision.

Source: Jaeger 2001, "The echo state approach to analysing and training recurrent neural networks",
GMD report 148, section 3; Lukosevicius 2012, "A Practical Guide to Applying Echo State Networks",
equation 9.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.backend import build
from archbuilder.errors import RunError, UsageError
from archbuilder.graph import Graph
from archbuilder.recipe.spec import Ridge
from archbuilder.training.batches import Table, plain_batches
from archbuilder.training.columns import reading
from archbuilder.training.metrics import build_metrics
from archbuilder.training.run import Row
from archbuilder.training.session import Outcome, Prepared, Session
from archbuilder.training.tables import Wanted, make_tables, only_network, tell
from archbuilder.training.watching import HELD_OUT, told
from archbuilder.tree import Tree


def prepare_ridge(session: Session) -> Prepared:
    """The network of a session, whose last layer is computed when it is trained.

    Raises:
        UsageError: if the blueprint has several networks, or the network does not end in a linear
            Dense layer.
        BlueprintError: if the network does not fit the machine.
        RunError: if the examples do not fit the network.
    """
    objective = session.objective(Ridge)
    name, graph = only_network(session, "ridge")
    model = build(graph, session.limits)
    readout = _readout(model, graph)
    tables = make_tables(session, graph, model, Wanted([output for output, _ in graph.outputs]))
    tell(session, tables)
    judge = _judge(model, objective.metrics.get(graph.outputs[0][0], ()))
    size = session.spec.batch_size

    @reading()
    def judged(table: Table | None) -> Row:
        if table is None:
            return {}
        found = judge.evaluate(plain_batches(table, batch_size=size), verbose=0, return_dict=True)
        return {key: float(value) for key, value in sorted(found.items())}

    def train() -> Outcome:
        started = time.perf_counter()
        _compute(session, model, readout, tables.train, objective)
        trained = judged(tables.train)
        session.report(f"trained in closed form: {told(trained)}")
        unseen = judged(tables.held_out)
        seconds = round(time.perf_counter() - started, 3)
        row: Row = {"epoch": 1, "seconds": seconds, **trained}
        row = {**row, **{f"{HELD_OUT}{key}": value for key, value in unseen.items()}}
        session.run.add_history(row, first=True)
        return Outcome((row,), unseen)

    return Prepared({name: model}, train, lambda: judged(tables.held_out))


@reading()
def _compute(
    session: Session,
    model: keras.Model,
    readout: keras.layers.Dense,
    table: Table,
    objective: Ridge,
) -> None:
    """Give the last layer its weights.

    Raises:
        RunError: if the examples determine none.
    """
    features = keras.Model(model.input, readout.input)
    batches = plain_batches(table, batch_size=session.spec.batch_size)
    peers = session.placement.peers
    sums = _Sums(features.output.shape[-1], readout.units, bias=readout.use_bias)
    for inputs, targets in _washed(
        features, batches.shard(peers.count, peers.index), objective.washout
    ):
        sums.add(inputs, targets)
    sums.inputs, sums.targets = peers.total(sums.inputs), peers.total(sums.targets)
    _assign(readout, _solve(sums, objective.penalty))


def _readout(model: keras.Model, graph: Graph) -> keras.layers.Dense:
    layer = None
    if len(graph.outputs) == 1:
        layer = model.get_layer(graph.outputs[0][1].node)
    if not isinstance(layer, keras.layers.Dense):
        raise UsageError("the objective 'ridge' wants a network with one output, a Dense layer")
    if layer.activation is not keras.activations.linear:
        raise UsageError(
            f"the objective 'ridge' computes the weights of '{layer.name}', which has to be linear:"
            " leave its activation out"
        )
    return layer


class _Sums:
    """The products of inputs with inputs, and of inputs with targets, over all examples.

    With a bias, the inputs have a column of ones behind them.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool) -> None:
        self.bias = bias
        self.inputs = np.zeros((inputs + bias, inputs + bias))
        self.targets = np.zeros((inputs + bias, outputs))

    def add(self, inputs: NDArray[np.float64], targets: NDArray[np.float64]) -> None:
        """Count some more: `(examples, inputs)` and `(examples, outputs)`."""
        if self.bias:
            inputs = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
        self.inputs += inputs.T @ inputs
        self.targets += inputs.T @ targets


def _washed(
    features: keras.Model, batches: Iterable[tuple[tf.Tensor, tf.Tensor]], washout: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """What the last layer takes, and what it should make of it: rows of numbers."""
    for given, wanted in batches:
        inputs = np.asarray(features(given, training=False), np.float64)
        targets = np.asarray(wanted, np.float64)
        if washout:
            if inputs.ndim < 3 or inputs.shape[1] <= washout:
                raise RunError(f"there are no {washout} steps to wash out and others behind them")
            inputs, targets = inputs[:, washout:], targets[:, washout:]
        yield inputs.reshape(-1, inputs.shape[-1]), targets.reshape(-1, targets.shape[-1])


def _solve(sums: _Sums, penalty: float) -> NDArray[np.float64]:
    """The weights, `(inputs, outputs)`, with the bias as one more row where there is one."""
    squares = sums.inputs.copy()
    penalised = np.arange(len(squares) - sums.bias)
    squares[penalised, penalised] += penalty
    try:
        weights = np.linalg.solve(squares, sums.targets)
    except np.linalg.LinAlgError:
        raise RunError("the examples determine no weights; give a larger 'penalty'") from None
    if not np.isfinite(weights).all():
        raise RunError("the weights are no finite numbers; give a larger 'penalty'")
    return np.asarray(weights, np.float64)


def _assign(readout: keras.layers.Dense, weights: NDArray[np.float64]) -> None:
    rows = readout.kernel.shape[0]
    readout.set_weights([weights[:rows], *weights[rows:]])


def _judge(model: keras.Model, metrics: Sequence[Tree]) -> keras.Model:
    """What gives the mean squared error and the metrics."""
    # What is saved has no optimizer, which it never had.
    judge = keras.Model(model.input, model.output)
    judge.compile(loss="mean_squared_error", metrics=build_metrics(metrics))
    return judge
