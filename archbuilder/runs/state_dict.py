"""Conversion of everything that training changes to named arrays and back, for checkpoints.

These are the weights, the states of random layers, the variables of the optimizers, and the counts
of the metrics. Keras's `save_weights` leaves out the second and the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.keras_backend.lora import lora_adapters, saved_variables, variable_value

Arrays: TypeAlias = Mapping[str, NDArray[np.generic]]
"""Values of variables by name, as in `network.00000`, `optimizer.00003` or `metrics.00001`."""

NetworkState: TypeAlias = Sequence[NDArray[np.generic]]
"""The values of the variables of a network."""
_NETWORK: Final = "network"
_METRICS: Final = "metrics"
CALLBACKS_PREFIX: Final = "callbacks."
"""Prefix of the arrays that hold the state of callbacks."""
RESTORE_BEST: Final = CALLBACKS_PREFIX
"""Prefix of the weights that `EarlyStopping` restores."""
SAVE_BEST: Final = f"{CALLBACKS_PREFIX}save_best."
"""Prefix of the state of `save_best`, with its weights."""
_BEST_WEIGHTS: Final = "best_weights"
_AUXILIARY_PREFIXES: Final = (_METRICS, CALLBACKS_PREFIX)
"""Prefixes of arrays that are neither weights nor variables of an optimizer."""
_BFLOAT16: Final = tf.bfloat16.as_numpy_dtype


class NotFiniteError(RunError):
    """Error for a variable with NaN or infinite values; `name` is the name of its array."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} has NaN or infinite values")


def find_variable(model: keras.Model, name: str) -> keras.Variable:
    """Return the variable whose value `state_dict` stores under a name."""
    return dict(_named_variables(model))[name]


