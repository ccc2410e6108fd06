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

from archbuilder.diagnostics.errors import RunError, quote

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


def find_variable(model: keras.Model, name: str) -> keras.Variable:
    """Return the variable whose value `collect` puts under a name."""
    return dict(_named_variables(model))[name]


def state_dict(model: keras.Model) -> dict[str, NDArray[np.generic]]:
    """The values of all variables of a model that was compiled and built."""
    return {
        name: _bitcast_bfloat16(np.asarray(tf.convert_to_tensor(variable.value).numpy()))
        for name, variable in _named_variables(model)
    }


def load_state_dict(model: keras.Model, arrays: Arrays) -> None:
    """Give the weights, the random layers and the optimizers of a model their values back.

    Raises:
        RunError: if the arrays are those of another model.
    """
    variables = [pair for pair in _named_variables(model) if not pair[0].startswith(_METRICS)]
    names = {name for name, _ in variables}
    mismatched = names ^ {name for name in arrays if not name.startswith(_METRICS)}
    if mismatched:
        raise RunError(
            f"the checkpoint is of another network: {quote(min(mismatched))} is in one alone"
        )
    _assign(variables, arrays)


def load_network_state(model: keras.Model, arrays: Arrays) -> None:
    """Give a model everything of a checkpoint but the optimizers and the metrics.

    Raises:
        RunError: if the arrays are those of another model.
    """
    variables = _number_variables(_NETWORK, model.variables)
    if {name for name, _ in variables} != {name for name in arrays if name.startswith(_NETWORK)}:
        raise RunError("the checkpoint is of another network")
    _assign(variables, arrays)


def load_metric_state(model: keras.Model, arrays: Arrays) -> None:
    """Give the metrics of a model back what they had counted.

    Raises:
        RunError: if the arrays are those of other metrics.
    """
    variables = _number_variables(_METRICS, model.metrics_variables)
    if any(name not in arrays for name, _ in variables):
        raise RunError("the checkpoint is of a run with other metrics")
    _assign(variables, arrays)


def first_non_finite(arrays: Arrays) -> str | None:
    """The name of the first array with a number that is none, if there is one."""
    for name, array in arrays.items():
        if name.startswith(_METRICS) or array.dtype.kind != "f":
            continue
        if not np.isfinite(array).all():
            return name
    return None


def _named_variables(model: keras.Model) -> list[tuple[str, keras.Variable]]:
    return [
        *_number_variables(_NETWORK, model.variables),
        *_number_variables(
            "optimizer", [v for each, _ in optimizer_groups(model) for v in each.variables]
        ),
        *_number_variables(_METRICS, model.metrics_variables),
    ]


def optimizer_groups(
    model: keras.Model,
) -> list[tuple[keras.optimizers.Optimizer, list[keras.Variable]]]:
    """The optimizers of a model with what each of them changes; Keras's own have one."""
    groups = getattr(model, "optimizers", None)
    return [(model.optimizer, model.trainable_variables)] if groups is None else groups


def _number_variables(
    prefix: str, variables: Iterable[keras.Variable]
) -> list[tuple[str, keras.Variable]]:
    # Keras's names depend on what else the process has built, and two optimizers share theirs.
    return [(f"{prefix}.{number:05}", each) for number, each in enumerate(variables)]


def _assign(variables: Iterable[tuple[str, keras.Variable]], arrays: Arrays) -> None:
    for name, variable in variables:
        array = arrays[name]
        dtype = tf.as_dtype(variable.dtype).as_numpy_dtype
        value = array.view(_BFLOAT16) if dtype == _BFLOAT16 else array
        if value.shape != tuple(variable.shape) or value.dtype != dtype:
            raise RunError(f"the checkpoint has another shape or dtype for {quote(name)}")
        variable.assign(value)


def _bitcast_bfloat16(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """An array in a dtype that numpy itself has."""
    return array.view(np.uint16) if array.dtype == _BFLOAT16 else array
