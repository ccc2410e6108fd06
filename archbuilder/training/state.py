"""Everything that training changes, as arrays by name: what a checkpoint keeps.

Weights, the states of random layers, the variables of the optimizers, and what metrics have counted
so far. Keras's `save_weights` leaves out the second and the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.errors import RunError, shown

Arrays: TypeAlias = Mapping[str, NDArray[np.generic]]
"""Values of variables by name."""

_NETWORK: Final = "network"
_METRICS: Final = "metrics"
_BFLOAT16: Final = tf.bfloat16.as_numpy_dtype


class NotFiniteError(RunError):
    """A variable that is NaN or infinite; `name` is the name of its array."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} has numbers that are not finite")


def variable_of(learner: keras.Model, name: str) -> keras.Variable:
    """Return the variable whose value `collect` puts under a name."""
    return dict(_named(learner))[name]


def collect(learner: keras.Model) -> dict[str, NDArray[np.generic]]:
    """The values of all variables of a model that was compiled and built."""
    return {
        name: _to_bits(np.asarray(tf.convert_to_tensor(variable.value).numpy()))
        for name, variable in _named(learner)
    }


def restore(learner: keras.Model, arrays: Arrays) -> None:
    """Give the weights, the random layers and the optimizers of a model their values back.

    Raises:
        RunError: if the arrays are those of another model.
    """
    variables = [pair for pair in _named(learner) if not pair[0].startswith(_METRICS)]
    names = {name for name, _ in variables}
    odd = names ^ {name for name in arrays if not name.startswith(_METRICS)}
    if odd:
        raise RunError(f"the checkpoint is of another network: {shown(min(odd))} is in one alone")
    _assign(variables, arrays)


def restore_weights(learner: keras.Model, arrays: Arrays) -> None:
    """Give a model everything of a checkpoint but the optimizers and the metrics.

    Raises:
        RunError: if the arrays are those of another model.
    """
    variables = _numbered(_NETWORK, learner.variables)
    if {name for name, _ in variables} != {name for name in arrays if name.startswith(_NETWORK)}:
        raise RunError("the checkpoint is of another network")
    _assign(variables, arrays)


def restore_metrics(learner: keras.Model, arrays: Arrays) -> None:
    """Give the metrics of a model back what they had counted.

    Raises:
        RunError: if the arrays are those of other metrics.
    """
    variables = _numbered(_METRICS, learner.metrics_variables)
    if any(name not in arrays for name, _ in variables):
        raise RunError("the checkpoint is of a run with other metrics")
    _assign(variables, arrays)


def not_finite(arrays: Arrays) -> str | None:
    """The name of the first array with a number that is none, if there is one."""
    for name, array in arrays.items():
        if name.startswith(_METRICS) or array.dtype.kind != "f":
            continue
        if not np.isfinite(array).all():
            return name
    return None


def _named(learner: keras.Model) -> list[tuple[str, keras.Variable]]:
    return [
        *_numbered(_NETWORK, learner.variables),
        *_numbered("optimizer", [v for each, _ in optimizers(learner) for v in each.variables]),
        *_numbered(_METRICS, learner.metrics_variables),
    ]


def optimizers(
    learner: keras.Model,
) -> list[tuple[keras.optimizers.Optimizer, list[keras.Variable]]]:
    """The optimizers of a model with what each of them changes; Keras's own have one."""
    own = getattr(learner, "optimizers", None)
    return [(learner.optimizer, learner.trainable_variables)] if own is None else own


def _numbered(kind: str, variables: Iterable[keras.Variable]) -> list[tuple[str, keras.Variable]]:
    # Keras's names depend on what else the process has built, and two optimizers share theirs.
    return [(f"{kind}.{number:05}", each) for number, each in enumerate(variables)]


def _assign(variables: Iterable[tuple[str, keras.Variable]], arrays: Arrays) -> None:
    for name, variable in variables:
        array = arrays[name]
        dtype = tf.as_dtype(variable.dtype).as_numpy_dtype
        value = array.view(_BFLOAT16) if dtype == _BFLOAT16 else array
        if value.shape != tuple(variable.shape) or value.dtype != dtype:
            raise RunError(f"the checkpoint has another shape or dtype for {shown(name)}")
        variable.assign(value)


def _to_bits(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """An array in a dtype that numpy itself has."""
    return array.view(np.uint16) if array.dtype == _BFLOAT16 else array