def state_dict(model: keras.Model) -> dict[str, NDArray[np.generic]]:
    """Return the values of all variables of a compiled and built model, in their own dtypes."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, variable in _named_variables(model):
        arrays[name] = variable_value(variable)
    return arrays


def encode_bfloat16(arrays: Arrays) -> dict[str, NDArray[np.generic]]:
    """Return arrays for a file: values of dtype bfloat16 as their bits in uint16.

    safetensors cannot load bfloat16 into numpy, which has no such dtype of its own. The functions
    that restore a model accept the bits.
    """
    return {
        name: array.view(np.uint16) if array.dtype == _BFLOAT16 else array
        for name, array in arrays.items()
    }


def load_state_dict(model: keras.Model, arrays: Arrays) -> None:
    """Restore the weights, the random layers and the optimizers of a model.

    Metrics are left alone: `fit` resets them when an epoch begins. See `load_metric_state`. So is
    the state of callbacks, which `RecipeCallbacks` restores.

    Raises:
        RunError: if the arrays are those of another model.
    """
    variables = [
        pair for pair in _named_variables(model) if not pair[0].startswith(_AUXILIARY_PREFIXES)
    ]
    names = {name for name, _ in variables}
    mismatched = names ^ {name for name in arrays if not name.startswith(_AUXILIARY_PREFIXES)}
    if mismatched:
        raise RunError(
            f"the checkpoint has other variables than the model, such as {quote(min(mismatched))}"
        )
    _assign(variables, arrays)


def load_network_state(model: keras.Model, arrays: Arrays) -> None:
    """Restore the weights and the random layers of a model, but not optimizers and metrics.

    Raises:
        RunError: if the arrays are those of another model.
    """
    variables = _number_variables(_NETWORK, model.variables)
    if {name for name, _ in variables} != {name for name in arrays if name.startswith(_NETWORK)}:
        raise RunError("the checkpoint has other variables than the network")
    _assign(variables, arrays)


def network_state(network: keras.Model) -> NetworkState:
    """Return the values of the weights and the random layers of a network, as it is saved."""
    merged = {id(each.kernel): each.merged_kernel() for each in lora_adapters(network)}
    return [
        merged[id(each)] if id(each) in merged else variable_value(each)
        for each in saved_variables(network)
    ]


def load_network(network: keras.Model, state: NetworkState) -> None:
    """Set the weights and the random layers to the values of a network of the same blueprint."""
    for variable, value in zip(saved_variables(network), state, strict=True):
        variable.assign(value)
    for adapter in lora_adapters(network):
        # The kernels are merged ones.
        adapter.b.assign(np.zeros(adapter.b.shape))


def load_metric_state(model: keras.Model, arrays: Arrays) -> None:
    """Restore the counts of the metrics of a model, in the middle of an epoch.

    Raises:
        RunError: if the arrays are those of other metrics.
    """
    variables = _number_variables(_METRICS, model.metrics_variables)
    if any(name not in arrays for name, _ in variables):
        raise RunError("the checkpoint has other metrics than the run")
    _assign(variables, arrays)


def best_weights_state(
    prefix: str, weights: Iterable[NDArray[np.generic]]
) -> dict[str, NDArray[np.generic]]:
    """Return the weights of the best epoch as arrays with a prefix. See `best_weights`."""
    return {
        f"{prefix}{_BEST_WEIGHTS}.{number:05}": np.asarray(each)
        for number, each in enumerate(weights)
    }


def best_weights(
    model: keras.Model, prefix: str, arrays: Arrays
) -> list[NDArray[np.generic]] | None:
    """Return the weights of the best epoch, for `model.set_weights`; None if there are none.

    Args:
        model: The model.
        prefix: `RESTORE_BEST` or `SAVE_BEST`.
        arrays: The arrays of a checkpoint.

    Raises:
        RunError: if the arrays are those of another model.
    """
    if not any(name.startswith(prefix + _BEST_WEIGHTS) for name in arrays):
        return None
    variables = _number_variables(prefix + _BEST_WEIGHTS, model.weights)
    if any(name not in arrays for name, _ in variables):
        raise RunError("the checkpoint has the best weights of another model than the run")
    return [_decode(name, variable, arrays[name]) for name, variable in variables]


def first_non_finite(arrays: Arrays) -> str | None:
    """Return the name of the first array with a NaN or infinite value, or None.

    Metrics are skipped, also those that callbacks compare: a metric may be NaN while the weights
    are fine.
    """
    for name, array in arrays.items():
        # The kind of bfloat16, a dtype of ml_dtypes, is "V" rather than "f".
        if name.startswith(_AUXILIARY_PREFIXES) or (
            array.dtype.kind != "f" and array.dtype != _BFLOAT16
        ):
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
    """Return the optimizers of a model, each with the variables that it updates."""
    # A plain keras.Model has one optimizer; a GAN has one for each of its networks.
    groups = getattr(model, "optimizers", None)
    return [(model.optimizer, model.trainable_variables)] if groups is None else groups


def optimizer_parts(optimizer: keras.optimizers.Optimizer) -> list[keras.optimizers.Optimizer]:
    """Return the optimizers that update the weights: one, or those of a `MultiOptimizer`."""
    inner_optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    parts = getattr(inner_optimizer, "optimizers", None)
    return [inner_optimizer] if parts is None else [*parts]


def _number_variables(
    prefix: str, variables: Iterable[keras.Variable]
) -> list[tuple[str, keras.Variable]]:
    # By position: Keras numbers its names by what else the process has built, so a resumed run
    # would have others, and the variables of two optimizers share theirs.
    return [(f"{prefix}.{number:05}", each) for number, each in enumerate(variables)]


def _assign(variables: Iterable[tuple[str, keras.Variable]], arrays: Arrays) -> None:
    for name, variable in variables:
        variable.assign(_decode(name, variable, arrays[name]))


def _decode(name: str, variable: keras.Variable, array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the value of a variable from an array of a checkpoint.

    Raises:
        RunError: if it has another shape or dtype.
    """
    dtype = tf.as_dtype(variable.dtype).as_numpy_dtype
    # Of the same size: `view` raises ValueError for another dtype that does not fit the shape.
    is_encoded = dtype == _BFLOAT16 and array.dtype == np.uint16
    value = array.view(_BFLOAT16) if is_encoded else array
    # Variable.assign would convert another dtype without an error.
    if value.shape != tuple(variable.shape) or value.dtype != dtype:
        raise RunError(f"the checkpoint has another shape or dtype for {quote(name)}")
    return value
